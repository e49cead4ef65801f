"""A run in one screen of the terminal: stages, arms, verdicts, where the report is."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curator.report import figures
from curator.report.content import Arm, Comparison, Report, StageCount, Verdict
from curator.report.results import title
from curator.report.tables import SEVERAL_ARMS
from curator.report.visible import one_line

STYLES: dict[Verdict, str] = {
    "better": "bold green",
    "worse": "bold red",
    "equivalent": "dim",
    "undecided": "yellow",
}


def summary(report: Report, path: str = "") -> RenderableType:
    """Return what `curator run` prints at its end; `path` is where the page was written."""
    parts: list[RenderableType] = [Text(one_line(title(report), 200), style="bold"), Text()]
    if report.stages:
        parts += [_stages(report), _conservation(report), Text()]
    if report.refined:
        parts += [_refined(report), Text()]
    if report.arms:
        parts += [_arms(report), *_shortfalls(report), Text()]
    if report.comparison:
        parts += [_comparison(report), Text()]
    if path:
        parts.append(Text("report: ").append(one_line(path, 400), style="underline"))
    return Group(*parts)


def borderless(*columns: str) -> Table:
    """Return a table without lines for the terminal.

    A column whose name ends in ">" holds numbers, in "!" words that are never broken.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        number = name.endswith(">")
        whole = number or name.endswith("!")
        table.add_column(
            name.rstrip(">!"),
            justify="right" if number else "left",
            no_wrap=whole,
            overflow="fold",
        )
    return table


def _stages(report: Report) -> Table:
    table = borderless("stage!", "in>", "out>", "kept>", "time>", "dropped, most for")
    for stage in report.stages:
        table.add_row(
            Text(one_line(stage.name, 30)),
            Text(figures.grouped(stage.rows_in)),
            Text(figures.grouped(stage.rows_out)),
            Text(figures.share(stage.rows_out, stage.rows_in)),
            Text("reused" if stage.cached else figures.duration(stage.seconds), style="dim"),
            Text(_reasons(stage)),
        )
    return table


def _refined(report: Report) -> Table:
    table = borderless(
        "arm", "refined by", "documents>", "refined>", "new>", "dropped>", "why less than asked"
    )
    for line in report.refined:
        table.add_row(
            Text(one_line(line.arm, 30)),
            Text(one_line(line.name, 30)),
            Text(figures.grouped(line.documents)),
            Text(figures.share(line.refined, line.documents)),
            Text(figures.grouped(line.children)),
            Text(figures.grouped(line.dropped)),
            Text(_most(line.reasons)),
        )
    return table


def _most(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{one_line(reason, 40)} {figures.grouped(n)}" for reason, n in ordered[:2] if n]
    return ", ".join([*named, *([f"{len(ordered) - 2} more"] if len(ordered) > 2 else [])])


def _reasons(stage: StageCount) -> str:
    named = [_most(stage.dropped)] if stage.dropped else []
    set_aside = sum(stage.quarantined.values())
    if set_aside:
        named.append(f"{figures.grouped(set_aside)} quarantined")
    return ", ".join(named)


def _conservation(report: Report) -> Text:
    read, kept, dropped, quarantined, missing = report.conservation()
    line = Text(
        f"{figures.grouped(read)} records = {figures.grouped(kept)} kept + "
        f"{figures.grouped(dropped)} dropped + {figures.grouped(quarantined)} quarantined "
    )
    broken = [stage.name for stage in report.stages if stage.missing]
    if not missing and not broken:
        return line.append("✓", style="green")
    return line.append(f"✗ {missing:+,} do not add up {', '.join(broken)}", style="bold red")


def _arms(report: Report) -> Table:
    table = borderless(
        "arm", "selected by", "documents>", "tokens>", "trained>", "compute>", "time>", "most from"
    )
    for arm in report.arms:
        table.add_row(
            Text(one_line(arm.name, 30), style="dim" if arm.baseline else "bold"),
            Text(one_line(arm.method, 40)),
            Text(figures.grouped(arm.documents)),
            Text(figures.compact(arm.tokens)),
            Text(figures.compact(arm.trained_tokens) if arm.trained_tokens else "–"),
            Text(figures.flops(arm.flops) if arm.flops else "–"),
            Text(figures.duration(arm.seconds) if arm.seconds else "–"),
            Text(_leading_sources(arm)),
        )
    if report.trunk:
        spent = figures.compact(report.trunk.tokens), figures.flops(report.trunk.flops)
        table.add_row(*map(Text, ("the trunk of all arms", "", "", "", *spent, "–", "")))
    return table


def _shortfalls(report: Report) -> list[Text]:
    return [
        Text(one_line(f"{arm.name}: {line}", 300), style="yellow")
        for arm in report.arms
        for line in arm.shortfalls
    ]


def _leading_sources(arm: Arm) -> str:
    ordered = sorted(arm.shares, key=lambda each: (-each.obtained, each.source))
    return ", ".join(
        f"{one_line(each.source, 24)} {figures.share(each.obtained)}" for each in ordered[:1]
    )


def verdict_words(line: Comparison) -> str:
    """Return a verdict in words, with a remark where it is about two arms that only guess."""
    return line.verdict + (", at chance" if line.at_chance else "")


def _comparison(report: Report) -> Table:
    base = one_line(report.baseline or "the baseline", 30)
    units = list(dict.fromkeys(line.unit for line in report.comparison))
    alone = f", {one_line(units[0], 20)}" if len(units) == 1 else ""
    table = borderless(
        "metric", "arm!", f"minus {base}{alone}>", "95 % interval>", "verdict!", "seeds>"
    )
    by_unit = {
        unit: figures.decimals([line.effect for line in report.comparison if line.unit == unit])
        for unit in units
    }
    previous = ""
    for line in sorted(report.comparison, key=lambda line: line.metric != report.headline_metric):
        digits = by_unit[line.unit]
        interval = f"[{figures.signed(line.low, digits)}, {figures.signed(line.high, digits)}]"
        more = f" of ~{line.seeds_to_decide}" if line.seeds_to_decide else ""
        metric = one_line(line.metric if alone else f"{line.metric}, {line.unit}", 60)
        table.add_row(
            Text("" if line.metric == previous else metric),
            Text(one_line(line.arm, 30)),
            Text(figures.signed(line.effect, digits)),
            Text(interval),
            Text(verdict_words(line), STYLES[line.verdict]),
            Text(f"{line.seeds}{more}"),
        )
        previous = line.metric
    if len({line.arm for line in report.comparison}) > 1:
        table.caption, table.caption_style, table.caption_justify = SEVERAL_ARMS, "dim", "left"
    return table
