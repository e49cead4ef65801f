from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.embed import ranks
from curator.embed.ranks import GRID, TargetRanks
from curator.errors import RecipeError
from curator.identity import random_bits


def drawn(count: int, seed: int, dimensions: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def ids(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


def reference(targets: np.ndarray, names: np.ndarray, vectors: np.ndarray, keep: int) -> dict:
    """Best (rank, -cosine in steps) of each kept document, by sorting everything."""
    steps = np.rint(targets.astype(np.float64) @ vectors.T.astype(np.float64) / GRID)
    ties = random_bits(names, "best_rank", 0)
    found: dict[bytes, tuple[int, float]] = {}
    for row in steps:
        order = sorted(range(len(names)), key=lambda at: (-row[at], ties[at]))[:keep]
        for place, at in enumerate(order):
            name, now = names[at].tobytes(), (place + 1, -row[at])
            found[name] = min(found.get(name, now), now)
    return found


def told(best: ranks.BestRanks) -> dict:
    return {
        name.tobytes(): (int(rank), -np.rint(cosine / GRID))
        for name, rank, cosine in zip(best.ids, best.rank, best.cosine, strict=True)
    }


@pytest.mark.parametrize(("targets", "documents", "keep"), [(1, 1, 3), (7, 300, 5), (3, 4, 9)])
def test_best_ranks_are_those_of_sorting_everything(targets: int, documents: int, keep: int):
    wanted, names, vectors = drawn(targets, 1), ids(documents), drawn(documents, 2)
    found = TargetRanks(wanted, keep)
    found.add(names, vectors)

    assert told(found.best()) == reference(wanted, names, vectors, keep)


@given(st.integers(0, 1000), st.lists(st.integers(1, 120), max_size=3))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_documents_nor_cuts_matter(seed: int, cuts: list[int]):
    wanted, names = drawn(5, seed), ids(120, seed)
    vectors = drawn(12, seed + 1)[np.random.default_rng(seed).integers(0, 12, 120)]  # many ties
    whole, parts = TargetRanks(wanted, 10), TargetRanks(wanted, 10)
    whole.add(names, vectors)
    order = np.random.default_rng(seed).permutation(120)
    for rows in np.split(order, sorted(cuts)):
        parts.add(names[rows], vectors[rows])

    for one, other in zip(whole.best(), parts.best(), strict=True):
        assert np.array_equal(one, other)


def test_ranks_are_global_and_blocks_of_targets_change_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ranks, "_TARGETS", 4)
    monkeypatch.setattr(ranks, "_DOCUMENTS", 16)
    monkeypatch.setattr(ranks, "_FORGET", 30)
    wanted, names, vectors = drawn(10, 3), ids(200), drawn(200, 4)
    found = TargetRanks(wanted, 2)
    for start in range(0, 200, 50):
        found.add(names[start : start + 50], vectors[start : start + 50])

    assert told(found.best()) == reference(wanted, names, vectors, 2)


def test_several_threads_find_the_same():
    wanted, names, vectors = drawn(9, 5), ids(150), drawn(150, 6)
    one, two = TargetRanks(wanted, 4), TargetRanks(wanted, 4, threads=2)
    one.add(names, vectors)
    two.add(names, vectors)

    assert all(np.array_equal(a, b) for a, b in zip(one.best(), two.best(), strict=True))


def test_every_target_lists_its_nearest_first():
    wanted, names, vectors = drawn(4, 7), ids(30), drawn(30, 8)
    found = TargetRanks(wanted, 50)
    found.add(names, vectors)
    kept = found.nearest()

    assert kept.document_TR.shape == (4, 50)
    assert (kept.document_TR[:, 30:] == -1).all()
    assert np.isnan(kept.cosine_TR[:, 30:]).all()
    assert (np.diff(kept.cosine_TR[:, :30]) <= 0).all()
    assert (np.sort(kept.document_TR[:, :30]) == np.arange(30)).all()
    assert sorted(map(bytes, names)) == list(map(bytes, kept.ids))


def test_the_target_that_ranks_a_document_best_is_named():
    wanted = np.eye(3, dtype=np.float32)
    vectors = np.array([[1, 0.1, 0], [0, 0.2, 1]], np.float32)
    found = TargetRanks(wanted, 1)
    found.add(ids(2), vectors)
    best = found.best()
    rows = {bytes(name): row for row, name in enumerate(best.ids)}
    first, second = (rows[bytes(name)] for name in ids(2))

    assert best.rank[[first, second]].tolist() == [1, 1]
    assert best.target[[first, second]].tolist() == [0, 2]


def test_the_margin_is_the_largest_over_the_next_document_of_targets_with_this_rank():
    wanted, names, vectors = drawn(6, 11), ids(12), drawn(12, 12)
    found = TargetRanks(wanted, 4)
    found.add(names, vectors)
    steps = np.rint(wanted @ vectors.T / np.float32(GRID))
    places = np.argsort(np.argsort(-steps, axis=1), axis=1)
    following = -np.sort(-steps, axis=1)
    best = found.best(3)

    assert sorted(map(bytes, best.ids)) == sorted(
        bytes(names[at]) for at in np.flatnonzero((places < 3).any(axis=0))
    )
    for name, rank, margin in zip(best.ids, best.rank, best.margin, strict=True):
        at = next(row for row in range(12) if bytes(names[row]) == bytes(name))
        mine = np.flatnonzero(places[:, at] == rank - 1)
        assert rank == places[:, at].min() + 1
        assert margin == pytest.approx(
            max(steps[t, at] - following[t, rank] for t in mine) * GRID, abs=GRID / 2
        )
    alone = TargetRanks(wanted, 1)
    alone.add(names, vectors)
    assert (alone.best().margin == 2).all()


def test_lengths_of_vectors_do_not_matter():
    wanted, names, vectors = drawn(3, 9), ids(40), drawn(40, 10)
    one, other = TargetRanks(wanted * 3, 5), TargetRanks(wanted, 5)
    one.add(names, vectors * np.float32(0.5))
    other.add(names, vectors)

    assert told(one.best()) == told(other.best())


def test_nothing_added_has_no_ranks():
    assert len(TargetRanks(drawn(2, 0), 3).best().ids) == 0


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((2, 6), np.float32), "no length"),
        (np.full((2, 6), np.nan, np.float32), "not finite"),
        (np.ones((2, 5), np.float32), r"shape \(2, 5\); wanted 6 dimensions"),
        (np.ones((3, 6), np.float32), "2 ids for 3 vectors"),
    ],
)
def test_documents_without_a_direction_of_the_targets_are_refused(vectors, message: str):
    with pytest.raises(RecipeError, match=message):
        TargetRanks(drawn(2, 0), 3).add(ids(2), vectors)


def test_targets_without_direction_and_no_ranks_are_refused():
    with pytest.raises(RecipeError, match=r"targets: .*no length"):
        TargetRanks(np.zeros((1, 4), np.float32), 3)
    with pytest.raises(RecipeError, match="keep is 0"):
        TargetRanks(drawn(2, 0), 0)
    with pytest.raises(RecipeError, match="no targets"):
        TargetRanks(np.zeros((0, 4), np.float32), 3)
