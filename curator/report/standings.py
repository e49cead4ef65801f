"""What a leaderboard holds, and what it says in words; the page and the terminal draw it.

It stands on a `Report` whose arms come from several recipes, so every section of a run's page can
draw them too. Names in here come from recipes and are hostile until drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from curator.report.content import Arm, Comparison, Report

Where = Literal["inside", "below", "above"]


@dataclass(frozen=True)
class Spent:
    """What the verdict on one arm cost: all its seeds, and the scores that it ranks by."""

    tokens: int  # that one run trained on
    runs: int
    flops: float  # of training, all runs
    seconds: float  # of training, all runs
    measuring_seconds: float  # of evaluating them
    scoring_seconds: float
    scoring_flops: float = 0.0  # of training reference models
    scores: tuple[str, ...] = ()
    reused: int = 0  # runs that were there before
    budget: int = 0  # tokens of plain training that one run may pay for; 0: `tokens`
    scorings: int = 1  # selections that were scored for: every run's own where it was staged

    @property
    def allowed(self) -> int:
        """The budget of one run: more than it trained on where it paid for picking its rows."""
        return self.budget or self.tokens

    @property
    def hours(self) -> float:
        """Hours of worker time: scoring, training, measuring."""
        return (self.scoring_seconds + self.seconds + self.measuring_seconds) / 3600


@dataclass(frozen=True)
class Multiple:
    """How many times an arm's tokens the baseline needs to be as good; None: beyond its budgets.

    `scoring` is by how much scoring makes an arm's tokens dearer than the baseline's: of each, the
    time of training on all that it selected and of scoring the pool, over that of training alone.
    """

    value: float | None
    low: float
    high: float
    where: Where = "inside"
    note: str = ""
    scoring: float = 1.0

    @property
    def paid(self) -> Multiple:
        """The multiplier with the cost of scoring counted."""
        value = None if self.value is None else self.value / self.scoring
        return replace(
            self, value=value, low=self.low / self.scoring, high=self.high / self.scoring
        )


@dataclass(frozen=True)
class Standing:
    """One arm's line: its place by the headline metric, and what to know beside it.

    `headline` and `retention` are None for the baseline; `overlap` is the share of text that two
    runs have in common, and `covers` what the interval therefore speaks of.
    """

    place: int
    arm: str
    recipe: str
    spent: Spent
    headline: Comparison | None = None
    retention: Comparison | None = None
    overlap: float = 0.0
    covers: Literal["text", "seeds"] = "text"
    multiple: Multiple | None = None
    alike: str = ""  # an arm before it that has the same mixture

    @property
    def warning(self) -> str:
        """What a reader of the headline alone would miss, in words; "" if nothing."""
        return goodhart(self.headline, self.retention)


@dataclass(frozen=True)
class Rung:
    """The baseline's runs at one budget, on the metric that the multiplier is read from."""

    tokens: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Leaderboard:
    """All that a leaderboard shows. `report` has one arm a standing, in no order that matters."""

    report: Report
    standings: tuple[Standing, ...]
    recipes: tuple[str, ...] = ()
    retention_metric: str = ""
    rungs: tuple[Rung, ...] = ()
    rung_metric: str = ""
    notes: tuple[str, ...] = ()

    @property
    def target_metric(self) -> str:
        """The metric that the arms are ranked by."""
        return self.report.headline_metric

    def arm(self, name: str) -> Arm:
        """Return what an arm took and cost."""
        return next(arm for arm in self.report.arms if arm.name == name)

    def effect(self, arm: str, metric: str) -> Comparison | None:
        """Return what an arm changes on a metric, None for the baseline."""
        lines = self.report.comparison
        return next((line for line in lines if (line.arm, line.metric) == (arm, metric)), None)


def gain(line: Comparison) -> float:
    """Return an effect with its sign turned so that above 0 is better."""
    return -line.effect if line.better == "lower" else line.effect


def goodhart(target: Comparison | None, retention: Comparison | None) -> str:
    """Return in words what a gain on the target hides, "" if it hides nothing.

    A selection for a target can win there by giving up the rest (Goodhart): that shows only
    where text of other kinds is measured beside it.
    """
    if target is None or retention is None or target.metric == retention.metric:
        return ""
    won = target.verdict == "better" and not target.at_chance
    if retention.verdict == "worse":
        return "gains on the target, loses on held-out text" if won else "loses on held-out text"
    if not won or retention.verdict == "better":
        return ""
    if retention.verdict == "undecided" and gain(retention) < 0:
        return "gains on the target; may lose on held-out text (undecided)"
    return ""


def placed(lines: Sequence[Comparison], baseline: str) -> list[tuple[int, str]]:
    """Return (place from 1, arm) by effect, best first, the baseline among them at 0.

    Arms with equal effects share a place.
    """
    order = [(-gain(line) if math.isfinite(line.effect) else math.inf, line.arm) for line in lines]
    order = sorted([*order, (0.0, baseline)], key=lambda pair: (pair[0], pair[1] != baseline))
    return [(1 + sum(other < value for other, _ in order), arm) for value, arm in order]


def shared_text(board: Leaderboard) -> str:
    """Return what the intervals speak of, in a sentence."""
    seeds = [each.arm for each in board.standings if each.covers == "seeds" and each.headline]
    if not seeds:
        return "Intervals speak of other draws of text as well as of other seeds."
    return (
        f"Intervals of {', '.join(seeds)} speak of other seeds on the same text only: the runs of "
        "an arm share most of what they read."
    )
