"""Orders of recipes against scipy, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from curator.errors import BudgetError, RecipeError
from curator.evaluate.agreement import agreement, kendall, spearman_p, spread_of
from curator.score.heldout import spearman

numbers = st.lists(st.integers(-4, 4), min_size=3, max_size=9)


@given(st.data())
def test_tau_and_rho_are_scipys_with_and_without_ties(data):
    x = data.draw(numbers)
    y = data.draw(st.lists(st.integers(-4, 4), min_size=len(x), max_size=len(x)))
    assume(len(set(x)) > 1 and len(set(y)) > 1)

    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_p_is_the_share_of_orders_as_strong():
    x, y = [1, 2, 3, 4, 5, 6], [2, 1, 3, 4, 6, 5]

    reference = stats.permutation_test(
        (x,), lambda order: stats.spearmanr(order, y).statistic, permutation_type="pairings",
        n_resamples=np.inf,
    )  # fmt: skip

    assert spearman_p(x, y) == pytest.approx(reference.pvalue)
    assert spearman_p(range(20), range(20)) == pytest.approx(1 / 10_001)


def test_decision_accuracy_counts_pairs_ordered_alike():
    found = agreement([1, 2, 3, 4], [1, 3, 2, 4])

    assert found.accuracy == pytest.approx(5 / 6)
    assert (found.recipes, found.pairs) == (4, 6)


def test_a_tie_in_the_small_counts_half_and_one_in_the_large_is_left_out():
    assert agreement([1, 1, 2], [1, 2, 3]).accuracy == pytest.approx(2.5 / 3)
    assert agreement([1, 2, 3], [1, 1, 2]).accuracy == 1
    assert agreement([1, 2, 3], [1, 1, 2]).pairs == 2


def test_the_means_over_seeds_decide():
    small = [[1.0, 3.0], [1.5, 3.1], [9.0, 0.0]]

    assert agreement(small, [1, 2, 3]).accuracy == 1


def test_orders_that_agree_in_all_leave_no_doubt_and_turned_ones_agree_in_none():
    same = agreement(np.arange(6.0), np.arange(6.0))

    assert (same.accuracy, same.low, same.high, same.tau, same.spearman) == (1, 1, 1, 1, 1)
    assert agreement(np.arange(6.0), -np.arange(6.0)).accuracy == 0


def test_the_interval_holds_the_accuracy_over_recipes_and_seeds():
    random = np.random.default_rng(0)
    noise, held, truth = 0.7, [], 0.0
    every = random.normal(size=(20_000, 2))
    seen = every + noise / np.sqrt(3) * random.normal(size=every.shape)
    truth = np.mean(np.sign(np.diff(seen, axis=1)) == np.sign(np.diff(every, axis=1)))

    for trial in range(150):
        recipes = random.normal(size=(12, 1))
        small = recipes + noise * random.normal(size=(12, 3))
        found = agreement(small, recipes, resamples=300, seed=trial)
        held.append(found.low <= truth <= found.high)

    # Percentiles over a dozen recipes; the standard error over 150 trials is 0.02.
    assert 0.88 < np.mean(held) <= 1


def test_noise_is_what_seeds_do_to_recipes_apart_and_spread_what_recipes_do():
    random = np.random.default_rng(1)
    recipes, seeds = 0.5 * random.normal(size=(200, 1)), 3 * random.normal(size=(1, 50))

    found = spread_of(recipes + seeds + 0.1 * random.normal(size=(200, 50)))

    assert found.noise == pytest.approx(0.1, rel=0.05)
    assert found.spread == pytest.approx(0.5, rel=0.15)
    assert found.ratio == pytest.approx(found.spread / found.noise)


def test_what_has_no_order_is_refused():
    with pytest.raises(BudgetError, match="at least 3"):
        agreement([1, 2], [1, 2])
    with pytest.raises(BudgetError, match="all recipes are alike"):
        agreement([1, 2, 3], [1, 1, 1])
    with pytest.raises(RecipeError, match="3 recipes against 4"):
        agreement([1, 2, 3], [1, 2, 3, 4])
    with pytest.raises(RecipeError, match="not finite"):
        agreement([1, 2, float("nan")], [1, 2, 3])
    with pytest.raises(BudgetError, match="two of either"):
        spread_of([[1.0], [2.0]])
