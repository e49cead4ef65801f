from __future__ import annotations

import numpy as np
import pytest

from curator.dedup.cosines import Earlier, nearest, nearest_several, similar, visit
from tests.support.vectors import clumped

BLOCK = 256


def steps_of(vectors: np.ndarray) -> np.ndarray:
    return np.rint((vectors @ vectors.T) / np.float32(1e-3)).astype(int)


@pytest.mark.parametrize("kept_only", [True, False])
def test_the_closest_is_the_nearest_earlier_one_that_counts(kept_only):
    vectors = clumped(90, 2)
    steps = steps_of(vectors)

    found = similar(vectors, 0.9, kept_only=kept_only)

    for row in range(90):
        among = [at for at in range(row) if not kept_only or found.original[at] < 0]
        expected = max((steps[row, at] for at in among), default=-1000) / 1000
        assert found.closest[row] == pytest.approx(expected, abs=1e-3)  # sums in another order
    removed = found.original >= 0
    assert removed.any()
    assert np.array_equal(found.closest[removed], found.cosine[removed])


@pytest.mark.parametrize("counting", ["kept", "all", "block"])
@pytest.mark.parametrize("half", [False, True])
def test_vectors_can_come_in_portions_and_be_held_in_half_precision(counting, half):
    vectors = clumped(3 * BLOCK + 40, 3)
    whole = visit(vectors, 0.93, Earlier(8), counting=counting)

    earlier = Earlier(8, half=half)
    parts = [
        visit(part, 0.93, earlier, counting=counting) for part in (vectors[:512], vectors[512:])
    ]

    for at, expected in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[at] for part in parts]), expected)
    assert earlier.visited == len(vectors)
    assert earlier.count == (len(vectors) if counting == "all" else (whole.original < 0).sum())


def test_a_batched_loop_that_does_not_look_who_stays_loses_more():
    """DEITA's filter: those kept before the batch, and every earlier one of the batch."""
    vectors = clumped(2 * BLOCK, 4, clumps=30, spread=0.3)
    steps, kept = steps_of(vectors), []
    for start in (0, BLOCK):
        batch = range(start, start + BLOCK)
        kept += [
            row
            for row in batch
            if not any(steps[row, at] > 900 for at in [*kept, *range(start, row)])
        ]

    found = visit(vectors, 0.9, Earlier(8), counting="block")
    greedy = similar(vectors, 0.9, kept_only=True)

    assert np.flatnonzero(found.original < 0).tolist() == kept
    assert len(kept) < (greedy.original < 0).sum()


def test_the_several_nearest_are_those_of_a_full_sort():
    vectors, centroids = clumped(300, 5), clumped(270, 6)
    steps = np.rint((vectors @ centroids.T) / np.float32(1e-3)).astype(int)

    found = nearest_several(vectors, centroids, 3)

    np.testing.assert_array_equal(found[:, 0], nearest(vectors, centroids)[0])
    rows = np.arange(300)[:, None]
    expected = -np.sort(-steps, axis=1)[:, :3]
    np.testing.assert_allclose(steps[rows, found], expected, atol=1)
    assert all(len(set(row)) == 3 for row in found.tolist())


def test_there_are_no_more_nearest_than_centroids():
    assert nearest_several(clumped(5, 1), clumped(2, 2), 9).shape == (5, 2)
