from __future__ import annotations

import numpy as np
import pytest

from curator.embed.index import Inverted, open_index
from curator.embed.neighbors import Neighbors
from curator.errors import RecipeError


def grouped(count: int, seed: int, dimensions: int = 16) -> np.ndarray:
    """Unit vectors around twenty middles."""
    chance = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(size=(20, dimensions))
    points = middles[chance.integers(0, 20, count)] + chance.normal(size=(count, dimensions)) * 0.5
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def recall(found: np.ndarray, wanted: np.ndarray) -> float:
    return float((wanted[:, :, None] == found[:, None, :]).any(axis=2).mean())


def test_an_inverted_file_looks_into_as_many_lists_as_the_wanted_recall_takes():
    stored = grouped(2000, 0)
    little, much = (open_index(stored, "ivf", k=5, least_recall=r) for r in (0.3, 0.95))

    assert isinstance(little, Inverted)
    assert isinstance(much, Inverted)
    assert little.measured.probes < much.measured.probes
    assert much.measured.recall >= 0.95
    assert much.measured.lists == 44


def test_the_recall_measured_is_that_of_other_queries():
    stored, asked = grouped(2000, 0), grouped(400, 1)
    index = open_index(stored, "ivf", k=5, least_recall=0.9)
    wanted = np.argsort(-(asked @ stored.T), axis=1)[:, :5]

    assert recall(index.top_k(asked, 5)[1], wanted) == pytest.approx(
        index.measured.recall, abs=0.06
    )


def test_all_lists_are_exact():
    stored, asked = grouped(300, 2), grouped(20, 3)
    index = Inverted(stored, lists=6)
    index._index.nprobe = 6
    products, rows = index.top_k(asked, 7)
    exact_products, exact_rows = Neighbors(stored).top_k(asked, 7)

    assert np.array_equal(rows, exact_rows)
    np.testing.assert_allclose(products, exact_products, atol=1e-6)  # sums in another order


def test_the_same_vectors_and_seed_give_the_same_answers():
    stored, asked = grouped(500, 4), grouped(30, 5)
    one, other = (open_index(stored, "ivf", seed=3, threads=t).top_k(asked, 4) for t in (1, 2))

    assert np.array_equal(one[1], other[1])


def test_exact_is_the_default():
    assert isinstance(open_index(grouped(10, 0)), Neighbors)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "hnsw"}, "'hnsw'; wanted 'exact' or 'ivf'"),
        ({"method": "ivf", "least_recall": 1.5}, "least_recall is 1.5"),
        ({"method": "ivf", "least_recall": 1.0, "k": 150}, r"recall@150 is 0\.\d+ .* ask exactly"),
    ],
)
def test_what_no_index_can_do_is_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        open_index(grouped(300, 0), **settings)


def test_too_few_vectors_and_vectors_without_direction_are_refused():
    with pytest.raises(RecipeError, match="wanted two a list"):
        Inverted(grouped(10, 0), lists=6)
    with pytest.raises(RecipeError, match="no length"):
        Inverted(np.zeros((10, 4), np.float32))
