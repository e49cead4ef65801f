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


def contamination(report: Report) -> Markup:
    """Return what the pool shares with each benchmark, and the words that matched."""
    if not report.contamination:
        why = "The recipe names no benchmark to keep out of the pool."
        return absent("contamination", "Contamination", why)
    rows = [
        [
            row_head(each.benchmark),
            count(each.entries),
            count(each.entries_matched),
            cell(figures.share(each.entries_matched, each.entries)),
            count(each.documents),
        ]
        for each in report.contamination
    ]
    heads: list[tuple[Child, str]] = [("benchmark", ""), ("entries", "r"), ("found in pool", "r")]
    heads += [("share", "r"), ("documents dropped", "r")]
    caption = "Benchmark entries found in the pool before it was cleaned of them"
    return section(
        "contamination",
        "Contamination",
        "Documents that share long runs of words with a benchmark leave the pool.",
        table(caption, heads, rows, "sort fit"),
        *(_matches(each) for each in report.contamination if each.matches),
    )


def _matches(found: Contamination) -> Markup:
    return folded(f"Matches with {found.benchmark}", *(_match(each) for each in found.matches[:8]))


def _match(match: Match) -> Markup:
    place = f"{match.source} · {match.doc_id[:12]} · entry {one_line(match.entry, 60)}"
    if match.overlap is not None:
        place += f" · {figures.share(match.overlap)} of its n-grams"
    span = tag("pre", shortened(match.span, 400))
    return tag("div", tag("p", place, class_="q"), span, class_="excerpt")
