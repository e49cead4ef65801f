"""Drawn plots, as SVG written here: histograms of scores, loss curves, differences in loss.

Why not Matplotlib: its SVG carries fixed colors, its own ids (which collide when several stand
in one page) and a date, so it can neither follow the reader's light or dark setting nor be equal
bytes for equal numbers without rewriting its output; it is also a dependency and a second of
start-up that nothing else here needs. These plots are polylines and text in CSS variables.
Coordinates are rounded to hundredths, so equal input is equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from curator.report.axes import Axis, padded, tick_texts
from curator.report.figures import compact, plain, share
from curator.report.markup import Child, join, tag
from curator.report.visible import one_line

Curve = tuple[tuple[float, ...], tuple[float, ...]]  # x values ascending, y values
WIDTH, HEIGHT = 460, 238
_CUT_TEXTS = 4
LABEL = 16  # letters of an arm's name that fit beside its line
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 24, 40


@dataclass(frozen=True)
class Line:
    """One line of a plot: thin ones are single seeds, the others carry a label.

    `low` and `high`, where given, are the edges of a band around it, one value an x.
    """

    label: str
    color: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    thin: bool = False
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Frame:
    """The axes of one plot, with how to write their ticks and what they measure."""

    x: Axis
    y: Axis
    x_title: str
    y_title: str
    x_text: Callable[[Sequence[float]], list[str]] = tick_texts
    y_text: Callable[[Sequence[float]], list[str]] = tick_texts


def framed(
    xs: tuple[float, float], ys: tuple[float, float], *, log_x: bool = False, right: int = _RIGHT
) -> tuple[Axis, Axis]:
    """Return the axes of a plot whose values lie in the two ranges, with `right` points spare."""
    x = Axis(xs[0], xs[1], _LEFT, WIDTH - right, log=log_x)
    return x, Axis(ys[0], ys[1], HEIGHT - _BOTTOM, _TOP)


def drawing(label: str, frame: Frame, *marks: Child) -> Markup:
    """Return the SVG of marks on axes; `label` says in words what it shows."""
    return tag(
        "svg",
        tag("title", label),
        _y_axis(frame),
        _x_axis(frame),
        *marks,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=label,
    )


def _y_axis(frame: Frame) -> Markup:
    ticks = frame.y.ticks(4)
    lines = []
    for value, text in zip(ticks, frame.y_text(ticks), strict=True):
        y = frame.y.at(value)
        lines.append(rule(frame.x.start, y, frame.x.end, y, "axis"))
        lines.append(text_mark(_LEFT - 7, y + 4, text, "end"))
    return tag("g", *lines, text_mark(0, 8, frame.y_title, "start"))


def _x_axis(frame: Frame) -> Markup:
    ticks = frame.x.ticks(6)
    base = frame.y.start
    texts = [
        text_mark(frame.x.at(value), base + 16, text, "middle")
        for value, text in zip(ticks, frame.x_text(ticks), strict=True)
    ]
    middle = (frame.x.start + frame.x.end) / 2
    return tag("g", *texts, text_mark(middle, base + 34, frame.x_title, "middle"))


def rule(x1: float, y1: float, x2: float, y2: float, class_: str, style: str = "") -> Markup:
    """Return a straight line between two points."""
    return tag(
        "line",
        x1=f"{x1:g}",
        y1=f"{y1:g}",
        x2=f"{x2:g}",
        y2=f"{y2:g}",
        class_=class_,
        style=style or None,
    )


def text_mark(
    x: float, y: float, text: str, anchor: str, class_: str = "", style: str = ""
) -> Markup:
    """Return text that starts, ends or has its middle at a point."""
    return tag(
        "text",
        text,
        x=f"{x:g}",
        y=f"{y:g}",
        text_anchor=anchor,
        class_=class_ or None,
        style=style or None,
    )


@dataclass(frozen=True)
class Spread:
    """One histogram of a score, as counts per bin, with the score at its border if it has one.

    Without counts only the border is drawn.
    """

    label: str
    color: str
    counts: tuple[int, ...]
    cut: float | None = None


def histogram(
    title: str, edges: Sequence[float], pool: Sequence[int], spreads: Sequence[Spread], *, log: bool
) -> Markup:
    """Return the pool as filled bars and each arm's selection as an outline.

    Each is the share of its own documents by bin, so that shapes compare whatever the counts.
    """
    shares = [_shares(pool), *(_shares(spread.counts) for spread in spreads)]
    top = max((max(each, default=0.0) for each in shares), default=0.0) or 1.0
    x, y = framed((edges[0], edges[-1]), (0.0, top * 1.12), log_x=log)
    frame = Frame(x, y, title, "share of documents", y_text=_percent, x_text=short_ticks)
    bars = [
        tag(
            "rect",
            tag("title", f"{plain(low)} to {plain(high)}: {number:,} of the pool ({share(part)})"),
            x=f"{x.at(low):g}",
            y=f"{y.at(part):g}",
            width=f"{max(0.0, x.at(high) - x.at(low) - 0.6):.2f}",
            height=f"{y.start - y.at(part):.2f}",
            class_="pool",
        )
        for low, high, number, part in zip(edges, edges[1:], pool, shares[0], strict=False)
    ]
    outlines = [_outline(spread, edges, x, y) for spread in spreads if spread.counts]
    cuts = _cuts(spreads, x, y)
    label = f"Histogram of {title}: the pool and {len(spreads)} selections"
    return drawing(label, frame, *bars, *outlines, *cuts)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [number / total if total else 0.0 for number in counts]


def _outline(spread: Spread, edges: Sequence[float], x: Axis, y: Axis) -> Markup:
    points = [(x.at(edges[0]), y.start)]
    for low, high, part in zip(edges, edges[1:], _shares(spread.counts), strict=False):
        points += [(x.at(low), y.at(part)), (x.at(high), y.at(part))]
    points.append((x.at(edges[-1]), y.start))
    return polyline(points, "step", spread.color, spread.label)


def _cuts(spreads: Sequence[Spread], x: Axis, y: Axis) -> list[Markup]:
    """Return a dashed line a cut, with its value beside it unless they are too many to read."""
    cuts = [(spread, spread.cut) for spread in spreads if spread.cut is not None]
    marks = []
    for place, (spread, cut) in enumerate(cuts):
        at = x.at(min(max(cut, x.low), x.high))
        style = f"--c:{spread.color}"
        marks.append(rule(at, y.start, at, y.end, "cut", style))
        if len(cuts) <= _CUT_TEXTS:
            leftward = at > (x.start + x.end) / 2
            text = f"{one_line(spread.label, LABEL)}: cut {plain(cut)}"
            end = (at - 5, "end") if leftward else (at + 5, "start")
            marks.append(text_mark(end[0], y.end + 9 + 13 * place, text, end[1], "tagged", style))
    return marks


def curves(
    label: str,
    lines: Sequence[Line],
    x_title: str,
    y_title: str,
    *,
    log_x: bool,
    zero: bool = False,
) -> Markup:
    """Return lines over a shared x axis, the thick ones labeled at their right ends."""
    xs = [value for line in lines for value in line.xs]
    tail = [value for line in lines for value in (*line.ys, *line.low, *line.high)]
    low, high = padded(tail)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    x, y = framed((min(xs), max(xs)), (low, high), log_x=log_x, right=_room(lines))
    frame = Frame(x, y, x_title, y_title, x_text=short_ticks)
    drawn = [
        polyline(
            [(x.at(a), y.at(b)) for a, b in zip(line.xs, line.ys, strict=True)],
            "seed" if line.thin else "step",
            line.color,
            line.label,
        )
        for line in sorted(lines, key=lambda line: not line.thin)
    ]
    base = [rule(x.start, y.at(0.0), x.end, y.at(0.0), "zero")] if zero else []
    bands = [_band(line, x, y) for line in lines if line.low]
    return drawing(label, frame, *base, *bands, *drawn, *end_labels(lines, x, y))


def _band(line: Line, x: Axis, y: Axis) -> Markup:
    """Return the area between a line's lower and upper edge."""
    upper = [(x.at(a), y.at(b)) for a, b in zip(line.xs, line.high, strict=True)]
    lower = [(x.at(a), y.at(b)) for a, b in zip(line.xs, line.low, strict=True)]
    path = " ".join(f"{px:g},{py:g}" for px, py in [*upper, *lower[::-1]])
    return tag("polygon", points=path, class_="band", style=f"--c:{line.color}")


