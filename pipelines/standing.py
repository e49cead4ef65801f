"""What a contest made, as a leaderboard shows it: places, costs, multipliers; and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curator.engine.driver import Driver
from curator.errors import CuratorError
from curator.ledger import Store, folder_seconds
from curator.report import content as made
from curator.report.standings import Leaderboard, Multiple, Rung, Spent, Standing, placed
from pipelines.entering import Entry
from pipelines.evaluating import HELDOUT
from pipelines.pool import source_counts
from pipelines.pricing import evaluations_of, scoring_of
from pipelines.reporting import (
    arm_of,
    comparison_of,
    curves_of,
    flops_of,
    measures_of,
    proxy_in_words,
)
from pipelines.runs import budget_of
from pipelines.scores import overlap_of
from pipelines.summarizing import summary_of

if TYPE_CHECKING:
    from pipelines.comparing import Evidence
    from pipelines.curate import Curated
    from pipelines.leaderboard import Raced
    from pipelines.mixing import Mixed


def board_of(raced: Raced, store: Store) -> Leaderboard:
    """Return all that the page and the terminal draw of a contest."""
    curated, evidence = raced.made, _evidence(raced)
    shared = raced.contest.shared.model_copy(update={"baseline": evidence.baseline})
    report = made.Report(
        name=", ".join(recipe.name for recipe in raced.contest.recipes),
        headline_metric=evidence.headline,
        sources=_sources(curated),
        arms=tuple(arm_of(entry.name, shared, curated) for entry in raced.contest.entries),
        overlap=overlap_of(curated),
        curves=tuple(curves_of(curated.proxies)),
        measures=tuple(measures_of(evidence)),
        comparison=tuple(comparison_of(evidence)),
        proxy=proxy_in_words(shared, curated.proxies),
        seconds=raced.seconds,
    )
    retention = retention_of(evidence)
    lines = list(_standings(raced, report, retention, store))
    of_base = next(line.spent for line in lines if line.arm == evidence.baseline)
    base = _dearer(of_base, curated.arms[evidence.baseline])
    return Leaderboard(
        report=report,
        standings=tuple(_with_scoring(line, base, curated.arms) for line in lines),
        recipes=tuple(recipe.name for recipe in raced.contest.recipes),
        retention_metric=retention,
        rungs=tuple(Rung(tokens, tuple(values)) for tokens, values in raced.rungs.items()),
        rung_metric=raced.rung_metric,
        notes=raced.plan.notes[: len(raced.contest.notes)],
    )


def _sources(curated: Curated) -> tuple[str, ...]:
    """Return the sources of the pool, those with most documents first: the order of colors."""
    counts = source_counts(curated.pool)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def retention_of(evidence: Evidence) -> str:
    """Return the metric of text held out of the pool's own sources: their mean, or the only one."""
    metrics = list(evidence.bits[evidence.baseline])
    held = [name for name in metrics if name.startswith(f"{HELDOUT}/") and "#" not in name]
    return HELDOUT if HELDOUT in metrics else held[0] if held else ""


def _evidence(raced: Raced) -> Evidence:
    evidence = raced.made.evidence
    assert evidence is not None  # a contest that measured nothing is refused
    return evidence


def _standings(
    raced: Raced, report: made.Report, retention: str, store: Store
) -> Iterator[Standing]:
    """Yield the line of every entry, in the order of entries."""
    evidence = _evidence(raced)
    found = {(line.arm, line.metric): line for line in report.comparison}
    effects = {(arm, metric): effect for arm, metric, effect in evidence.effects}
    headline = evidence.headline
    places = {arm: place for place, arm in placed(report.headline, evidence.baseline)}
    multiples = multiples_of(raced)
    runs: dict[tuple[Path, ...], str] = {}
    for entry in raced.contest.entries:
        name = entry.name
        # A mixture's folder is called by its arm; runs are one where the documents are.
        alike = runs.setdefault(tuple(raced.made.proxies[name]), name)
        effect = effects.get((name, headline))
        spent = _spent(entry, raced, store)
        standing = Standing(
            place=places[name],
            arm=name,
            recipe=entry.origin,
            spent=spent,
            headline=found.get((name, headline)),
            retention=found.get((name, retention)),
            multiple=multiples.get(name),
            alike="" if alike == name else alike,
        )
        known = effect and replace(standing, overlap=effect.overlap, covers=effect.covers)
        yield known or standing


def _with_scoring(standing: Standing, base: float, made: Mapping[str, Mixed]) -> Standing:
    """Return a line whose multiplier knows what scoring makes of its tokens' price, and `base` of
    the baseline's."""
    if standing.multiple is None:
        return standing
    dearer = _dearer(standing.spent, made[standing.arm]) / base
    return replace(standing, multiple=replace(standing.multiple, scoring=dearer))


def _dearer(spent: Spent, arm: Mixed) -> float:
    """Return the price of a selected token over that of training on it alone."""
    if not spent.seconds:
        return 1.0
    a_token = spent.seconds / (spent.allowed * spent.runs)
    chosen = int(arm.selected.summary["tokens"]) * spent.scorings
    return 1 + spent.scoring_seconds / (a_token * chosen)


