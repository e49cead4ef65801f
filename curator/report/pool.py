"""The sections that say what became of the documents: funnel, drops, quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from curator.report import figures
from curator.report.content import Arm, Drop, Report, StageCount
from curator.report.markup import Child, join, tag
from curator.report.tables import (
    absent,
    bar,
    cell,
    count,
    excerpt,
    folded,
    meter,
    ranked_sources,
    row_head,
    section,
    source_color,
    source_legend,
    table,
    term,
    words,
)
from curator.report.visible import one_line

SHOWN = 12  # rows of a list before the rest is folded away


def funnel(report: Report) -> Markup:
    """Return how many documents are alive after each stage, by source, and what each cost."""
    if not report.stages:
        return absent("funnel", "Funnel", "No stage has run.")
    read = report.stages[0].rows_in
    steps = [stage for stage in report.stages if stage.rows_out != stage.rows_in]
    if report.stages[0] not in steps:
        steps.insert(0, report.stages[0])
    last = report.stages[-1]
    if last not in steps and last.tokens is not None:
        steps.append(replace(last, name="pool"))  # here the tokens are known
    sized = any(stage.text_bytes is not None for stage in steps)
    counted = any(stage.tokens is not None for stage in steps)
    heads: list[tuple[Child, str]] = [("after stage", ""), ("alive, of all records read", "wide")]
    heads += [("documents", "r"), ("of before", "r")]
    heads += [("text", "r")] if sized else []
    heads += [("tokens", "r")] if counted else []
    rows = [_funnel_row(report, stage, read, sized=sized, counted=counted) for stage in steps]
    rows += [
        _funnel_row(report, _as_stage(arm, report), read, sized=sized, counted=counted)
        for arm in report.arms
    ]
    caption = "Documents alive after each stage that dropped any; hatched: gone"
    return section(
        "funnel",
        "Funnel",
        None,
        _conservation(report),
        source_legend(report),
        table(caption, heads, rows, ""),
        _survival(report, steps),
        folded("Every stage: rows, time, artifacts", _stage_table(report)),
    )


def _funnel_row(
    report: Report, stage: StageCount, read: int, *, sized: bool, counted: bool
) -> list[Markup]:
    whole = read or 1
    by_source = dict(stage.sources) or {"": stage.rows_out}
    order = [source for source in ranked_sources(report) if source in by_source]
    order += sorted(by_source.keys() - set(order))
    parts = [
        (
            by_source[source] / whole,
            source_color(report, source) if source else "var(--a1)",
            f"{source or 'documents'}: {figures.grouped(by_source[source])}",
        )
        for source in order
    ]
    alive = stage.rows_out / whole
    label = f"{figures.share(alive)} of all records read are alive after {stage.name}"
    row = [
        row_head(stage.name),
        words(bar(parts, label, max(0.0, 1 - alive)), "wide"),
        count(stage.rows_out),
        cell(figures.share(stage.rows_out, stage.rows_in), class_="r q"),
    ]
    if sized:
        size = "–" if stage.text_bytes is None else figures.size(stage.text_bytes)
        row.append(cell(size, class_="r nb"))
    if counted:
        row.append(cell("–" if stage.tokens is None else figures.compact(stage.tokens)))
    return row


def _as_stage(arm: Arm, report: Report) -> StageCount:
    """Return an arm's selection as the last step of the funnel."""
    return StageCount(
        f"selected: {arm.name}",
        report.stages[-1].rows_out,
        arm.documents,
        sources={each.source: each.documents for each in arm.shares},
        tokens=arm.tokens,
    )


def _conservation(report: Report) -> Markup:
    read, kept, dropped, quarantined, missing = report.conservation()
    broken = [stage.name for stage in report.stages if stage.missing]
    if missing or broken:
        place = f" (stages: {', '.join(broken)})" if broken else ""
        verdict = tag("span", f"✗ {missing:+,} do not add up{place}", class_="badge worse")
    else:
        verdict = tag("span", "✓ adds up", class_="badge better")
    sentence = join(
        [
            tag("b", figures.grouped(read)),
            " records read = ",
            tag("b", figures.grouped(kept)),
            " kept + ",
            tag("b", figures.grouped(dropped)),
            " dropped + ",
            tag("b", figures.grouped(quarantined)),
            " ",
            term("quarantined"),
            "  ",
            verdict,
        ]
    )
    return tag("p", sentence, class_="conserve")