def _room(lines: Sequence[Line]) -> int:
    """Return the points that the longest label takes at the right: about 7 a letter."""
    return 14 + 7 * min(LABEL, max((len(line.label) for line in lines if not line.thin), default=0))


def end_labels(lines: Sequence[Line], x: Axis, y: Axis) -> list[Markup]:
    """Return the labels of the thick lines, pushed apart so that none covers another."""
    thick = [(y.at(line.ys[-1]), line) for line in lines if not line.thin]
    ends = sorted(thick, key=lambda end: (end[0], end[1].label))
    marks, least = [], y.end
    heights: list[float] = []
    for height, _ in ends:
        heights.append(max(height, least))
        least = heights[-1] + 13
    overflow = max(0.0, (heights[-1] if heights else 0.0) - y.start)
    for (_, line), height in zip(ends, heights, strict=True):
        style = f"--c:{line.color}"
        label = one_line(line.label, LABEL)
        marks.append(text_mark(x.end + 6, height + 4 - overflow, label, "start", "tagged", style))
    return marks


def polyline(points: Sequence[tuple[float, float]], class_: str, color: str, label: str) -> Markup:
    """Return a line through points, with its label as a tooltip."""
    path = " ".join(f"{px:g},{py:g}" for px, py in points)
    return tag("polyline", tag("title", label), points=path, class_=class_, style=f"--c:{color}")


