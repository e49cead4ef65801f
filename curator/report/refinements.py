"""The section on refined arms: what each entry made, what it left alone and why, with examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from markupsafe import Markup

from curator.report.figures import share
from curator.report.markup import Child, block, tag
from curator.report.tables import (
    arm_color,
    cell,
    count,
    folded,
    row_head,
    section,
    swatch,
    table,
    words,
)
from curator.report.visible import one_line

if TYPE_CHECKING:
    from curator.report.content import Report

_MOST_REASONS = 3  # those with most documents; the run's record has all


@dataclass(frozen=True)
class RefinementLine:
    """What one entry of an arm's `refine` did.

    Attributes:
        arm: its name.
        name: of the entry.
        use: its refiner.
        documents: that it was given.
        refined: of these, those of which something was made.
        children: documents that were made.
        dropped: documents of which nothing is left.
        characters_in: of all that it was given.
        characters_out: of all that it left, originals beside new ones included.
        reasons: why less was made of documents than was asked, each with how many.
        examples: pairs of texts, before and after, cut.
    """

    arm: str
    name: str
    use: str
    documents: int
    refined: int
    children: int
    dropped: int
    characters_in: int
    characters_out: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[tuple[str, str], ...] = ()


def refinements(report: Report) -> Markup:
    """Return the table of all entries of all refined arms, and a few texts before and after."""
    lead = (
        "What became of each arm's selection before it was mixed. A document of which nothing was "
        "made stays as it was unless it is counted as dropped; every new one names its parents."
    )
    heads: list[tuple[Child, str]] = [("arm", ""), ("entry", ""), ("refiner", "")]
    heads += [("documents", "r"), ("refined", "r"), ("new", "r"), ("dropped", "r")]
    heads += [("text after", "r"), ("why less than asked", "")]
    rows = [
        [row_head(swatch(line.arm, arm_color(report, line.arm))), *_row(line)]
        for line in report.refined
    ]
    shown = [_examples(line) for line in report.refined if line.examples]
    return section("refined", "Refined", lead, table("Refined", heads, rows, "fit"), *shown)


def _row(line: RefinementLine) -> list[Markup]:
    part = line.refined / max(1, line.documents)
    grown = line.characters_out / max(1, line.characters_in)
    return [
        words(one_line(line.name, 48)),
        words(one_line(line.use, 48), "q"),
        count(line.documents),
        cell(share(part), sort=part),
        count(line.children),
        count(line.dropped),
        cell(f"{100 * grown:.1f} %", sort=grown),
        words(_reasons(line.reasons), "q"),
    ]


def _reasons(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    told = [f"{one_line(reason, 48)} {n:,}" for reason, n in most[:_MOST_REASONS]]
    more = sum(n for _, n in most[_MOST_REASONS:])
    return ", ".join([*told, *([f"others {more:,}"] if more else [])])


def _examples(line: RefinementLine) -> Markup:
    pairs: list[Markup] = []
    for before, after in line.examples:
        pairs += [tag("p", "before"), block(before), tag("p", "after"), block(after)]
    head = f"{one_line(line.arm, 48)}: what {one_line(line.name, 48)} made"
    return folded(head, tag("div", *pairs, class_="excerpt"))
