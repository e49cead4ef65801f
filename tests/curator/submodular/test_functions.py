from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.submodular.engines import value_of
from curator.submodular.functions import (
    FacilityLocation,
    GraphCut,
    LogDeterminant,
    SaturatedCoverage,
)
from tests.support.vectors import clumped

SETS = st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True)


def kernel(seed: int, n: int = 10) -> np.ndarray:
    vectors = clumped(n, seed, dimensions=4, spread=0.6).astype(np.float64)
    return np.maximum(vectors @ vectors.T, 0)


@given(SETS, st.integers(0, 99))
def test_facility_location_sums_the_similarity_to_the_nearest(members, seed):
    similar = kernel(seed)

    found = value_of(FacilityLocation(similar), members)

    assert found == pytest.approx(similar[:, members].max(axis=1).sum())


@given(SETS, st.integers(0, 99), st.floats(0, 2))
def test_graph_cut_takes_off_what_members_share(members, seed, weight):
    similar = kernel(seed)

    found = value_of(GraphCut(similar, weight), members)

    expected = similar[:, members].sum() - weight * similar[np.ix_(members, members)].sum()
    assert found == pytest.approx(expected, abs=1e-9)


@given(st.permutations(range(10)), st.integers(0, 99), st.floats(0, 0.5))
def test_a_graph_cut_never_falls_up_to_a_weight_of_one_half(order, seed, weight):
    function = GraphCut(kernel(seed), weight)

    for member in order:
        assert function.gains(np.array([member]))[0] >= -1e-9
        function.add(member)


def test_a_graph_cut_falls_beyond_a_weight_of_one_half():
    function = GraphCut(np.ones((10, 10)), 0.6)

    assert value_of(function, range(9)) > value_of(GraphCut(np.ones((10, 10)), 0.6), range(10))


@given(SETS, st.integers(0, 99), st.floats(0.01, 1))
def test_saturated_coverage_counts_no_more_than_a_share(members, seed, share):
    similar = kernel(seed)

    found = value_of(SaturatedCoverage(similar, share), members)

    expected = np.minimum(similar[:, members].sum(axis=1), share * similar.sum(axis=1)).sum()
    assert found == pytest.approx(expected)


@given(SETS, st.integers(0, 99), st.sampled_from([0.1, 1.0]))
def test_log_determinant_is_that_of_numpy(members, seed, ridge):
    vectors = clumped(10, seed, dimensions=4).astype(np.float64)
    similar = vectors @ vectors.T  # no negative directions, whatever the signs

    found = value_of(LogDeterminant(similar, ridge=ridge), members)

    within = similar[np.ix_(members, members)] + ridge * np.eye(len(members))
    # Gains are rounded to 2**-20.
    assert found == pytest.approx(np.linalg.slogdet(within)[1], abs=len(members) * 2.0**-20)


def test_log_determinant_reads_a_kernel_in_any_unit():
    similar = kernel(1)

    found = value_of(LogDeterminant(np.rint(similar * 1000).astype(np.uint16), unit=1e-3), [3, 5])

    assert found == pytest.approx(value_of(LogDeterminant(similar), [3, 5]), abs=0.01)


@given(st.permutations(range(10)), st.integers(0, 99))
def test_gains_fall_as_members_are_added(order, seed):
    for make in (FacilityLocation, GraphCut, SaturatedCoverage):
        function = make(kernel(seed))
        last = function.gains(np.arange(10))
        for member in order[:5]:
            function.add(member)
            now = function.gains(np.arange(10))
            assert (now <= last + 1e-9).all()
            last = now


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GraphCut(np.ones((2, 2)), -0.1), "weight of a graph cut is -0.1"),
        (lambda: SaturatedCoverage(np.ones((2, 2)), 0.0), "share is 0.0"),
        (lambda: LogDeterminant(np.ones((2, 2)), ridge=0.0), "ridge is 0.0"),
    ],
)
def test_numbers_without_meaning_are_refused(make, message):
    with pytest.raises(RecipeError, match=message):
        make()
