"""A leaderboard in one screen of the terminal: places, effects, verdicts, cost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curator.report import figures
from curator.report.content import Comparison
from curator.report.leaderboard import multiple_words, title
from curator.report.standings import Leaderboard, Standing, shared_text
from curator.report.summary import STYLES, borderless, verdict_words
from curator.report.tables import SEVERAL_ARMS
from curator.report.visible import one_line


def table_of(board: Leaderboard, path: str = "") -> RenderableType:
    """Return what `curator leaderboard` prints at its end; `path` is where the page was written."""
    lines = [line for each in board.standings for line in (each.headline, each.retention) if line]
    digits = min(5, figures.decimals([line.effect for line in lines]))
    beside = board.retention_metric not in ("", board.target_metric)
    heads = ["", "arm!", f"{one_line(board.target_metric, 30)}>", "95 % interval>", "verdict!"]
    heads += ["seeds>"]
    heads += [f"{one_line(board.retention_metric, 30)}>", "!"] * beside
    table = borderless(*heads)
    ranked = sorted(board.standings, key=lambda each: (each.place, each.arm))
    for each in ranked:
        table.add_row(*_row(each, digits, beside=beside))
    unit = f"{one_line(lines[0].unit, 20)}, {lines[0].better} is better" if lines else ""
    told = f"minus {one_line(board.report.baseline, 40)}, {unit}. {SEVERAL_ARMS}"
    table.caption = Text(told)  # a plain string would be read as markup
    table.caption_style, table.caption_justify = "dim", "left"
    parts: list[RenderableType] = [
        Text(one_line(title(board), 200), style="bold"),
        Text(),
        table,
        Text(),
    ]
    warned = [each for each in ranked if each.warning]
    parts += [Text(f"{one_line(e.arm, 40)} {e.warning}", style="red") for e in warned]
    parts += [Text(), _costs(ranked, board), Text()]
    parts += [Text(one_line(told, 400), style="dim") for told in (shared_text(board), *board.notes)]
    if path:
        parts += [Text(), Text("page: ").append(one_line(path, 400), style="underline")]
    return Group(*parts)


def _row(each: Standing, digits: int, *, beside: bool) -> list[Text]:
    cells = [Text(str(each.place)), Text(one_line(each.arm, 40))]
    line = each.headline
    if line is None:
        cells += [Text("baseline", style="dim"), Text(""), Text(""), Text("")]
    else:
        seeds = f"{line.seeds}{f' of ~{line.seeds_to_decide}' if line.seeds_to_decide else ''}"
        cells += [_effect(line, digits), _interval(line, digits), _verdict(line), Text(seeds)]
    if beside:
        held = each.retention
        cells += [_effect(held, digits), _verdict(held)] if held else [Text(""), Text("")]
    return cells


def _costs(ranked: Sequence[Standing], board: Leaderboard) -> Table:
    """Return what each verdict cost, scoring included, and what it is worth in compute."""
    multiples = any(each.multiple for each in ranked)
    heads = ["arm!", "selected>", "compute>", "training>", "measuring>", "scoring>", "hours>"]
    table = borderless(*heads, *["multiplier>"] * multiples)
    one = ranked[0].spent  # all arms are trained alike
    told = f"; multiplier on {one_line(board.rung_metric, 60)}" if multiples else ""
    runs = f"{figures.counted(one.runs, 'run')} of {one.allowed:,} tokens"
    table.caption = Text(f"an arm: {runs}{told}")
    table.caption_style, table.caption_justify = "dim", "left"
    for each in ranked:
        spent = each.spent
        cells = [one_line(each.arm, 40), figures.compact(board.arm(each.arm).tokens)]
        cells += [figures.flops(spent.flops + spent.scoring_flops)]
        took = (spent.seconds, spent.measuring_seconds, spent.scoring_seconds)
        cells += [figures.duration(seconds) for seconds in took]
        cells.append(f"{spent.hours:.2g}")
        if multiples:
            cells.append(multiple_words(each.multiple) if each.multiple else "1×")
        table.add_row(*map(Text, cells))
    return table


def _effect(line: Comparison, digits: int) -> Text:
    return Text(figures.signed(line.effect, digits))


def _interval(line: Comparison, digits: int) -> Text:
    return Text(f"[{figures.signed(line.low, digits)}, {figures.signed(line.high, digits)}]")


def _verdict(line: Comparison) -> Text:
    return Text(verdict_words(line), STYLES[line.verdict])
