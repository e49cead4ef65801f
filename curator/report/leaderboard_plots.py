"""The drawings of a leaderboard: gains on the target beside retention, and the baseline's budgets.

SVG as in `plots`: coordinates rounded, colors from the page's variables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from curator.report.axes import Axis, padded
from curator.report.markup import tag
from curator.report.plots import (
    LABEL,
    Frame,
    drawing,
    framed,
    polyline,
    rule,
    short_ticks,
    text_mark,
)
from curator.report.visible import one_line

_LINE = 13.0  # points from one label to the next
_LETTER = 7.0


@dataclass(frozen=True)
class Cross:
    """An arm's two gains with their intervals; above 0 is better on both axes."""

    label: str
    color: str
    x: tuple[float, float, float]  # low, gain, high
    y: tuple[float, float, float]


@dataclass(frozen=True)
class Dot:
    """An arm at its budget, on the metric that the baseline's budgets are measured on."""

    label: str
    color: str
    tokens: float
    value: float
    reaches: float | None = None  # the baseline's budget that is as good


def tradeoff(label: str, crosses: Sequence[Cross], x_title: str, y_title: str) -> Markup:
    """Return gains on the target (x) against gains on held-out text (y), with intervals.

    What lies to the right and below has won on the target and lost elsewhere: that corner is
    colored.
    """
    x, y = framed(_reach([cross.x for cross in crosses]), _reach([c.y for c in crosses]), right=26)
    corner = tag(
        "rect",
        x=f"{x.at(0):g}",
        y=f"{y.at(0):g}",
        width=f"{x.end - x.at(0):.2f}",
        height=f"{y.start - y.at(0):.2f}",
        class_="loss",
    )
    zeros = [
        rule(x.at(0), y.start, x.at(0), y.end, "zero"),
        rule(x.start, y.at(0), x.end, y.at(0), "zero"),
    ]
    marks = [mark for cross in crosses for mark in _cross(cross, x, y)]
    points = [(c.label, c.color, x.at(c.x[1]), y.at(c.y[1])) for c in crosses]
    labels = _labels(points, x.end)
    return drawing(label, Frame(x, y, x_title, y_title), corner, *zeros, *marks, *labels)


def _reach(spans: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return the range of all gains and of the ends of their intervals, with 0 in it.

    An end that is far outside the gains themselves is cut at the border: one wide interval would
    leave the other arms no room.
    """
    middles = [abs(span[1]) for span in spans if math.isfinite(span[1])]
    most = 1.6 * max(middles, default=0.0) or 1.0
    ends = [end for span in spans for end in span if math.isfinite(end)]
    return padded([0.0, *(max(-most, min(most, end)) for end in ends)], 0.1)


def _cross(cross: Cross, x: Axis, y: Axis) -> list[Markup]:
    style = f"--c:{cross.color}"
    px, py = _inside(cross.x[1], x), _inside(cross.y[1], y)
    across = rule(_inside(cross.x[0], x), py, _inside(cross.x[2], x), py, "whisker", style)
    upright = rule(px, _inside(cross.y[0], y), px, _inside(cross.y[2], y), "whisker", style)
    return [across, upright, _point(px, py, cross.color, cross.label)]


def _inside(value: float, axis: Axis) -> float:
    """Return the point of a value, at the border if it lies beyond; NaN is at the lower one."""
    value = axis.low if math.isnan(value) else value
    return axis.at(min(max(value, axis.low), axis.high))


def _point(px: float, py: float, color: str, label: str) -> Markup:
    return tag(
        "circle",
        tag("title", label),
        cx=f"{px:g}",
        cy=f"{py:g}",
        r="4.5",
        class_="point",
        style=f"--c:{color}",
    )


def _labels(points: Sequence[tuple[str, str, float, float]], end: float) -> list[Markup]:
    """Return a name beside each point, moved up or down where it would cover another."""
    taken: list[tuple[float, float, float]] = []  # left, right, middle
    marks = []
    for label, color, px, py in sorted(points, key=lambda point: (point[3], point[0])):
        shown = one_line(label, LABEL)
        width = _LETTER * len(shown)
        leftward = px + 8 + width > end
        left = px - 8 - width if leftward else px + 8
        height = py - 5
        while any(
            left < other[1] and left + width > other[0] and abs(height - other[2]) < _LINE
            for other in taken
        ):
            height += 2
        taken.append((left, left + width, height))
        at, anchor = (px - 8, "end") if leftward else (px + 8, "start")
        marks.append(text_mark(at, height, shown, anchor, "tagged halo", f"--c:{color}"))
    return marks


def ladder(
    label: str, base: Sequence[tuple[float, Sequence[float]]], dots: Sequence[Dot], y_title: str
) -> Markup:
    """Return the baseline's curve over its budgets, and every arm beside it at its own.

    A dashed line leads from an arm to the budget at which the baseline is as good.

    Args:
        label: what it shows, in words.
        base: (tokens, one value a seed), at two budgets or more.
        dots: the arms.
        y_title: of the metric, lower is better.
    """
    means = [(tokens, sum(values) / len(values)) for tokens, values in sorted(base)]
    tokens = [each for each, _ in means] + [dot.reaches for dot in dots if dot.reaches]
    values = [value for _, each in base for value in each] + [dot.value for dot in dots]
    x, y = framed((min(tokens), max(tokens)), padded(values), log_x=True, right=26)
    frame = Frame(x, y, "tokens (logarithmic)", y_title, x_text=short_ticks)
    line = polyline([(x.at(a), y.at(b)) for a, b in means], "step", "var(--a0)", "the baseline")
    seeds = [
        _point(x.at(a), y.at(value), "var(--a0)", f"baseline, {a:,.0f} tokens: {value:.4f}")
        for a, each in base
        for value in each
    ]
    marks = [_dashed(dot, x, y) for dot in dots if dot.reaches is not None]
    points = [_point(x.at(dot.tokens), y.at(dot.value), dot.color, dot.label) for dot in dots]
    names = [(dot.label, dot.color, x.at(dot.tokens), y.at(dot.value)) for dot in dots]
    return drawing(label, frame, line, *seeds, *marks, *points, *_labels(names, x.end + 24))


def _dashed(dot: Dot, x: Axis, y: Axis) -> Markup:
    height = y.at(dot.value)
    reach = _inside(dot.reaches or dot.tokens, x)
    return rule(x.at(dot.tokens), height, reach, height, "cut", f"--c:{dot.color}")
