"""The sections that say what each arm took: scores and cuts, mixtures, overlaps."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from curator.report import figures
from curator.report.content import Arm, MixtureShare, Report, ScoreColumn
from curator.report.markup import Child, join, tag
from curator.report.plots import Spread, histogram
from curator.report.tables import (
    absent,
    arm_color,
    bar,
    cell,
    count,
    figure,
    legend,
    ranked_sources,
    row_head,
    section,
    source_color,
    source_legend,
    swatch,
    table,
    term,
    words,
)


def scores(report: Report) -> Markup:
    """Return each score's histogram: the pool, and what each arm took of it."""
    if not report.scores:
        return absent("scores", "Scores", "There are no scores to show.")
    plots = [_score_figure(report, column) for column in report.scores]
    arms = list(dict.fromkeys(arm for column in report.scores for arm in column.arms))
    keys = [("pool", "var(--line)"), *((arm, arm_color(report, arm)) for arm in arms)]
    lead = (
        "How each score is spread over the pool (filled) and over each arm's selection (lines). "
        "Every shape is the share of its own documents; a dashed line is an arm's cut."
    )
    return section("scores", "Scores", lead, legend(keys), tag("div", *plots, class_="plots"))


def _score_figure(report: Report, column: ScoreColumn) -> Markup:
    spreads = [
        Spread(arm, arm_color(report, arm), counts, column.cuts.get(arm))
        for arm, counts in column.arms.items()
    ]
    notes = [column.about, "" if column.better == "neither" else f"{column.better} is better"]
    notes.append(f"{figures.grouped(column.nulls)} without a score" if column.nulls else "")
    title = f"{column.name}, {column.unit}" if column.unit else column.name
    drawn = histogram(title, column.edges, column.pool, spreads, log=column.log)
    return figure(column.name, " · ".join(note for note in notes if note), drawn)


def mixtures(report: Report) -> Markup:
    """Return each arm's mixture by source: bars, then asked against obtained."""
    mixed = [arm for arm in report.arms if arm.shares]
    if not mixed:
        why = "No mixture was made." if report.arms else "The recipe selects nothing."
        return absent("mixtures", "Mixtures", why)
    rows = [_mixture_row(report, arm) for arm in mixed]
    heads: list[tuple[Child, str]] = [
        ("arm", ""),
        ("selected by", ""),
        ("tokens by source", "wide"),
    ]
    heads += [("tokens", "r"), ("documents", "r"), (term("manifest hash", "manifest"), "")]
    return section(
        "mixtures",
        "Mixtures",
        None,
        source_legend(report),
        table("What each arm trains on", heads, rows, ""),
        _shares_table(report, mixed),
        _shortfalls(mixed),
        _selection_shortfalls(report.arms),
    )


def _mixture_row(report: Report, arm: Arm) -> list[Markup]:
    parts = [
        (
            each.obtained,
            source_color(report, each.source),
            f"{each.source}: {figures.share(each.obtained)}, {figures.grouped(each.tokens)} tokens",
        )
        for each in _ordered(report, arm)
    ]
    label = "; ".join(title for _, _, title in parts)
    return [
        row_head(swatch(arm.name, arm_color(report, arm.name))),
        words(arm.method, "q"),
        words(bar(parts, label), "wide"),
        cell(figures.compact(arm.tokens), sort=arm.tokens),
        count(arm.documents),
        words(arm.manifest_hash[:10], "hash"),
    ]


def _ordered(report: Report, arm: Arm) -> list[MixtureShare]:
    ranked = ranked_sources(report)
    place = {source: number for number, source in enumerate(ranked)}
    return sorted(arm.shares, key=lambda each: (place.get(each.source, len(place)), each.source))


def _shares_table(report: Report, mixed: list[Arm]) -> Markup:
    sources = list(dict.fromkeys(each.source for arm in mixed for each in _ordered(report, arm)))
    ranked = ranked_sources(report)
    sources.sort(key=lambda name: (ranked.index(name) if name in ranked else len(ranked), name))
    found = {(arm.name, each.source): each for arm in mixed for each in arm.shares}
    rows = [
        [
            row_head(swatch(source, source_color(report, source))),
            *(_share_cell(found.get((arm.name, source))) for arm in mixed),
        ]
        for source in sources
    ]
    heads: list[tuple[Child, str]] = [("source", "")]
    heads += [(swatch(arm.name, arm_color(report, arm.name)), "r") for arm in mixed]
    asked = any(_missed(each) for arm in mixed for each in arm.shares)
    repeated = any(each.epochs != 1 for arm in mixed for each in arm.shares)
    caption = "Share of each arm's tokens by source"
    caption += "; in brackets the share asked for, where another came" if asked else ""
    caption += "; × is the number of epochs" if repeated else ""
    return table(caption, heads, rows, "sort" if len(mixed) > 3 else "sort fit")


def _missed(found: MixtureShare) -> bool:
    """Return whether what came differs from what was asked by more than half a point."""
    return found.asked is not None and abs(found.asked - found.obtained) > 0.005


def _share_cell(found: MixtureShare | None) -> Markup:
    if found is None:
        return cell("–", sort=0.0)
    parts: list[Child] = [figures.share(found.obtained)]
    if _missed(found):
        parts.append(tag("span", f" ({figures.share(found.asked or 0.0)})", class_="q"))
    if found.epochs != 1:
        parts.append(tag("span", f" × {figures.plain(found.epochs)}", class_="q"))
    return cell(join(parts), sort=found.obtained, class_="r nb")


def _shortfalls(mixed: list[Arm]) -> Markup | None:
    found = [(arm, each) for arm in mixed for each in arm.shares if each.shortfall]
    if not found:
        return None
    rows = [
        [
            row_head(arm.name),
            words(each.source),
            count(each.shortfall),
            cell(figures.plain(each.epochs), sort=each.epochs),
        ]
        for arm, each in found
    ]
    heads: list[tuple[Child, str]] = [("arm", ""), ("source", "")]
    heads += [("tokens short", "r"), (term("epochs"), "r")]
    caption = join(
        [term("shortfall", "Shortfalls"), ": tokens asked for that a source cannot give"]
    )
    return table(caption, heads, rows, "sort fit")


def _selection_shortfalls(arms: Sequence[Arm]) -> Markup | None:
    found = [(arm, line) for arm in arms for line in arm.shortfalls]
    if not found:
        return None
    rows = [[row_head(arm.name), words(line)] for arm, line in found]
    heads: list[tuple[Child, str]] = [("arm", ""), ("what its selection lacks", "")]
    return table("Selections that took less than they were asked for", heads, rows, "")


def overlap(report: Report) -> Markup:
    """Return how much of each arm's selection every other arm took as well."""
    found = report.overlap
    if found is None or len(found.arms) < 2:
        return absent("overlap", "Overlap", "There are no two selections to set side by side.")
    rows = []
    for place, arm in enumerate(found.arms):
        cells = [
            tag("td", figures.share(part), class_="h", style=f"--v:{part:.3f}")
            if other != place
            else tag("td", "·", class_="r q")
            for other, part in enumerate(found.shares[place])
        ]
        rows.append([row_head(swatch(arm, arm_color(report, arm))), *cells])
    heads: list[tuple[Child, str]] = [("of the tokens of", "")]
    heads += [(swatch(arm, arm_color(report, arm)), "r") for arm in found.arms]
    caption = "Share of the row's tokens in documents that the column's arm took too"
    lead = "Arms that take much the same text cannot differ much in what they teach."
    return section("overlap", "Overlap", lead, table(caption, heads, rows, "heat"))
