"""Schedules: shape at the ends, in the middle, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.train.schedule import Schedule


def test_wsd_warms_up_stays_and_decays_linearly():
    schedule = Schedule(warmup_share=0.1, decay_share=0.5, final_share=0.0)

    factors = [schedule.factor(step, 100) for step in range(100)]

    assert factors[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert set(factors[10:51]) == {1.0}
    assert factors[75] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.02)


def test_cosine_passes_its_middle_and_ends_at_its_last_share():
    schedule = Schedule(kind="cosine", warmup_share=0.0, final_share=0.1)

    assert schedule.factor(49, 100) == pytest.approx(0.55)
    assert schedule.factor(99, 100) == pytest.approx(0.1)


@given(
    st.sampled_from(["wsd", "cosine"]), st.integers(1, 400), st.floats(0, 0.4), st.floats(0, 0.6)
)
def test_factors_are_positive_and_at_most_one(kind, steps, warmup, decay):
    schedule = Schedule(kind, warmup, decay, 0.05)

    assert all(0 < schedule.factor(step, steps) <= 1 for step in range(steps))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "step"},
        {"warmup_share": 0.5, "decay_share": 0.6},
        {"final_share": -0.1},
        {"decay_share": 1.5},
    ],
)
def test_schedules_that_do_not_fit_a_run_are_refused(wrong):
    with pytest.raises(RecipeError):
        Schedule(**wrong)
