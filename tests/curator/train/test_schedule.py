"""Schedules: shape at the ends, in the middle, cut in two, and what is refused."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.train.schedule import KINDS, Schedule


def factors_of(schedule, steps):
    return [schedule.factor(step, steps) for step in range(steps)]


def test_wsd_warms_up_stays_and_decays_linearly():
    factors = factors_of(Schedule(warmup_share=0.1, decay_share=0.5, final_share=0.0), 100)

    assert factors[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert set(factors[10:51]) == {1.0}
    assert factors[75] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.02)


def test_cosine_passes_its_middle_and_ends_at_its_last_share():
    schedule = Schedule(kind="cosine", warmup_share=0.0, final_share=0.1)

    assert schedule.factor(49, 100) == pytest.approx(0.55)
    assert schedule.factor(99, 100) == pytest.approx(0.1)


def test_power_follows_its_line_below_the_highest_rate_whatever_the_horizon():
    schedule = Schedule(
        kind="power", warmup_share=0, decay_share=0.1, power_steps=50, power_exponent=-0.5
    )

    factors = factors_of(schedule, 1000)

    assert set(factors[:50]) == {1.0}
    assert factors[199] == pytest.approx(0.5)  # (200 / 50) ^ -0.5
    assert factors_of(schedule, 400)[:350] == factors[:350]
    # Halfway through the decay the level of its first step is halved, give or take the last share.
    assert factors[950] == pytest.approx(factors[900] * (0.05 + 0.95 * 0.5))


def test_infinite_cools_down_to_a_constant_and_anneals_exponentially():
    schedule = Schedule("infinite", 0.1, 0.2, 0.05, cooldown_share=0.3, constant_share=0.4)

    factors = factors_of(schedule, 1000)

    assert factors[249] == pytest.approx((1 + 0.4) / 2)
    assert factors[399:801] == pytest.approx([0.4] * 402)
    assert factors[900] == pytest.approx(math.sqrt(0.4 * 0.05))
    ratios = [later / sooner for sooner, later in pairwise(factors[801:])]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


@given(st.sampled_from(KINDS), st.integers(1, 400), st.floats(0, 0.2), st.floats(0, 0.5))
def test_factors_are_positive_at_most_one_and_never_rise_after_warm_up(kind, steps, warmup, decay):
    factors = factors_of(Schedule(kind, warmup, decay, 0.05), steps)

    assert all(0 < factor <= 1 for factor in factors)
    rising = math.ceil(warmup * steps)
    assert all(later <= sooner + 1e-12 for sooner, later in pairwise(factors[rising:]))
    assert all(later >= sooner for sooner, later in pairwise(factors[: max(0, rising - 1)]))


@given(st.sampled_from(["wsd", "power"]), st.integers(1, 200), st.integers(1, 200))
def test_a_trunk_and_a_branch_are_one_run_cut_in_two(kind, before, after):
    schedule = Schedule(kind, 0.0, after / (before + after))
    whole = factors_of(schedule, before + after)

    trunk = factors_of(schedule.of_trunk(), before)
    branch = [schedule.branch_factor(step, after, before) for step in range(after)]

    assert trunk == pytest.approx(whole[:before])
    if kind == "wsd":
        assert branch == pytest.approx(whole[before:])
    else:  # a branch's first step repeats the level of the trunk's last
        assert branch[0] == pytest.approx(whole[before - 1])


def test_a_cosine_has_nothing_to_branch_from():
    with pytest.raises(RecipeError, match="no level to branch from"):
        Schedule("cosine").of_trunk()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "step"},
        {"warmup_share": 0.5, "decay_share": 0.6},
        {"kind": "infinite", "cooldown_share": 0.4, "decay_share": 0.6},
        {"kind": "infinite", "decay_share": 0.2, "final_share": 0.0},
        {"kind": "infinite", "decay_share": 0.2, "final_share": 0.6},
        {"kind": "power", "power_steps": 0},
        {"kind": "power", "power_exponent": 0.5},
        {"final_share": -0.1},
        {"decay_share": 1.5},
    ],
)
def test_schedules_that_do_not_fit_a_run_are_refused(wrong):
    with pytest.raises(RecipeError):
        Schedule(**wrong)
