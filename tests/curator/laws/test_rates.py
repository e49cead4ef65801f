from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.laws.rates import BestRate, best_rate, rate_law, refuse_few


def test_the_lowest_mean_is_best_and_its_chance_is_near_one_where_nothing_overlaps():
    found = best_rate(1e6, {0.1: [2.0, 2.1, 2.2], 0.03: [2.5, 2.6, 2.7], 1.0: [3.0, 3.1, 3.2]})

    assert found.rates == (0.03, 0.1, 1.0)
    assert found.rate == 0.1
    assert found.chances == (0.0, 1.0, 0.0)


def test_seeds_are_resampled_together():
    """A rate that is better at every seed is better in every resample, however seeds differ."""
    shared = np.array([1.0, 2.0, 9.0, 4.0])

    found = best_rate(1e6, {0.1: (shared - 0.01).tolist(), 0.3: shared.tolist()})

    assert found.chances == (1.0, 0.0)


def test_rates_that_differ_by_noise_share_the_chance():
    rng = np.random.default_rng(0)
    losses = rng.normal(size=(2, 8))
    losses -= losses.mean(axis=1, keepdims=True)

    found = best_rate(1e6, {0.1: losses[0].tolist(), 0.3: losses[1].tolist()})

    assert 0.3 < found.chances[0] < 0.7
    assert sum(found.chances) == pytest.approx(1)


def at(budget: float, rate: float) -> BestRate:
    return BestRate(budget, (rate,), (1.0,), rate, (1.0,), np.full(50, rate))


def test_a_power_law_is_found_again():
    budgets = [10.0**power for power in range(4, 10)]

    law = rate_law([at(budget, 4e-5 * budget**0.25) for budget in budgets])

    assert law.exponent == pytest.approx(0.25)
    assert law.scale == pytest.approx(4e-5)
    assert law.low == pytest.approx(law.high) == pytest.approx(0.25)
    assert law.at(1e10) == pytest.approx(4e-5 * 1e10**0.25)


def test_a_share_is_never_more_than_all():
    law = rate_law([at(10.0**power, 0.9) for power in range(5)])

    assert law.at(1e5) == pytest.approx(0.9)
    assert rate_law([at(10.0**power, 0.1 * 1.7**power) for power in range(5)]).at(1e5) == 1.0


def test_fewer_than_five_budgets_are_refused():
    with pytest.raises(BudgetError, match=r"4 distinct budgets \(1, 10, 100, 1000\); wanted 5"):
        rate_law([at(10.0**power, 0.1) for power in (0, 1, 2, 3, 3)])


def test_a_grid_of_few_sizes_is_refused():
    refuse_few({"model sizes": [1, 2, 3, 4, 5], "token counts": range(7)})
    with pytest.raises(BudgetError, match="4 distinct model sizes"):
        refuse_few({"model sizes": [1, 2, 3, 4, 4], "token counts": range(7)})
    with pytest.raises(BudgetError, match="2 distinct token counts"):
        refuse_few({"model sizes": [1, 2, 3, 4, 5], "token counts": [1, 2, 1, 2, 1]})


def test_a_budget_far_beyond_the_runs_is_refused():
    law = rate_law([at(10.0**power, 0.1) for power in range(5)])

    assert law.at(1e5) == pytest.approx(0.1)
    with pytest.raises(RecipeError, match=r"1\.1e\+05 is 11 times the largest run"):
        law.at(1.1e5)


@pytest.mark.parametrize(
    ("losses", "error", "message"),
    [
        ({0.1: [1.0, 2.0], 0.3: [1.0]}, RecipeError, r"\[1, 2\] seeds; wanted the same"),
        ({0.1: [1.0], 0.3: [1.0]}, BudgetError, "2 rates and 1 seeds"),
        ({0.1: [1.0, 2.0]}, BudgetError, "1 rates and 2 seeds"),
        ({0.1: [1.0, float("nan")], 0.3: [1.0, 2.0]}, RecipeError, "not all finite"),
    ],
)
def test_runs_that_say_nothing_are_refused(losses, error, message):
    with pytest.raises(error, match=message):
        best_rate(1e6, losses)