def _percent(values: Sequence[float]) -> list[str]:
    return [f"{text} %" for text in tick_texts([100 * value for value in values])]


def short_ticks(values: Sequence[float]) -> list[str]:
    """Return ticks as text, large ones with a letter: 10k, 2M."""
    if max((abs(value) for value in values), default=0) >= 1000:
        return [compact(value) for value in values]
    spread = len(values) > 1 and min(values) > 0 and max(values) >= 100 * min(values)
    return [plain(value) for value in values] if spread else tick_texts(values)


def averaged(group: Sequence[Curve], how: Callable[..., Any] = np.mean) -> Curve:
    """Return the mean of several curves on the x values of the first, as far as all reach.

    `how` may be another summary over the curves: np.min, np.max.
    """
    grid = _shared_grid(group)
    each = [np.interp(grid, xs, ys) for xs, ys in group]
    return tuple(grid.tolist()), tuple(how(each, axis=0).tolist())


def difference(curve: Curve, base: Curve) -> Curve:
    """Return `curve` minus `base` on the x values of `curve`, as far as both reach."""
    grid = _shared_grid([curve, base])
    gap = np.interp(grid, *curve) - np.interp(grid, *base)
    return tuple(grid.tolist()), tuple(gap.tolist())


def _shared_grid(group: Sequence[Curve]) -> npt.NDArray[np.float64]:
    grid = np.asarray(group[0][0], dtype=np.float64)
    return grid[grid <= min(max(xs) for xs, _ in group)]


def forest_track(
    effect: float, low: float, high: float, margin: float | None, reach: float, color: str
) -> Markup:
    """Return one row of a forest plot: interval, effect, zero line, ±margin; ±reach wide.

    What lies beyond is drawn at the border; an end that is NaN (one seed) is beyond.
    """
    low, high = -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high

    def inside(value: float) -> float:
        return max(-reach, min(reach, value))

    def at(value: float) -> str:
        return f"{50 + 50 * inside(value) / reach:.2f}%"

    def wide(a: float, b: float) -> str:
        return f"{50 * (inside(b) - inside(a)) / reach:.2f}%"

    band = margin and tag(
        "i", class_="margin", style=f"left:{at(-margin)};width:{wide(-margin, margin)}"
    )
    parts = join(
        [
            band or None,
            tag("i", class_="zeroline", style="left:50%"),
            tag("i", class_="span", style=f"left:{at(low)};width:{wide(low, high)}"),
            tag("i", class_="cap", style=f"left:{at(low)}"),
            tag("i", class_="cap", style=f"left:{at(high)}"),
            tag("i", class_="dot", style=f"left:{at(effect)}"),
        ]
    )
    return tag("div", parts, class_="track", style=f"--c:{color}", aria_hidden="true")
