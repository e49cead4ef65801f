"""The sections that say what was near-copies or stood in benchmarks, with the words to judge by."""

from __future__ import annotations

from markupsafe import Markup

from curator.report import figures
from curator.report.content import Cluster, Contamination, Match, Report
from curator.report.markup import Child, join, tag
from curator.report.tables import (
    absent,
    cell,
    count,
    excerpt,
    folded,
    meter,
    row_head,
    section,
    table,
    words,
)
from curator.report.visible import one_line, shortened

SHOWN = 12  # clusters


def duplicates(report: Report) -> Markup:
    """Return what deduplication took from each source, and the largest clusters."""
    if not report.losses and not report.clusters:
        return absent("duplicates", "Duplicates", "No near-copies were found or looked for.")
    lost = sorted(report.losses, key=lambda loss: -loss.dropped / (loss.documents or 1))
    rows = [
        [
            row_head(loss.source),
            words(meter(loss.dropped, loss.documents), "wide"),
            cell(
                figures.share(loss.dropped, loss.documents),
                sort=loss.dropped / (loss.documents or 1),
            ),
            count(loss.dropped),
            count(loss.documents),
        ]
        for loss in lost
    ]
    heads: list[tuple[Child, str]] = [("source", ""), ("", "wide"), ("lost", "r")]
    heads += [("dropped", "r"), ("of documents", "r")]
    clusters = sorted(
        report.clusters, key=lambda cluster: (-cluster.documents, cluster.kept.doc_id)
    )
    return section(
        "duplicates",
        "Duplicates",
        "What deduplication took from each source; mixtures should be read with this in mind.",
        table("Documents dropped as copies, by source", heads, rows) if rows else None,
        tag("h3", "Largest clusters") if clusters else None,
        *(_cluster(each) for each in clusters[:SHOWN]),
    )


def _cluster(cluster: Cluster) -> Markup:
    made_of = ", ".join(
        f"{source} {number:,}" for source, number in sorted(cluster.sources.items())
    )
    start = one_line(cluster.kept.text, 80)
    head = join(
        [
            tag("b", f"{cluster.documents:,} documents"),
            tag("span", f" {cluster.kind} · {made_of} · ", class_="q"),
            start,
        ]
    )
    return folded(head, tag("p", "The kept one:", class_="q"), excerpt(cluster.kept))


_HAPPENED = {
    "document": "Documents that repeat an entry of a benchmark leave the pool.",
    "span": "What repeats an entry of a benchmark was cut out of its document.",
    "report": "Documents that repeat an entry of a benchmark were NOT taken out of the pool: the "
    "recipe asked for this report only.",
}


def contamination(report: Report) -> Markup:
    """Return what the pool shares with each benchmark, and the words that matched."""
    if not report.contamination:
        why = "The recipe names no benchmark to keep out of the pool."
        return absent("contamination", "Contamination", why)
    rows = [
        [
            row_head(each.benchmark),
            count(each.entries),
            *(count(each.guarded.get(name, 0)) for name, _ in _GUARDED),
            count(each.entries_matched),
            cell(figures.share(each.entries_matched, each.entries)),
            count(each.documents),
        ]
        for each in report.contamination
    ]
    heads: list[tuple[Child, str]] = [("benchmark", ""), ("entries", "r")]
    heads += [(told, "r") for _, told in _GUARDED]
    heads += [("found in pool", "r"), ("share", "r"), ("documents", "r")]
    caption = "How entries are looked for, and how many were found in the pool"
    return section(
        "contamination",
        "Contamination",
        _HAPPENED.get(report.contamination[0].action, ""),
        table(caption, heads, rows, "sort fit"),
        _found_in(report),
        *(_matches(each) for each in report.contamination if each.matches),
    )


_GUARDED = (
    ("by_ngrams", "by n-grams"),
    ("as_run", "as a whole"),
    ("as_document", "only alone"),
    ("unguarded", "not at all"),
)


def _found_in(report: Report) -> Markup | None:
    """Return which source holds how much of which benchmark; None where nothing was found."""
    rows = [
        [
            row_head(held.source),
            words(each.benchmark),
            count(held.entries),
            cell(figures.share(held.entries, each.entries)),
            count(held.documents),
            words("too many" if held.too_many else ""),
        ]
        for each in report.contamination
        for held in each.sources
    ]
    heads: list[tuple[Child, str]] = [("source", ""), ("benchmark", ""), ("entries found", "r")]
    heads += [("share of entries", "r"), ("documents", "r"), ("", "")]
    return table("Where they were found", heads, rows, "sort fit") if rows else None


def _matches(found: Contamination) -> Markup:
    return folded(f"Matches with {found.benchmark}", *(_match(each) for each in found.matches[:8]))


def _match(match: Match) -> Markup:
    place = f"{match.source} · {match.doc_id[:12]} · entry {one_line(match.entry, 60)}"
    if match.overlap is not None:
        place += f" · {figures.share(match.overlap)} of its words"
    if match.words is not None:
        place += f" · {match.words:,} words"
    span = tag("pre", shortened(match.span, 400))
    return tag("div", tag("p", place, class_="q"), span, class_="excerpt")
