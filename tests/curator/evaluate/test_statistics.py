"""Comparisons against scipy and by simulation: coverage, power, verdicts, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curator.errors import BudgetError, RecipeError
from curator.evaluate.metrics import BITS, KINDS, Kind
from curator.evaluate.statistics import (
    Measurement,
    adjust,
    compare,
    compare_runs,
    holm,
    mean_interval,
    minimum_detectable_effect,
    seeds_to_decide,
    sign_test,
)

ANY = dataclasses.replace(KINDS[BITS], threshold=0.0)
BASE = np.array([2.10, 2.12, 2.09, 2.11, 2.13])


def runs(values, **changes):
    fields = {"tokens": 1000, "tokenizer": "t", "evaluation": "e", **changes}
    return [Measurement(seed=k, value=v, **fields) for k, v in enumerate(values)]


def test_interval_and_p_are_scipys():
    arm = BASE + np.array([-0.010, -0.012, -0.007, -0.011, -0.009])

    effect = compare(arm, BASE)

    reference = stats.ttest_rel(arm, BASE)
    interval = reference.confidence_interval(0.95)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
    assert effect.p == pytest.approx(reference.pvalue)
    assert effect.sd == pytest.approx((arm - BASE).std(ddof=1))


def test_lower_bits_are_better_and_higher_ones_worse():
    noise = np.array([1e-3, -1e-3, 0, 5e-4, -5e-4])

    assert compare(BASE - 0.05 + noise, BASE).verdict == "better"
    assert compare(BASE + 0.05 + noise, BASE).verdict == "worse"


def test_where_higher_is_better_the_verdict_turns_round():
    accuracy = Kind("accuracy", "share", "higher", 0.01)
    noise = np.array([1e-3, -1e-3, 0, 5e-4, -5e-4])

    assert compare(BASE + 0.05 + noise, BASE, accuracy).verdict == "better"
    assert compare(BASE - 0.05 + noise, BASE, accuracy).verdict == "worse"
    assert compare(BASE + 0.005 + noise, BASE, accuracy).verdict == "equivalent"


def test_a_comparison_says_what_text_its_runs_share():
    def read(values, share):
        found = runs(values)
        starts = [0.0, 0.2, 0.4, 0.6, 0.8]
        return [
            dataclasses.replace(run, window=(start, share))
            for run, start in zip(found, starts, strict=True)
        ]

    arm = BASE - 0.01 + [1e-3, 0, -1e-3, 0, 0]
    apart = compare_runs(read(arm, 0.2), read(BASE, 0.2))
    shared = compare_runs(read(arm, 0.4), read(BASE, 0.2))
    unknown = compare_runs(runs(arm), runs(BASE))

    assert (apart.covers, apart.overlap) == ("text", pytest.approx(0))
    assert (shared.covers, shared.overlap) == ("text", pytest.approx(0.25))
    assert shared.high - shared.low > apart.high - apart.low
    assert (unknown.covers, unknown.low) == ("seeds", pytest.approx(apart.low))


def test_a_clear_but_useless_difference_is_equivalent():
    effect = compare(BASE - 0.0005 + np.array([1, -1, 0, 1, -1]) * 1e-5, BASE)

    assert effect.high < 0
    assert effect.verdict == "equivalent"


def test_a_noisy_difference_is_undecided_and_says_how_many_seeds_would_settle_it():
    effect = compare(BASE + np.array([-0.02, 0.01, -0.015, 0.005, -0.01]), BASE)

    assert effect.verdict == "undecided"
    assert effect.seeds_needed > effect.n


def test_identical_arms_are_equivalent():
    effect = compare(BASE, BASE)

    assert (effect.effect, effect.p, effect.verdict) == (0, 1, "equivalent")


def test_an_arm_alone_has_scipys_interval_and_one_seed_has_none():
    reference = stats.ttest_1samp(BASE, 0).confidence_interval(0.95)

    assert mean_interval(BASE) == pytest.approx((BASE.mean(), reference.low, reference.high))
    assert mean_interval([2.0]) == (2.0, 2.0, 2.0)


def test_intervals_cover_the_truth_as_often_as_they_say():
    random = np.random.default_rng(0)
    draws = random.normal(0.003, 0.002, size=(800, 4))

    effects = [compare(row, np.zeros(4)) for row in draws]

    covered = np.mean([effect.low <= 0.003 <= effect.high for effect in effects])
    # The standard error of a share of 0.95 over 800 draws is 0.008.
    assert covered == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize(("true", "wrong"), [(0.0, ("better", "worse")), (0.002, ("equivalent",))])
def test_wrong_verdicts_are_rare(true, wrong):
    random = np.random.default_rng(1)
    draws = random.normal(true, 0.001, size=(800, 5))

    verdicts = [compare(row, np.zeros(5)).verdict for row in draws]

    assert np.mean([verdict in wrong for verdict in verdicts]) < 0.075


def test_the_minimum_detectable_effect_is_found_with_its_power():
    random = np.random.default_rng(2)
    n, sd = 8, 0.002
    effect = minimum_detectable_effect(sd, n)

    draws = random.normal(effect, sd, size=(800, n))
    found = np.mean([compare(row, np.zeros(n), ANY).verdict == "worse" for row in draws])

    # The approximation adds two central t quantiles: good to some points of power.
    assert found == pytest.approx(0.8, abs=0.06)


def test_a_difference_that_is_found_must_pass_the_threshold_too():
    random = np.random.default_rng(3)
    n, sd, kind = 8, 0.0005, dataclasses.replace(ANY, threshold=0.002)
    effect = minimum_detectable_effect(sd, n, threshold=kind.threshold)

    draws = random.normal(effect, sd, size=(800, n))
    found = np.mean([compare(row, np.zeros(n), kind).verdict == "worse" for row in draws])

    assert effect > 0.002 > minimum_detectable_effect(sd, n)
    assert found == pytest.approx(0.8, abs=0.06)


@given(st.floats(1e-4, 0.02), st.floats(1e-4, 0.01))
def test_the_seeds_that_decide_are_the_fewest(effect, sd):
    n = seeds_to_decide(effect, sd, threshold=0.0)

    if n is None:
        assert minimum_detectable_effect(sd, 1000) > effect
    else:
        assert minimum_detectable_effect(sd, n) <= effect
        assert n == 2 or minimum_detectable_effect(sd, n - 1) > effect


def test_an_effect_as_large_as_the_threshold_needs_too_many_seeds():
    assert seeds_to_decide(0.002, 0.001, threshold=0.002) is None


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=12))
def test_the_sign_test_is_scipys_without_ties(differences):
    gains = sum(each > 0 for each in differences)
    losses = sum(each < 0 for each in differences)

    p = stats.binomtest(gains, gains + losses).pvalue if gains + losses else 1.0

    assert sign_test(differences) == pytest.approx(p)


def test_an_effect_carries_its_sign_test():
    assert compare(BASE + 1, BASE).sign_p == pytest.approx(2 / 2**5)


def test_holm_agrees_with_a_worked_example_and_keeps_order():
    # Sorted 0.01, 0.03, 0.04 times 3, 2, 1, then made monotone.
    assert holm([0.04, 0.01, 0.03]).tolist() == pytest.approx([0.06, 0.03, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value(p_values):
    adjusted = holm(p_values)

    assert (adjusted >= np.minimum(1, p_values)).all()
    assert (adjusted <= 1).all()


def test_a_verdict_that_does_not_survive_being_one_of_many_is_undecided():
    weak = dataclasses.replace(compare(BASE - 0.01 + [1e-3, 0, -1e-3, 0, 0], BASE), p=0.03)
    effects = dict.fromkeys("abc", weak)

    adjusted = adjust(effects)

    assert {effect.verdict for effect in adjusted.values()} == {"undecided"}
    assert adjust({"a": weak})["a"].verdict == "better"


def test_runs_are_paired_by_seed_and_not_by_position():
    arm = runs(BASE - 0.01)

    assert compare_runs(arm[::-1], runs(BASE)).sd == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"tokens": 999}, BudgetError, "equal budgets"),
        ({"tokenizer": "u"}, RecipeError, "differ in tokenizer"),
        ({"evaluation": "f"}, RecipeError, "differ in evaluation"),
        ({"precision": "float32"}, RecipeError, "differ in precision"),
        ({"proxy": "d4"}, RecipeError, "differ in proxy"),
        ({"status": "failed"}, BudgetError, "never averaged"),
    ],
)
def test_runs_that_differ_in_more_than_text_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        compare_runs(runs(BASE, **changes), runs(BASE))


def test_too_few_or_unpaired_numbers_are_refused():
    with pytest.raises(BudgetError, match="at least 2"):
        compare([1.0], [1.0])
    with pytest.raises(BudgetError, match="shape"):
        compare([1.0, 2.0], [1.0])
    with pytest.raises(RecipeError, match="not finite"):
        compare([1.0, float("nan")], [1.0, 1.0])
    with pytest.raises(BudgetError, match="1 seeds in common"):
        compare_runs(runs([1.0, 2.0])[:1], runs([1.0, 2.0]))
    with pytest.raises(RecipeError, match="twice"):
        compare_runs(runs([1.0]) * 2, runs([1.0]))


def test_equal_differences_are_believed_by_their_signs_alone():
    arm, base = np.array([0.35, 0.36, 0.34]), np.array([0.30, 0.31, 0.29])

    few = compare(arm, base)
    many = compare(np.tile(arm, 2), np.tile(base, 2))

    assert (few.verdict, few.p) == ("undecided", 0.25)
    assert (many.verdict, many.p) == ("worse", 2**-5)
    assert compare(arm, arm).verdict == "equivalent"
