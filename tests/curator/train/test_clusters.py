"""Parts of numbers by value: as good as the best of all partitions, and the same every time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.train.clusters import cluster


def squares(values, groups):
    return sum(
        float(((values[groups == group] - values[groups == group].mean()) ** 2).sum())
        for group in np.unique(groups)
    )


def least_squares(values, groups):
    """Return the best sum of squares over all partitions of the sorted numbers into stretches."""
    points, place = np.unique(values, return_inverse=True)
    cuts = itertools.combinations(range(1, len(points)), groups - 1)
    return min(squares(values, np.searchsorted(cut, place, side="right")) for cut in cuts)


def test_no_partition_is_better():
    random = np.random.default_rng(0)
    for number in range(60):
        values = random.normal(size=random.integers(4, 10)).round(number % 2 + 1)
        groups = int(random.integers(1, len(np.unique(values))))

        found = squares(values, cluster(values, groups))

        assert found == pytest.approx(least_squares(values, groups), abs=1e-12)


def test_groups_are_numbered_from_the_smallest_and_equal_numbers_are_together():
    values = np.array([9.0, 0.1, 5.0, 0.2, 9.0, 5.1])

    assert cluster(values, 3).tolist() == [2, 0, 1, 0, 2, 1]


def test_fewer_different_numbers_than_groups_are_groups_of_their_own():
    assert cluster(np.array([2.0, 1.0, 2.0]), 5).tolist() == [1, 0, 1]
    assert cluster(np.zeros(0), 5).tolist() == []


def test_the_order_of_numbers_and_a_shift_of_all_change_nothing():
    random = np.random.default_rng(1)
    values = random.normal(size=500)
    order = random.permutation(500)

    assert np.array_equal(cluster(values, 7)[order], cluster(values[order], 7))
    assert np.array_equal(cluster(values, 7), cluster(values + 1000, 7))


def test_what_cannot_be_parted_is_refused():
    with pytest.raises(RecipeError, match="0 groups; wanted at least 1"):
        cluster(np.array([1.0]), 0)
    with pytest.raises(RecipeError, match="not finite"):
        cluster(np.array([1.0, np.nan]), 1)
