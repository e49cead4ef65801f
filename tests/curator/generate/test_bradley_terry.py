from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from curator.errors import RecipeError
from curator.generate.bradley_terry import fit_strengths, loss
from curator.generate.pairing import circle_pairs


def verdicts(count: int, rounds: int, seed: int, spread: float = 1.0) -> tuple:
    """Pairs, P(first) from planted strengths, and the strengths."""
    planted = np.random.default_rng(seed).normal(size=count) * spread
    first, second = circle_pairs(count, rounds)
    return first, second, 1 / (1 + np.exp(planted[second] - planted[first])), planted


@pytest.mark.parametrize("prior", [0.01, 0.1, 3.0])
def test_strengths_are_the_optimum_that_a_general_optimizer_finds(prior: float):
    first, second, p, _ = verdicts(30, 3, seed=1)
    chance = np.random.default_rng(0)
    p = np.clip(p + chance.normal(size=len(p)) * 0.2, 0, 1)
    found = fit_strengths(first, second, p, 30, prior=prior)
    reference = minimize(loss, np.zeros(30), (first, second, p, prior), tol=1e-12, method="BFGS").x

    # BFGS stops where its numeric gradient is lost in rounding, near 1e-5.
    np.testing.assert_allclose(found, reference, atol=1e-4)
    assert loss(found, first, second, p, prior) <= loss(reference, first, second, p, prior) + 1e-9


def test_two_strengths_are_those_of_a_search_over_a_grid():
    first, second, p = np.array([0, 0]), np.array([1, 1]), np.array([1.0, 0.75])
    margin = np.linspace(-5, 5, 100_001)
    # Only the difference counts, and it is shared equally: prior / 2 * 2 * (margin / 2) ** 2.
    total = sum(np.logaddexp(0, -margin) + (1 - one) * margin for one in p)
    best = margin[np.argmin(total + 0.1 * (margin / 2) ** 2)]
    strong, weak = fit_strengths(first, second, p, 2, prior=0.1)

    assert strong - weak == pytest.approx(best, abs=2e-4)
    assert strong == pytest.approx(-weak)


def test_planted_strengths_come_back_from_exact_verdicts():
    first, second, p, planted = verdicts(200, 4, seed=2)
    found = fit_strengths(first, second, p, 200, prior=1e-6)

    np.testing.assert_allclose(found, planted - planted.mean(), atol=1e-3)


@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 99), st.floats(0.1, 30))
def test_the_gradient_is_zero_at_the_strengths_found(
    count: int, rounds: int, seed: int, spread: float
):
    first, second, p, _ = verdicts(count, rounds, seed, spread)
    found = fit_strengths(first, second, p, count)
    slope = 0.1 * found
    for one, other, told in zip(first, second, p, strict=True):  # the definition, pair by pair
        error = 1 / (1 + np.exp(found[other] - found[one])) - told
        slope[one] += error
        slope[other] -= error

    assert np.abs(slope).max() < 1e-8


def test_a_document_that_wins_all_stays_finite_and_one_never_compared_at_zero():
    found = fit_strengths(np.array([0, 0]), np.array([1, 2]), np.array([1.0, 1.0]), 4)

    assert 0 < found[0] < 10
    assert found[3] == 0


@pytest.mark.parametrize(("p", "prior"), [([1.5], 0.1), ([np.nan], 0.1), ([0.5], 0.0)])
def test_what_is_no_verdict_is_refused(p: list, prior: float):
    with pytest.raises(RecipeError, match="wanted"):
        fit_strengths(np.array([0]), np.array([1]), np.array(p), 2, prior=prior)


@given(st.integers(2, 60), st.integers(1, 9))
def test_pairs_are_distinct_and_every_document_is_in_as_many(count: int, rounds: int):
    first, second = circle_pairs(count, rounds)
    met = np.bincount(np.concatenate([first, second]), minlength=count)

    assert len({frozenset(pair) for pair in zip(first, second, strict=True)}) == len(first)
    assert (first != second).all()
    assert set(met.tolist()) == {min(2 * rounds, count - 1)}


def test_all_documents_hang_together():
    first, second = circle_pairs(50, 3)
    reached = {0}
    for _ in range(50):
        reached |= {int(b) for a, b in zip(first, second, strict=True) if a in reached}

    assert len(reached) == 50


@pytest.mark.parametrize(("count", "rounds"), [(1, 3), (5, 0)])
def test_nothing_to_compare_is_refused(count: int, rounds: int):
    with pytest.raises(RecipeError, match="two documents and a round"):
        circle_pairs(count, rounds)
