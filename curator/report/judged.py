"""Statistics with the thresholds that rules put on them: as a terminal draws them, and as plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.text import Text

from curator.report.buckets import Buckets
from curator.report.figures import grouped, plain, share
from curator.report.markup import join, tag
from curator.report.plots import Spread, histogram
from curator.report.tables import absent, figure, section
from curator.report.visible import one_line

if TYPE_CHECKING:
    from curator.report.content import Report

BINS: Final = 48
_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDE: Final = 20.0  # the greatest over the median from which an axis is logarithmic
_STRETCH: Final = 3.0  # a linear axis is made so many times longer at most to show a threshold
_COLORS: Final = ("var(--a1)", "var(--a2)", "var(--a3)", "var(--a4)")


@dataclass(frozen=True)
class Threshold:
    """One rule on a statistic.

    Attributes:
        reason: the rule, as `set.name`.
        fails: the side on which documents fail.
        low: where it lies; of thresholds by language the least.
        high: the same, or the greatest.
        documents: how many fail it, whether or not an earlier rule drops them.
    """

    reason: str
    fails: Literal["above", "below"]
    low: float
    high: float
    documents: int

    @property
    def shown(self) -> str:
        """As `> 0.1`, or `> 0.1 to 0.2 by language`."""
        sign = ">" if self.fails == "above" else "<"
        at = plain(self.low)
        return f"{sign} {at}" if self.low == self.high else f"{sign} {at} to {plain(self.high)}"

    def fails_all(self, low: float, high: float) -> bool:
        """Whether every value of a bin fails, in any language."""
        return low >= self.high if self.fails == "above" else high <= self.low


@dataclass(frozen=True)
class JudgedStatistic:
    """A statistic over all documents that cleaning saw, and the rules that look at it.

    Attributes:
        name: the column.
        unit: of its values.
        about: one sentence.
        documents: how many there are.
        numbers: their values by bucket.
        thresholds: in the order in which the rules are applied.
    """

    name: str
    unit: str
    about: str
    documents: int
    numbers: Buckets
    thresholds: tuple[Threshold, ...]

    @property
    def log(self) -> bool:
        """Whether the axis is logarithmic: where values span orders of magnitude."""
        numbers = self.numbers
        if not numbers.count or not (numbers.whole or numbers.least > 0):
            return False
        median = numbers.quantile(0.5) or 0.0
        return numbers.greatest > _WIDE * (max(median, 1.0) if numbers.whole else median)

    def histogram(self) -> tuple[list[float], list[int]]:
        """Edges (BINS + 1) and counts (BINS); what lies outside counts in the outermost bins."""
        low, high = self._range()
        edges = np.geomspace(low, high, BINS + 1) if self.log else np.linspace(low, high, BINS + 1)
        middles = np.clip(self.numbers.middles(), low, high)
        place = np.clip(np.searchsorted(edges, middles, side="right") - 1, 0, BINS - 1)
        counts = np.bincount(place, weights=self.numbers.counts, minlength=BINS)
        return edges.tolist(), counts.astype(int).tolist()

    def _range(self) -> tuple[float, float]:
        """The middle 99.8 % of values, and the thresholds that are not far outside."""
        numbers = self.numbers
        low, high = numbers.quantile(0.001) or 0.0, numbers.quantile(0.999) or 0.0
        marks = [at for each in self.thresholds for at in (each.low, each.high)]
        if self.log:
            low = max(1.0 if numbers.whole else numbers.least, min([low, *marks]))
            return low, max([2 * low, high, *marks])
        far = high + (_STRETCH - 1) * max(high - low, abs(high) / _STRETCH)
        near = [at for at in marks if at <= far]
        low, high = min([low, *near]), max([high, *near])
        return (low, high) if high > low else (low, low + 1.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and text, ready for JSON."""
        edges, counts = self.histogram()
        thresholds = [
            {
                "reason": each.reason,
                "fails": each.fails,
                "low": each.low,
                "high": each.high,
                "documents": each.documents,
                "share": each.documents / self.documents if self.documents else 0.0,
            }
            for each in self.thresholds
        ]
        return {
            "statistic": self.name,
            "unit": self.unit,
            "documents": self.documents,
            "histogram": {"edges": edges, "counts": counts, "log": self.log},
            "thresholds": thresholds,
        }

    def __rich__(self) -> RenderableType:
        """Return a title, one line of bars with the thresholds in it, a line a threshold."""
        edges, counts = self.histogram()
        title = Text(one_line(self.name, 60), style="bold")
        title.append(f"  {self.unit}, {_spread(self.numbers)}", style="dim")
        wide = max((len(each.shown) for each in self.thresholds), default=0)
        lines = [Text("  ").append_text(self._bars(edges, counts))]
        for each in self.thresholds:
            line = Text(f"  fails {each.shown:<{wide}}  ").append(one_line(each.reason, 60))
            told = f"  {share(each.documents, self.documents)} of documents"
            lines.append(line.append(told, style="red" if each.documents else "dim"))
        return Group(title, *lines, Text())

    def _bars(self, edges: Sequence[float], counts: Sequence[int]) -> Text:
        """Return a bar a bin, red where documents fail, and `┃` where a threshold lies."""
        marks = sorted({at for each in self.thresholds for at in (each.low, each.high)})
        highest = max(counts, default=0) or 1
        bars = Text(no_wrap=True)
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            if any(low <= at < high for at in marks):
                bars.append("┃", style="yellow")
            failing = any(each.fails_all(low, high) for each in self.thresholds)
            bar = _BARS[-(-8 * count // highest) - 1] if count else " "
            bars.append(bar, style="red" if failing else "cyan")
        if marks and marks[-1] == edges[-1]:
            bars.append("┃", style="yellow")
        return bars


def _spread(numbers: Buckets) -> str:
    if not numbers.count:
        return "no documents"
    shown = [numbers.least, numbers.greatest, numbers.quantile(0.5)]
    least, greatest, median = (plain(_whole(value or 0.0)) for value in shown)
    return f"{least} to {greatest}, median {median}"


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def judged_text(statistics: Sequence[JudgedStatistic]) -> RenderableType:
    """Return what `curator stats` prints of a run's rules."""
    if not statistics:
        return Text()
    head = Text("\nstatistics with their thresholds", style="bold")
    rest = f"  {grouped(statistics[0].documents)} documents; red fails"
    return Group(head.append(rest, style="not bold"), Text(), *statistics)


def judged(report: Report) -> Markup:
    """Return the section of statistics that rules look at: a plot each."""
    if not report.statistics:
        return absent("statistics", "Statistics", "No rule looks at a statistic.")
    plots = [_figure(each) for each in report.statistics]
    lead = (
        "How each statistic that a rule looks at is spread over the documents that cleaning saw; "
        "a dashed line is a threshold, and what fails it counts whether or not an earlier rule "
        "dropped it. Thresholds are read from here: changing them reads no text again."
    )
    return section("statistics", "Statistics", lead, tag("div", *plots, class_="plots"))


def _figure(statistic: JudgedStatistic) -> Markup:
    edges, counts = statistic.histogram()
    spreads = [
        Spread(each.reason.partition(".")[0], _COLORS[place % len(_COLORS)], (), at)
        for place, each in enumerate(statistic.thresholds)
        for at in dict.fromkeys((each.low, each.high))
        if edges[0] <= at <= edges[-1]
    ]
    failed = [
        f"{each.reason} {each.shown}: {share(each.documents, statistic.documents)} fail"
        for each in statistic.thresholds
    ]
    name, unit = statistic.name, statistic.unit
    title = name if unit == name else f"{name}, {unit}"
    drawn = histogram(title, edges, counts, spreads, log=statistic.log)
    return figure(statistic.name, join([statistic.about, " ", "; ".join(failed)]), drawn)
