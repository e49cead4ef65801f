from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.submodular.engines import (
    SetFunction,
    lazy,
    naive,
    partitioned,
    stochastic,
    threshold,
    value_of,
)
from curator.submodular.functions import (
    FacilityLocation,
    GraphCut,
    LogDeterminant,
    SaturatedCoverage,
)
from tests.support.vectors import clumped

FUNCTIONS: dict[str, Callable[[np.ndarray], SetFunction]] = {
    "facility location": FacilityLocation,
    "graph cut": GraphCut,
    "saturated coverage": SaturatedCoverage,
    "log determinant": LogDeterminant,
}
BOUND = 1 - 1 / np.e


def kernel(n: int, seed: int) -> np.ndarray:
    vectors = clumped(n, seed, dimensions=5, spread=0.6).astype(np.float64)
    return np.maximum(vectors @ vectors.T, 0)


def best_of(make: Callable[[np.ndarray], SetFunction], similar: np.ndarray, k: int) -> float:
    return max(value_of(make(similar), four) for four in combinations(range(len(similar)), k))


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=20)
@given(st.integers(4, 10), st.integers(0, 1000))
def test_greedy_is_near_the_best_of_all_sets(name, n, seed):
    similar = kernel(n, seed)

    found = naive(FUNCTIONS[name](similar), 3)

    assert found.gains.sum() >= BOUND * best_of(FUNCTIONS[name], similar, 3) - 1e-9


def test_greedy_is_near_the_best_of_the_sets_of_fourteen():
    similar = kernel(14, 5)
    best = best_of(FacilityLocation, similar, 5)

    assert naive(FacilityLocation(similar), 5).gains.sum() >= BOUND * best
    assert threshold(FacilityLocation(similar), 5, eps=0.1).gains.sum() >= (BOUND - 0.1) * best
    values = [stochastic(FacilityLocation(similar), 5, seed=s).gains.sum() for s in range(200)]
    assert np.mean(values) >= (BOUND - 0.1) * best


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("block", [1, 16])
def test_lazy_takes_what_naive_takes(name, block):
    similar, chance = kernel(60, 2), np.random.default_rng(0).random(60)

    expected = naive(FUNCTIONS[name](similar), 59, chance=chance)
    found = lazy(FUNCTIONS[name](similar), 59, chance=chance, block=block)

    assert found.order.tolist() == expected.order.tolist()
    np.testing.assert_allclose(found.gains, expected.gains, rtol=1e-12)


def test_lazy_computes_few_gains_again():
    counted = Counted(kernel(200, 1))

    lazy(counted, 50, block=1)

    assert counted.asked < 200 + 50 * 40  # naive: 50 x 175


class Counted(FacilityLocation):
    asked = 0

    def gains(self, candidates: np.ndarray) -> np.ndarray:
        self.asked += len(candidates)
        return super().gains(candidates)


@pytest.mark.parametrize(
    "engine", [naive, lazy, stochastic, threshold], ids=lambda one: one.__name__
)
def test_the_order_of_rows_does_not_matter(engine):
    # Whole numbers, so that sums are the same in any order; copies, so that gains are equal.
    steps = np.repeat(np.rint(kernel(20, 3) * 1000), 2, axis=0)
    steps, chance = np.repeat(steps, 2, axis=1), np.random.default_rng(0).random(40)
    rows = np.random.default_rng(1).permutation(40)

    found = engine(FacilityLocation(steps), 30, chance=chance)
    moved = engine(FacilityLocation(steps[np.ix_(rows, rows)]), 30, chance=chance[rows])

    assert rows[moved.order].tolist() == found.order.tolist()


def test_of_equal_elements_the_one_with_the_lower_chance_comes_first():
    chance = np.array([0.9, 0.2, 0.5, 0.1])

    for engine in (naive, lazy):
        found = engine(FacilityLocation(np.ones((4, 4))), 4, chance=chance)
        assert found.order.tolist() == [3, 1, 2, 0]


def test_a_sample_has_the_size_of_the_paper():
    counted = Counted(kernel(100, 1))

    stochastic(counted, 20, eps=0.1)

    assert counted.asked == 20 * 12  # 100 / 20 x ln 10 = 11.5


def test_partitions_are_chosen_from_one_by_one():
    similar = kernel(30, 6)
    parts = [np.arange(0, 12), np.arange(12, 30)]

    found = partitioned(parts, lambda rows: naive(FacilityLocation(similar[np.ix_(rows, rows)]), 4))

    alone = [naive(FacilityLocation(similar[np.ix_(rows, rows)]), 4) for rows in parts]
    assert (np.diff(found.gains) <= 0).all()
    for rows, each in zip(parts, alone, strict=True):
        members = [member for member in found.order.tolist() if member in rows]
        assert members == rows[each.order].tolist()


def test_every_function_says_what_memory_it_takes():
    for make in FUNCTIONS.values():
        assert make(np.ones((50, 50))).state_bytes >= 50 * 50 * 8


@pytest.mark.parametrize("eps", [0.0, 1.0, -1.0])
def test_an_error_that_is_none_is_refused(eps):
    for engine in (stochastic, threshold):
        with pytest.raises(RecipeError, match=f"eps is {eps}; wanted a number between"):
            engine(FacilityLocation(np.ones((3, 3))), 2, eps=eps)


def test_more_members_than_elements_are_refused():
    with pytest.raises(RecipeError, match="cannot take 4 of 3 elements"):
        naive(FacilityLocation(np.ones((3, 3))), 4)