def _spent(entry: Entry, raced: Raced, store: Store) -> Spent:
    folders = raced.made.proxies[entry.name]
    runs = [json.loads((folder / "run.json").read_text()) for folder in folders]
    recipe, shared = entry.recipe, raced.contest.shared
    measured = evaluations_of(shared, raced.made, folders, store, entry.spec)
    staged = raced.made.staged.get(entry.name)
    scoring = scoring_of(recipe, raced.made, store, raced.contest.train, staged)
    return Spent(
        tokens=int(runs[0]["tokens"]),
        runs=len(runs),
        flops=float(sum(flops_of(run) for run in runs)),
        seconds=sum(float(run["circumstances"]["seconds"]) for run in runs),
        measuring_seconds=sum(map(folder_seconds, measured)),
        scoring_seconds=scoring.seconds,
        scoring_flops=float(scoring.flops),
        scores=tuple(score.name for score in scoring.scores),
        reused=sum(folder in raced.reused for folder in folders),
        budget=budget_of(runs[0]),
        scorings=staged.scorings if staged else 1,
    )


def multiples_of(raced: Raced) -> dict[str, Multiple]:
    """Return the compute multiplier of every arm, none where the baseline has one budget."""
    from curator.laws.multiplier import Point, compute_multiplier

    if len(raced.rungs) < 2:
        return {}
    evidence, seeds = _evidence(raced), raced.contest.train.seeds

    def points(budget: int, values: Sequence[float]) -> list[Point]:
        return [Point(float(budget), v, seed) for seed, v in zip(seeds, values, strict=True)]

    base = [point for budget, values in raced.rungs.items() for point in points(budget, values)]
    found = {}
    for name in evidence.bits:
        if name == evidence.baseline:
            continue
        arm = points(raced.contest.train.tokens, evidence.bits[name][raced.rung_metric])
        try:
            one = compute_multiplier(base, arm)
        except CuratorError as error:  # the baseline's curve cannot be fitted: said, not fatal
            found[name] = Multiple(None, 0.0, float("inf"), "inside", error.message)
            continue
        found[name] = Multiple(one.value, one.low, one.high, one.where, one.note)
    return found


def ranked(raced: Raced, board: Leaderboard, out: Path) -> dict[str, Any]:
    """Return the `--json` object: what was compared, the lines in order, every metric."""
    recipes = [{"name": r.name, "digest": r.digest} for r in raced.contest.recipes]
    lines = sorted(board.standings, key=lambda each: (each.place, each.arm))
    return {
        "out": str(out),
        "page": str(out / "leaderboard.html"),
        "recipes": recipes,
        "baseline": board.report.baseline,
        "headline": board.target_metric,
        "retention": board.retention_metric,
        "plan": raced.plan.summary,
        "seconds": raced.seconds,
        "arms": [_line(each, raced, board) for each in lines],
        "comparison": [asdict(line) for line in board.report.comparison],
        "rungs": {
            "metric": board.rung_metric,
            "budgets": {r.tokens: r.values for r in board.rungs},
        },
        "overlap": _overlap(board.report.overlap),
        "notes": list(board.notes),
    }


def _line(each: Standing, raced: Raced, board: Leaderboard) -> dict[str, Any]:
    arm = board.arm(each.arm)
    evaluation = _evidence(raced).bits[each.arm]
    return {
        "place": each.place,
        "arm": each.arm,
        "recipe": each.recipe,
        "method": arm.method,
        "baseline": arm.baseline,
        "headline": each.headline and asdict(each.headline),
        "retention": each.retention and asdict(each.retention),
        "warning": each.warning,
        "overlap": each.overlap,
        "covers": each.covers,
        "multiplier": each.multiple and _finite(asdict(each.multiple)),
        "multiplier_paid": each.multiple and _finite(asdict(each.multiple.paid)),
        "cost": {**asdict(each.spent), "hours": each.spent.hours},
        "selection": {
            "manifest_hash": arm.manifest_hash,
            "tokens": arm.tokens,
            "documents": arm.documents,
            "sources": {share.source: share.obtained for share in arm.shares},
        },
        "same_mixture_as": each.alike,
        "evaluation": {metric: list(values) for metric, values in evaluation.items()},
        "proxies": [str(folder) for folder in raced.made.proxies[each.arm]],
    }


def _finite(content: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with None for infinity, which JSON cannot say."""
    return {key: None if value == float("inf") else value for key, value in content.items()}


def _overlap(found: made.Overlap | None) -> dict[str, Mapping[str, float]]:
    if found is None:
        return {}
    return {
        arm: dict(zip(found.arms, shares, strict=True))
        for arm, shares in zip(found.arms, found.shares, strict=True)
    }


def run_of(raced: Raced, driver: Driver, out: Path) -> dict[str, Any]:
    """Return the record of the contest as a run: what other commands and `curator gc` read."""
    evidence = _evidence(raced)
    shared = raced.contest.shared.model_copy(update={"baseline": evidence.baseline})
    return {
        **summary_of(shared, raced.made, out),
        "report": str(out / "leaderboard.html"),
        "store": str(driver.store.root),
        "seconds": raced.seconds,
        "recipe_content": shared.model_dump(mode="json"),
        "leaderboard": [recipe.name for recipe in raced.contest.recipes],
        "stands_on": {
            "artifacts": [path.stem for path in driver.artifacts.values()],
            "folders": [str(folder) for folder in driver.folders],
        },
    }