def _survival(report: Report, steps: Sequence[StageCount]) -> Markup | None:
    """Return, source by source, the share of its first documents alive after each stage."""
    known = [stage for stage in steps if stage.sources]
    if len(known) < 2:
        return None
    first = known[0].sources
    rows = []
    for source in (name for name in ranked_sources(report) if name in first):
        alive = [stage.sources.get(source, 0) / (first[source] or 1) for stage in known]
        cells = [
            tag("td", figures.share(part), class_="h", style=f"--v:{1 - part:.3f}")
            for part in alive[1:]
        ]
        rows.append([row_head(source), count(first[source]), *cells])
    heads: list[tuple[Child, str]] = [("source", ""), (f"after {known[0].name}", "r")]
    heads += [(stage.name, "r") for stage in known[1:]]
    caption = (
        f"Share of each source's documents (as of {known[0].name}) still alive; stronger: more lost"
    )
    return table(caption, heads, rows, "heat" if len(known) > 4 else "heat fit")


def _stage_table(report: Report) -> Markup:
    rows = [
        [
            row_head(stage.name),
            count(stage.rows_in),
            count(stage.rows_out),
            count(sum(stage.dropped.values())),
            count(sum(stage.quarantined.values())),
            cell("reused" if stage.cached else figures.duration(stage.seconds), class_="r nb"),
            words(stage.artifact[:12], "hash"),
        ]
        for stage in report.stages
    ]
    heads: list[tuple[Child, str]] = [("stage", ""), ("in", "r"), ("out", "r"), ("dropped", "r")]
    heads += [("quarantined", "r"), ("time", "r"), ("artifact", "")]
    return table("In = out + dropped + quarantined, for every stage", heads, rows, "")


def drops(report: Report) -> Markup:
    """Return what was dropped by which rule, with documents to judge the rule by."""
    told = {(drop.stage, drop.reason): drop for drop in report.drops}
    counted = {
        (stage.name, reason): (number, stage.rows_in)
        for stage in report.stages
        for reason, number in stage.dropped.items()
        if number
    }
    for key, drop in told.items():
        counted.setdefault(key, (drop.documents, 0))
    if not counted:
        return absent("drops", "Drops by reason", "No document was dropped.")
    ordered = sorted(counted, key=lambda key: (-counted[key][0], key))
    most = counted[ordered[0]][0]
    rows = [_drop_row(key, *counted[key], most, told.get(key)) for key in ordered]
    heads: list[tuple[Child, str]] = [("reason", ""), ("documents", "r")]
    heads += [("of stage's input", "r"), ("", ""), ("stage", ""), ("rule", "")]
    shown = [told[key] for key in ordered if key in told and told[key].excerpts]
    total = sum(number for number, _ in counted.values())
    lead = join(
        [
            f"{figures.counted(total, 'document')} left the pool for "
            f"{figures.counted(len(ordered), 'reason')}; the first rule that fails is the reason. "
            "They stay inspectable: ",
            tag("code", "curator show --rejected REASON", class_="nb"),
        ]
    )
    return section(
        "drops",
        "Drops by reason",
        lead,
        _listed("Documents dropped, by stage and reason", heads, rows),
        tag("h3", "Dropped documents, to judge the rules by") if shown else None,
        *(_shown_drop(drop) for drop in shown),
    )


def _drop_row(
    key: tuple[str, str], number: int, rows_in: int, most: int, drop: Drop | None
) -> list[Markup]:
    return [
        row_head(key[1]),
        count(number),
        cell(figures.share(number, rows_in), sort=number / rows_in if rows_in else 0.0),
        words(meter(number, most)),
        words(key[0], "q nb"),
        words(tag("code", drop.rule) if drop and drop.rule else ""),
    ]


def _shown_drop(drop: Drop) -> Markup:
    head = join(
        [tag("b", drop.reason), tag("span", f" {drop.stage}, {drop.documents:,}", class_="q")]
    )
    return folded(head, *(excerpt(each) for each in drop.excerpts[:3]))


def _listed(caption: str, heads: list[tuple[Child, str]], rows: list[list[Markup]]) -> Markup:
    """Return a table whose first rows stand open and whose rest is folded."""
    if len(rows) <= SHOWN + 2:
        return table(caption, heads, rows)
    rest = table(f"{caption}, continued", heads, rows[SHOWN:])
    return join([table(caption, heads, rows[:SHOWN]), folded(f"{len(rows) - SHOWN} more", rest)])


def quarantine(report: Report) -> Markup:
    """Return the records that could not be read, with their places."""
    if not report.quarantined:
        number = report.conservation()[3]
        why = (
            f"{figures.grouped(number)} records were set aside; the stages' records list them."
            if number
            else "Every record could be read."
        )
        return absent("quarantine", "Quarantined records", why)
    rows = [
        [
            row_head(each.reason),
            count(each.records),
            words(each.source),
            words(tag("span", one_line(each.place, 100), class_="hash")),
            words(one_line(each.error, 160), "q error"),
        ]
        for each in report.quarantined
    ]
    heads: list[tuple[Child, str]] = [("reason", ""), ("records", "r"), ("source", "")]
    heads += [("place", ""), ("error", "")]
    lead = "Records that could not be read, set aside with their error; good ones beside them stay."
    return section(
        "quarantine", "Quarantined records", lead, _listed("Quarantined records", heads, rows)
    )
