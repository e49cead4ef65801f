from __future__ import annotations

import numpy as np
import pytest

from curator.embed.encoder import unit
from curator.embed.mean_ranks import mean_rank_values
from curator.embed.ranks import TargetRanks
from curator.errors import RecipeError
from curator.identity import random_bits
from tests.support.vectors import clumped


def ids(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 16), dtype=np.uint8)


def ranks_of(targets: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(T, N) by sorting everything."""
    steps = np.rint(unit(targets) @ unit(vectors).T / np.float32(1e-4))
    ties = random_bits(ids(len(vectors)), "best_rank", 0)
    orders = [np.lexsort((ties, -row)) for row in steps]
    return np.stack([np.argsort(order) + 1 for order in orders])


@pytest.mark.parametrize("value", ["log", "reciprocal"])
@pytest.mark.parametrize("n", [1, 70])
def test_means_are_of_values_of_ranks_not_of_cosines(value, n):
    targets, vectors = clumped(150, 1), clumped(n, 2)
    worth = {"log": np.log2(1 / np.arange(1.0, n + 1)), "reciprocal": 1 / np.arange(1.0, n + 1)}

    found = mean_rank_values(targets, ids(n), vectors, value)

    expected = worth[value][ranks_of(targets, vectors) - 1].mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_ties_are_broken_as_best_ranks_are():
    targets, vectors = clumped(5, 1), np.ones((40, 8), np.float32)

    found = mean_rank_values(targets, ids(40), vectors, "reciprocal")

    lists = TargetRanks(targets, 1)
    lists.add(ids(40), vectors)
    assert ids(40)[found.argmax()].tobytes() == lists.best().ids[0].tobytes()
    np.testing.assert_allclose(np.sort(found)[::-1], 1 / np.arange(1, 41))


def test_order_of_documents_does_not_matter():
    targets, vectors = clumped(30, 1), clumped(50, 2)
    order = np.random.default_rng(4).permutation(50)

    found = mean_rank_values(targets, ids(50), vectors, "log")

    again = mean_rank_values(targets, ids(50)[order], vectors[order], "log")
    np.testing.assert_array_equal(again, found[order])


def test_no_targets_are_refused():
    with pytest.raises(RecipeError, match="no targets"):
        mean_rank_values(np.zeros((0, 8), np.float32), ids(3), clumped(3, 1), "log")
