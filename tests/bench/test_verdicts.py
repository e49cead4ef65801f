"""Verdicts resampled from few runs: their rate, and an interval that knows what they share."""

from __future__ import annotations

import numpy as np
import pytest

from bench.power import Point, found_in
from bench.verdicts import Rate, distinct, rate_of, several
from curator.evaluate.metrics import Kind
from curator.evaluate.statistics import compare

KIND = Kind("bits", "bits", "lower", 0.0)


def judge(arm, base):
    return compare(arm, base, KIND)


def test_equal_arms_are_told_apart_in_the_nominal_share_and_the_interval_holds_it():
    random = np.random.default_rng(0)
    found = []
    for trial in range(6):
        effects, members = several(random.normal(size=(20, 3)), judge, comparisons=200, seed=trial)
        found.append(rate_of(distinct(effects), members, 20))

    assert np.mean([each.rate for each in found]) == pytest.approx(0.05, abs=0.025)
    assert sum(each.low <= 0.05 <= each.high for each in found) >= 4
    assert max(each.high for each in found) < 0.2


def test_a_comparison_has_different_seeds_and_different_draws_of_each():
    draws = np.arange(12.0).reshape(4, 3)

    effects, members = several(draws, lambda *arms: arms, comparisons=50, pairs=3)

    assert all(len(set(row)) == 3 for row in members)
    for (arm, base), seeds in zip(effects, members, strict=True):
        assert (arm != base).all()
        assert (arm // 3 == seeds).all()
        assert (base // 3 == seeds).all()


def test_where_arms_are_given_they_are_never_swapped():
    draws = np.array([[1.0, 0.0], [1.1, 0.0], [0.9, 0.0]])

    effects, _ = several(draws, judge, comparisons=20, pairs=3, paired=True)

    assert {each.verdict for each in effects} == {"worse"}


def test_a_rate_of_one_cluster_says_nothing():
    rate = rate_of(np.array([True, False]), np.zeros((2, 1), int), 1)

    assert (rate.rate, rate.low, rate.high) == (0.5, 0.0, 1.0)


def test_the_dose_found_in_ninety_percent_lies_between_doses_on_a_log_scale():
    def point(dose, rate):
        return Point("junk", dose, 0, 1, Rate(rate, 0, 1, 1, 1), 0, (0, 0, 1))

    assert found_in([point(0.01, 0.8), point(0.1, 1.0)], 0.9) == pytest.approx(0.1**1.5)
    assert found_in([point(0.01, 0.95), point(0.1, 1.0)], 0.9) == 0.01
    assert found_in([point(0.01, 0.1), point(0.1, 0.5)], 0.9) is None
