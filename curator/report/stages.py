"""The section on arms that chose while they trained: what each stage took, how its probes moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING

from markupsafe import Markup

from curator.report import figures
from curator.report.markup import Child
from curator.report.tables import arm_color, cell, count, row_head, section, swatch, table, words
from curator.report.visible import one_line

if TYPE_CHECKING:
    from curator.report.content import Report

_MOST_SOURCES = 3  # those with most tokens; the mixtures have a section of their own


@dataclass(frozen=True)
class StageLine:
    """One stage of one run of an arm.

    Attributes:
        arm: its name.
        seed: of the run.
        stage: from 1; 0: the warm-up, whose documents are random.
        before: steps done when it began.
        documents: that it selected.
        tokens: in them.
        sources: shares of the tokens, in [0, 1].
        kept: share of the tokens that the stage before had selected too; None: there is none.
        drift: rank correlation of its probe with the first stage's, on documents both probed.
        probed: how many those are.
        reliability: of its probe: rank correlation of what two halves of the target say.
    """

    arm: str
    seed: int
    stage: int
    before: int
    documents: int
    tokens: int
    sources: Mapping[str, float] = field(default_factory=dict)
    kept: float | None = None
    drift: float | None = None
    probed: int = 0
    reliability: float | None = None


def stages(report: Report) -> Markup:
    """Return the table of all stages, each a mean over the runs of its arm."""
    lead = (
        "What each stage selected, as means over the runs of an arm. Agreement is the rank "
        "correlation of a stage's probe with the first one's, on documents that both probed: "
        "preferences have moved where it lies clearly below the reliability of a probe, the "
        "correlation of what two halves of the target say."
    )
    by_stage: dict[tuple[str, int], list[StageLine]] = {}
    for line in report.staged:
        by_stage.setdefault((line.arm, line.stage), []).append(line)
    heads: list[tuple[Child, str]] = [("arm", ""), ("stage", "r"), ("steps before", "r")]
    heads += [("documents", "r"), ("tokens", "r"), ("also in the stage before", "r")]
    heads += [("agreement", "r"), ("reliability", "r"), ("most of it from", "")]
    rows = [
        [row_head(swatch(arm, arm_color(report, arm))), *_row(lines)]
        for (arm, _), lines in by_stage.items()
    ]
    return section("stages", "Stages", lead, table("Stages", heads, rows, "fit"))


def _row(lines: Sequence[StageLine]) -> list[Markup]:
    one = lines[0]
    return [
        cell("warm-up" if one.stage == 0 else str(one.stage), sort=one.stage),
        count(one.before),
        count(round(mean(line.documents for line in lines))),
        count(round(mean(line.tokens for line in lines))),
        _mean([line.kept for line in lines], figures.share),
        _mean([line.drift for line in lines], lambda value: f"{value:.2f}"),
        _mean([line.reliability for line in lines], lambda value: f"{value:.2f}"),
        words(_sources(lines), "q"),
    ]


def _mean(values: Sequence[float | None], shown: Callable[[float], str]) -> Markup:
    known = [value for value in values if value is not None]
    return cell(shown(mean(known)), sort=mean(known)) if known else cell("–", sort=0.0)


def _sources(lines: Sequence[StageLine]) -> str:
    names = sorted({name for line in lines for name in line.sources})
    shares = {name: mean(line.sources.get(name, 0.0) for line in lines) for name in names}
    most = sorted(names, key=lambda name: (-shares[name], name))[:_MOST_SOURCES]
    return ", ".join(f"{one_line(name, 32)} {figures.share(shares[name])}" for name in most)
