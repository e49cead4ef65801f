"""Compute multipliers: planted values, pairing, what lies beyond the baseline, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.laws.forms import PowerLaw
from curator.laws.multiplier import Point, compute_multiplier

CURVE = {"E": 1.2, "A": 30.0, "alpha": 0.25}
BUDGETS = (1e6, 2e6, 4e6, 8e6)


def loss(budget: float) -> float:
    return float(PowerLaw().at(CURVE, np.array([[budget]]))[0])


def runs(budgets, seeds, shared, sd=0.0006, times=1.0, salt=0):
    """Runs whose noise is mostly their seed's, as with paired first weights and orders."""
    rng = np.random.default_rng(100 + salt)
    return [
        Point(budget, loss(budget * times) * math.exp(shared[seed] + rng.normal(0, sd)), seed)
        for seed in seeds
        for budget in budgets
    ]


SHARED = np.random.default_rng(7).normal(0, 0.003, 40)
SEEDS = range(5)


def test_a_planted_multiplier_lies_in_the_interval():
    found = compute_multiplier(
        runs(BUDGETS, SEEDS, SHARED), runs((4e6,), SEEDS, SHARED, times=1.4, salt=1)
    )

    assert found.value == pytest.approx(1.4, rel=0.05)
    assert found.low < 1.4 < found.high
    assert (found.where, found.note, found.budgets, found.runs) == ("inside", "", 4, 20)


def test_a_method_that_is_the_baseline_has_a_multiplier_of_one():
    baseline = runs(BUDGETS, SEEDS, SHARED)
    found = compute_multiplier(baseline, [p for p in baseline if p.budget == 4e6])

    assert found.value == pytest.approx(1.0, rel=0.02)
    assert found.low <= 1.0 <= found.high


def test_the_unit_of_the_budget_does_not_matter():
    baseline, method = (
        runs(BUDGETS, SEEDS, SHARED),
        runs((4e6,), SEEDS, SHARED, times=1.3, salt=1),
    )
    flops = [
        [Point(6e5 * p.budget, p.loss, p.seed) for p in points] for points in (baseline, method)
    ]

    tokens, scaled = compute_multiplier(baseline, method), compute_multiplier(*flops)

    assert scaled.value == pytest.approx(tokens.value, rel=1e-5)
    assert scaled.low == pytest.approx(tokens.low, rel=1e-3)


def test_pairing_by_seed_narrows_the_interval():
    baseline = runs(BUDGETS, SEEDS, SHARED)
    method = runs((4e6,), SEEDS, SHARED, times=1.3, salt=1)
    alone = [Point(p.budget, p.loss) for p in method]

    paired, unpaired = (compute_multiplier(baseline, m) for m in (method, alone))

    assert paired.value == pytest.approx(unpaired.value)
    assert math.log(paired.high / paired.low) < 0.7 * math.log(unpaired.high / unpaired.low)


def test_beyond_the_largest_budget_only_a_bound_is_given():
    found = compute_multiplier(
        runs(BUDGETS, SEEDS, SHARED), runs((8e6,), SEEDS, SHARED, times=3, salt=1)
    )

    assert found.value is None
    assert (found.where, found.low, found.high) == ("above", pytest.approx(1.2), math.inf)
    assert "more than 1.20" in found.note


def test_below_the_smallest_budget_only_a_bound_is_given():
    found = compute_multiplier(
        runs(BUDGETS, SEEDS, SHARED), runs((1e6,), SEEDS, SHARED, times=0.4, salt=1)
    )

    assert found.value is None
    assert (found.where, found.low, found.high) == ("below", 0.0, pytest.approx(1 / 1.2))


def test_a_multiplier_hardly_beyond_the_budgets_keeps_the_doubt_of_its_interval():
    method = runs((8e6,), SEEDS, np.zeros(40), sd=0.01, times=1.35, salt=4)
    found = compute_multiplier(runs(BUDGETS, SEEDS, SHARED, sd=0.01), method, draws=100)

    assert (found.where, found.high) == ("above", math.inf)
    assert 0 < found.low < 1.2
    assert f"its interval begins at {found.low:.2f}" in found.note


def test_a_loss_that_no_budget_reaches_is_beyond():
    method = [Point(4e6, 1.1, s) for s in SEEDS]

    assert compute_multiplier(runs(BUDGETS, SEEDS, SHARED), method).where == "above"


def test_three_budgets_are_enough_but_noted():
    found = compute_multiplier(
        runs(BUDGETS[:3], SEEDS, SHARED), runs((2e6,), SEEDS, SHARED, times=1.2, salt=1)
    )

    assert found.value == pytest.approx(1.2, rel=0.1)
    assert "a fourth would check its shape" in found.note


def test_the_order_of_runs_changes_no_more_than_the_draws():
    baseline = runs(BUDGETS, SEEDS, SHARED)
    method = runs((4e6,), SEEDS, SHARED, times=1.3, salt=1)

    first, second = compute_multiplier(baseline, method), compute_multiplier(baseline[::-1], method)

    assert second.value == pytest.approx(first.value, rel=1e-5)
    assert second.high == pytest.approx(first.high, rel=0.02)


def test_intervals_cover_about_as_often_as_they_say():
    covered = []
    for trial in range(20):
        shared = np.random.default_rng(trial).normal(0, 0.003, 5)
        found = compute_multiplier(
            runs(BUDGETS, SEEDS, shared, 0.002, salt=trial),
            runs((4e6,), SEEDS, shared, 0.002, times=1.3, salt=1000 + trial),
            draws=100,
        )
        covered.append(found.low <= 1.3 <= found.high)

    assert np.mean(covered) >= 0.8


@pytest.mark.parametrize(
    ("baseline", "method", "kind", "text"),
    [
        (runs(BUDGETS[:2], SEEDS, SHARED), [Point(2e6, 2.0)], BudgetError, "train it at 1 more"),
        (runs(BUDGETS, [0], SHARED), [Point(2e6, 2.0)], BudgetError, "wants 5 distinct runs"),
        (
            runs(BUDGETS, SEEDS, SHARED),
            [Point(2e6, 2.0), Point(4e6, 2.0)],
            RecipeError,
            "give the runs of one budget",
        ),
        (
            runs(BUDGETS, SEEDS, SHARED),
            [Point(2e6, math.nan)],
            RecipeError,
            "must be finite and positive",
        ),
        (runs(BUDGETS, SEEDS, SHARED), [], RecipeError, "runs at budgets"),
        (
            [Point(b, 2 + i / 10, s) for s in SEEDS for i, b in enumerate(BUDGETS)],
            [Point(2e6, 2.0)],
            RecipeError,
            "does not fall with its budget",
        ),
    ],
)
def test_what_gives_no_multiplier_is_refused_with_what_to_do(baseline, method, kind, text):
    with pytest.raises(kind, match=text):
        compute_multiplier(baseline, method)
