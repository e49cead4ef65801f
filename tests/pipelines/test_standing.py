"""What a leaderboard's lines say of cost."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from curator.report.standings import Multiple, Spent, Standing
from pipelines.standing import _dearer, _with_scoring


def test_scoring_makes_an_arm_dearer_by_what_it_adds_to_the_baseline_s_own_price():
    spent = Spent(
        tokens=100, runs=2, flops=0.0, seconds=4.0, measuring_seconds=0.0, scoring_seconds=6.0
    )
    arm = SimpleNamespace(selected=SimpleNamespace(summary={"tokens": 300}))
    free = replace(spent, scoring_seconds=0.0)
    line = Standing(1, "a", "r", spent, multiple=Multiple(3.0, 2.0, 4.0))

    # 300 tokens at 0.02 seconds are 6 seconds of training, and scoring takes as long.
    assert _dearer(spent, arm) == pytest.approx(2.0)
    assert _dearer(free, arm) == 1.0
    assert _with_scoring(line, 1.0, {"a": arm}).multiple.paid.value == pytest.approx(1.5)
    assert _with_scoring(line, 2.0, {"a": arm}).multiple.paid.value == pytest.approx(3.0)
