from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.submodular.engines import lazy, naive
from curator.submodular.facility import facility_location, greedy_steps
from curator.submodular.functions import FacilityLocation
from curator.submodular.similarity import STEP, kernel_of, similarities
from tests.support.vectors import clumped


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return clumped(300, 3)


@pytest.fixture(scope="module")
def chance() -> np.ndarray:
    return np.random.default_rng(4).random(300)


@pytest.mark.parametrize("engine", [naive, lazy])
@pytest.mark.parametrize("negative", ["clip", "shift"])
def test_members_and_gains_are_those_of_the_reference(vectors, chance, engine, negative):
    kernel = similarities(vectors, negative=negative)
    expected = engine(FacilityLocation(kernel), 299, chance=chance)

    found = facility_location(vectors, 299, chance=chance, negative=negative)

    assert found.order.tolist() == expected.order.tolist()
    assert found.gains.tolist() == (expected.gains * STEP).tolist()


def test_what_is_left_is_what_the_others_would_still_add(vectors):
    found = facility_location(vectors, 40)
    function = FacilityLocation(similarities(vectors))
    for member in found.order.tolist():
        function.add(member)

    assert found.rest.tolist() == (function.gains(np.arange(300)) * STEP).tolist()


def test_neither_rows_nor_threads_change_a_bit(vectors, chance):
    rows = np.random.default_rng(9).permutation(300)
    big, order = clumped(1500, 5, dimensions=24), np.random.default_rng(1).random(1500)

    found = facility_location(vectors, 299, chance=chance)
    moved = facility_location(vectors[rows], 299, chance=chance[rows])
    one = facility_location(big, 150, chance=order)
    three = facility_location(big, 150, chance=order, threads=3)

    assert rows[moved.order].tolist() == found.order.tolist()
    assert moved.gains.tolist() == found.gains.tolist()
    assert three.order.tolist() == one.order.tolist()
    assert three.gains.tolist() == one.gains.tolist()


def test_equal_documents_come_by_chance():
    vectors = np.repeat(clumped(4, 2), 5, axis=0)
    chance = np.random.default_rng(0).random(20)

    found = facility_location(vectors, 19, chance=chance)

    firsts = {member // 5: member for member in found.order[:4].tolist()}
    assert firsts == {
        group: 5 * group + int(chance[5 * group :][:5].argmin()) for group in range(4)
    }
    assert np.argsort(chance[found.order[4:]]).tolist() == list(range(15))
    assert not found.gains[4:].any()


def test_similarities_are_cosines_exact_and_symmetric(vectors):
    steps = similarities(vectors)
    whole = np.rint(vectors.astype(np.float64) * 2048).astype(np.int64)
    expected = np.clip(whole @ whole.T // 64, 0, 65535)

    assert (steps == expected).all()
    # Two vectors of 8 numbers, each rounded by at most 2**-12: at worst 2 sqrt(8) 2**-12.
    assert np.abs(steps * STEP - np.maximum(vectors @ vectors.T, 0)).max() < 1.5e-3


def test_shifted_similarities_lie_between_opposite_and_equal():
    ends = np.array([[1, 0], [-1, 0], [0, 1]], np.float32)

    assert similarities(ends, negative="shift").tolist() == [
        [65535, 0, 32768],
        [0, 65535, 32768],
        [32768, 32768, 65535],
    ]


@pytest.mark.parametrize(("n", "k"), [(0, 0), (1, 1), (5, 5), (5, 0), (5, 6)])
def test_members_that_are_no_choice_are_refused(n, k):
    with pytest.raises(BudgetError, match=f"cannot choose {k} of {n} elements"):
        facility_location(clumped(n, 1), k)


def test_a_kernel_of_too_many_elements_is_refused_before_it_is_made():
    with pytest.raises(BudgetError, match=r"300 elements take 180,000 bytes.*at most 223"):
        facility_location(clumped(300, 1), 3, most_bytes=100_000)


def test_vectors_of_another_length_are_refused(vectors):
    with pytest.raises(RecipeError, match="wanted finite vectors of length one"):
        similarities(vectors * np.float32(1.5))
    with pytest.raises(RecipeError, match="has length nan"):
        similarities(np.full((3, 2), np.nan, np.float32))


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (np.ones((2, 3)), r"shape \(2, 3\)"),
        (np.ones((1, 1)), "wanted .* n of 2 or more"),
        (np.array([[1, np.nan], [np.nan, 1]]), "not finite"),
        (np.array([[1, -0.5], [-0.5, 1]]), r"goes down to -0.5.*clip"),
        (np.array([[1, 0.5], [0.4, 1]]), "not symmetric"),
        (np.array([[9, 5], [4, 9]], np.uint16), "not symmetric"),
    ],
)
def test_a_kernel_that_is_none_is_refused(kernel, message):
    with pytest.raises(RecipeError, match=message):
        kernel_of(kernel)


def test_a_kernel_within_rounding_is_taken(vectors):
    kernel = np.maximum(vectors @ vectors.T, 0)
    kernel[0, 1] += 1e-7

    assert kernel_of(kernel) is kernel


def test_columns_beyond_the_first_tile_count():
    steps = similarities(clumped(4500, 8))
    expected = naive(FacilityLocation(steps), 3)

    found = greedy_steps(steps, 3, threads=2)

    assert found.order.tolist() == expected.order.tolist()
    assert found.gains.tolist() == (expected.gains * STEP).tolist()
