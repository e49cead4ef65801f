"""The sections that say what came of it: the verdict, the comparison, the cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from curator.report import figures
from curator.report.axes import round_ticks, tick_texts
from curator.report.content import Comparison, Measure, Report, Trunk
from curator.report.markup import Child, join, tag
from curator.report.plots import forest_track
from curator.report.tables import (
    SEVERAL_ARMS,
    absent,
    arm_color,
    badge,
    cell,
    count,
    row_head,
    section,
    swatch,
    table,
    term,
)
from curator.report.visible import one_line

AT_CHANCE = "Neither is above chance by two standard deviations: do not decide by this."


def title(report: Report) -> str:
    """Return the one sentence that the page opens with."""
    lines = report.headline
    if not lines:
        _, kept, *_ = report.conservation()
        return f"{figures.grouped(kept)} documents kept" if report.stages else report.name
    base, metric = report.baseline or "the baseline", lines[0].metric
    won = [line for line in lines if line.verdict == "better" and not line.at_chance]
    if won:
        won.sort(key=lambda line: (line.effect * (1 if line.better == "lower" else -1), line.arm))
        names = " and ".join(
            [", ".join(line.arm for line in won[:-1]), won[-1].arm][len(won) < 2 :]
        )
        return f"{names} {'beats' if len(won) == 1 else 'beat'} {base} on {metric}"
    if any(line.verdict == "undecided" for line in lines):
        return f"No arm beats {base} on {metric} yet: not all is decided"
    return f"No arm beats {base} on {metric}"


def headline(report: Report) -> Markup:
    """Return the top of the page: the sentence, one card an arm, what it took."""
    cards = [_card(report, line) for line in report.headline]
    return tag(
        "div",
        tag("p", f"Report of run {report.name}", class_="kicker"),
        tag("h1", title(report)),
        tag("p", report.about, class_="lead") if report.about else None,
        tag("div", *cards, class_="cards") if cards else None,
        _facts(report),
    )


def _card(report: Report, line: Comparison) -> Markup:
    digits = figures.decimals([line.effect, line.low, line.high])
    interval = f"[{figures.signed(line.low, digits)}, {figures.signed(line.high, digits)}]"
    direction = (
        "lower than" if line.effect < 0 else "higher than" if line.effect > 0 else "equal to"
    )
    base = report.baseline or "the baseline"
    relative = ""
    if line.baseline_mean and line.effect:
        relative = f"{figures.share(abs(line.effect), abs(line.baseline_mean))} "
    return tag(
        "div",
        tag("div", tag("b", line.arm), badge(line.verdict), class_="top"),
        tag("p", figures.signed(line.effect, digits), " ", tag("small", line.unit), class_="big"),
        tag("p", f"{interval} at 95 %, {line.seeds} seeds"),
        tag("p", f"{relative}{direction} {base}; {line.better} is better"),
        tag("p", _deciding(line)) if line.verdict == "undecided" else None,
        tag("p", AT_CHANCE) if line.at_chance else None,
        class_="verdict",
        style=f"--c:{arm_color(report, line.arm)}",
    )


def guesses(line: Comparison) -> Markup | None:
    """Return a remark where a verdict is about two arms that only guess."""
    return tag("span", " at chance", title=AT_CHANCE, class_="q") if line.at_chance else None


def _deciding(line: Comparison) -> str:
    if line.seeds_to_decide is None:
        return "More seeds are needed to decide."
    return f"About {line.seeds_to_decide} seeds would decide."


def _facts(report: Report) -> Markup | None:
    found: list[tuple[str, str, str]] = []
    if report.stages:
        read, kept, *_ = report.conservation()
        last = report.stages[-1]
        found.append(("documents kept", figures.grouped(kept), f"of {figures.grouped(read)}"))
        if last.text_bytes is not None:
            found.append(("text in the pool", figures.size(last.text_bytes), ""))
        if last.tokens is not None:
            found.append(("tokens in the pool", figures.compact(last.tokens), ""))
    if report.curves:
        runs = len({(curve.arm, curve.seed) for curve in report.curves})
        found.append(("proxies trained", str(runs), one_line(report.proxy.split(":")[0], 32)))
    trunk = report.trunk or Trunk(0, 0, 0.0)
    trained = trunk.tokens + sum(arm.trained_tokens for arm in report.arms)
    if trained:
        found.append(("tokens trained on", figures.compact(trained), ""))
    spent = trunk.flops + sum(arm.flops for arm in report.arms)
    if spent:
        found.append(("compute", figures.flops(spent), ""))
    if report.seconds:
        found.append(("wall clock", figures.duration(report.seconds), ""))
    if not found:
        return None
    return tag("dl", *(fact(*each) for each in found), class_="facts")


def fact(name: str, value: str, rest: str) -> Markup:
    """Return one named number of the top of a page."""
    return tag("div", tag("dt", name), tag("dd", value, " ", tag("small", rest) if rest else None))


def comparison(report: Report) -> Markup:
    """Return the forest plot and table of every comparison, one for each unit."""
    if not report.comparison:
        why = (
            "Only one arm was trained: there is nothing to compare."
            if report.measures
            else "No arms were compared: the recipe trains no proxies or names no baseline."
        )
        return absent("comparison", "Comparison", why)
    leading = {(line.unit, line.better) for line in report.headline}
    ordered = sorted(
        report.comparison,
        key=lambda line: ((line.unit, line.better) not in leading, line.unit, line.better),
    )
    groups = [
        _forest(report, list(lines))
        for _, lines in groupby(ordered, key=lambda line: (line.unit, line.better))
    ]
    lead = join(
        [
            f"Each arm minus {report.baseline or 'the baseline'}, over ",
            term("paired seeds"),
            ": the dot is the mean difference, the line its 95 % ",
            term("interval"),
            ", the band the ",
            term("margin"),
            " within which differences do not matter. ",
            SEVERAL_ARMS if len({line.arm for line in report.comparison}) > 1 else "",
        ]
    )
    return section("comparison", "Comparison", lead, *groups, _measures(report))


def _forest(report: Report, lines: Sequence[Comparison]) -> Markup:
    first = lines[0]
    ends = [abs(end) for line in lines for end in (line.low, line.high, line.margin or 0.0)]
    ends += [abs(line.effect) for line in lines]
    reach = max((end for end in ends if math.isfinite(end)), default=0.0) * 1.08 or 1.0
    digits = figures.decimals([line.effect for line in lines])
    names = list(dict.fromkeys(line.metric for line in lines))
    names.sort(key=lambda name: name != report.headline_metric)
    rows = [
        _forest_row(report, line, reach, min(digits, 5), leads=place == 0)
        for name in names
        for place, line in enumerate(line for line in lines if line.metric == name)
    ]
    heads = tag(
        "tr",
        tag("th", "metric", scope="col", class_="metric"),
        tag("th", "arm", scope="col", class_="arm"),
        tag("th", _scale(reach, first.better), scope="col", class_="plot"),
        tag("th", f"difference, {first.unit}", scope="col", class_="r diff"),
        tag("th", "verdict", scope="col", class_="says"),
        tag("th", "seeds", scope="col", class_="r seeds"),
    )
    caption = f"Difference from {report.baseline or 'the baseline'} in {first.unit}"
    return tag(
        "div",
        tag(
            "table",
            tag("caption", tag("span", f"{caption} ({first.better} is better)")),
            tag("thead", heads),
            tag("tbody", *rows),
            class_="forest",
        ),
        class_="scroll",
    )


def _scale(reach: float, better: str) -> Markup:
    ticks = round_ticks(-0.9 * reach, 0.9 * reach, 5)  # texts at the very ends would be cut
    marks = [
        tag("span", text, style=f"left:{50 + 50 * value / reach:.2f}%")
        for value, text in zip(ticks, tick_texts(ticks), strict=True)
    ]
    left, right = ("← better", "worse →") if better == "lower" else ("← worse", "better →")
    return tag(
        "div",
        tag("b", left, style="left:0"),
        tag("b", right, style="right:0"),
        *marks,
        class_="scale",
    )


def _forest_row(
    report: Report, line: Comparison, reach: float, digits: int, *, leads: bool
) -> Markup:
    color = arm_color(report, line.arm)
    interval = f"[{figures.signed(line.low, digits)}, {figures.signed(line.high, digits)}]"
    seeds: Child = str(line.seeds)
    if line.verdict == "undecided" and line.seeds_to_decide is not None:
        seeds = tag("span", f"{line.seeds} of ~{line.seeds_to_decide}", title=_deciding(line))
    track = forest_track(line.effect, line.low, line.high, line.margin, reach, color)
    value = join(
        [tag("b", figures.signed(line.effect, digits)), " ", tag("span", interval, class_="q")]
    )
    return tag(
        "tr",
        tag("th", line.metric if leads else "", scope="row", class_="metric"),
        tag("td", swatch(line.arm, color)),
        tag("td", track, class_="plot"),
        tag("td", value, class_="r nb"),
        tag("td", badge(line.verdict), guesses(line)),
        tag("td", seeds, class_="r nb seeds"),
        class_=None if leads else "next",
    )


def _measures(report: Report) -> Markup | None:
    if not report.measures:
        return None
    arms = list(dict.fromkeys(line.arm for line in report.measures))
    found = {(line.metric, line.arm): line for line in report.measures}
    metrics = list(dict.fromkeys(line.metric for line in report.measures))
    digits = min(4, figures.decimals([line.mean for line in report.measures]) + 1)
    rows = []
    for metric in metrics:
        unit = next(line.unit for line in report.measures if line.metric == metric)
        best = _best([found[metric, arm] for arm in arms if (metric, arm) in found])
        cells = [_measure_cell(found.get((metric, arm)), best, digits) for arm in arms]
        rows.append([row_head(metric), tag("td", unit, class_="q"), *cells])
    heads: list[tuple[Child, str]] = [("metric", ""), ("unit", "")]
    heads += [(swatch(arm, arm_color(report, arm)), "r") for arm in arms]
    caption = "Each arm's mean over seeds with its 95 % interval; the best mean is bold"
    return table(caption, heads, rows)


def _best(lines: Sequence[Measure]) -> float:
    pick = min if lines[0].better == "lower" else max
    return pick(line.mean for line in lines)


def _measure_cell(line: Measure | None, best: float, digits: int) -> Markup:
    if line is None:
        return cell("–")
    shown = tag("b" if line.mean == best else "span", f"{line.mean:.{digits}f}")
    half = tag("span", f" ± {(line.high - line.low) / 2:.{digits}f}", class_="q")
    return cell(join([shown, half]), sort=line.mean, class_="r nb")


def cost(report: Report) -> Markup:
    """Return what every arm cost to train and, over all stages, what the run cost to prepare."""
    trained = [arm for arm in report.arms if arm.trained_tokens or arm.seconds or arm.flops]
    if not trained and not report.stages:
        return absent("cost", "Cost", "Nothing was measured.")
    rows = [
        [
            row_head(swatch(arm.name, arm_color(report, arm.name))),
            count(arm.trained_tokens),
            cell(figures.flops(arm.flops), sort=arm.flops),
            cell(figures.duration(arm.seconds), sort=arm.seconds),
        ]
        for arm in trained
    ]
    if report.trunk:
        told = ("the trunk of all arms", report.trunk.tokens, report.trunk.flops)
        compute = cell(figures.flops(told[2]), sort=told[2])
        rows.append([row_head(told[0]), count(told[1]), compute, cell("–", sort=0.0)])
    heads: list[tuple[Child, str]] = [("arm", ""), ("tokens", "r"), ("compute", "r"), ("time", "r")]
    spent = sum(stage.seconds for stage in report.stages)
    reused = sum(stage.cached for stage in report.stages)
    lead = f"{figures.counted(len(report.stages), 'stage')} of the funnel took "
    lead += f"{figures.duration(spent)} of work"
    lead += f"; {reused} reused from earlier runs." if reused else "."
    caption = "Training cost by arm, all seeds together"
    shown = table(caption, heads, rows, "sort fit") if rows else None
    return section("cost", "Cost", lead, shown)
