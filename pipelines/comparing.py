"""Proxies become evidence: what each got on text that none saw, paired by seed, with verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curator.arm_spec import ArmSpec
from curator.engine.driver import Driver
from curator.engine.progress import StepProgress
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import Recipe, suggestion
from curator.shards import Shard, write_atomically
from pipelines.evaluating import (
    HELDOUT,
    EvaluateJob,
    at_chance,
    job_of,
    metrics_of,
    run_evaluate,
    sets_of,
    texts_of,
)
from pipelines.runs import budget_of, proxy_called, seed_of
from pipelines.splitting import Benchmark
from pipelines.tokenizing import Tokens

if TYPE_CHECKING:
    from curator.evaluate.statistics import Measurement

OPENED = "final_targets.json"


@dataclass(frozen=True)
class Evidence:
    """What was measured and what it says.

    `bits` is arm -> metric -> one value a seed, in the metric's unit; `effects` has one row an arm
    and metric; `headline` is the metric that leads: the final target if there is one, else the
    mean over held-out sources, else the first;
    `texts` names what each metric was measured on, so that runs can be compared with each other;
    `chance` is arm -> metrics that it does not lift above chance.
    """

    baseline: str
    headline: str
    seeds: tuple[int, ...]
    bits: Mapping[str, Mapping[str, list[float]]]
    effects: tuple[tuple[str, str, Any], ...]
    texts: Mapping[str, str]
    chance: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def at_chance(self, arm: str, metric: str) -> bool:
        """Return whether neither an arm nor the baseline lifts a metric above chance."""
        return all(metric in self.chance.get(name, ()) for name in (arm, self.baseline))


def compare_arms(
    recipe: Recipe,
    proxies: Mapping[str, list[Path]],
    benchmarks: Mapping[str, Benchmark],
    heldout: Shard | None,
    tokens: Tokens,
    driver: Driver,
    arms: Mapping[str, ArmSpec] | None = None,
) -> Evidence | None:
    """Return the comparison of all arms with the baseline, None where nothing was measured.

    `arms` says how each is asked, where it is not one of the recipe's own.
    """
    if not proxies or recipe.evaluate is None or recipe.train is None:
        return None
    sets = sets_of(recipe, benchmarks, heldout)
    if not sets and recipe.evaluate.samples is None:
        return None
    jobs = {
        arm: [
            job_of(run, (arms or recipe.arms).get(arm), sets, recipe, tokens.path, driver.store)
            for run in runs
        ]
        for arm, runs in proxies.items()
    }
    every = {job.folder: job for each in jobs.values() for job in each}  # arms can share a run
    todo = [job for folder, job in every.items() if not Store.whole(folder)]
    with StepProgress("evaluate", len(todo), quiet=driver.quiet, unit="proxies") as progress:
        for _ in driver.engine.map(run_evaluate, todo):
            progress.advance(1, 0, {})
    driver.folders |= dict.fromkeys(every)
    _record_opening(recipe, driver.store)
    measured = {arm: _measurements(each, tokens) for arm, each in jobs.items()}
    baseline = recipe.baseline or next(iter(proxies))
    if not measured[baseline]:
        return None
    bits = {
        arm: {metric: [one.value for one in values] for metric, values in metrics.items()}
        for arm, metrics in measured.items()
    }
    return Evidence(
        baseline,
        headline_of(recipe.evaluate.final_target, list(measured[baseline])),
        tuple(recipe.train.seeds),
        bits,
        _effects(measured, baseline),
        texts_of(sets, list(measured[baseline]), recipe.evaluate.samples),
        {arm: at_chance([job.folder for job in each], sets) for arm, each in jobs.items()},
    )


def headline_of(final_target: str | None, metrics: Sequence[str]) -> str:
    """Return the metric that leads a report.

    Raises:
        RecipeError: the final target was not measured; another metric in its place would be read
            as it.
    """
    if final_target is not None:
        if final_target not in metrics:
            told = suggestion(final_target, metrics)
            raise RecipeError(f"evaluate.final_target: {final_target!r} was not measured{told}")
        return final_target
    return HELDOUT if HELDOUT in metrics else metrics[0]


def _measurements(jobs: Sequence[EvaluateJob], tokens: Tokens) -> dict[str, list[Measurement]]:
    """Return metric -> one measurement a seed; `heldout` is the mean over its sources."""
    from curator.evaluate.statistics import Measurement

    found: dict[str, list[Measurement]] = {}
    for job in jobs:
        run = json.loads((job.run / "run.json").read_text())
        metrics = metrics_of(job.folder, job.sets)
        texts = texts_of(job.sets, list(metrics), job.samples)
        for metric, value in metrics.items():
            measurement = Measurement(
                seed=seed_of(run),
                value=value,
                tokens=budget_of(run),
                tokenizer=tokens.digest,
                evaluation=texts[metric],
                precision=run["precision"],
                proxy=proxy_called(run),
                status=run["status"],
                window=window_of(run),
            )
            found.setdefault(metric, []).append(measurement)
    return found


def window_of(run: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the part of its mixture that a run read, None if its record does not say."""
    found = run.get("window")
    return None if found is None else (float(found[0]), float(found[1]))


def _effects(
    measured: Mapping[str, Mapping[str, list[Measurement]]], baseline: str
) -> tuple[tuple[str, str, Any], ...]:
    """Return (arm, metric, effect) for every arm but the baseline; needs two seeds or more.

    Several arms on one metric are several chances to be lucky: their verdicts are adjusted (Holm).
    """
    from curator.evaluate.metrics import kind_of
    from curator.evaluate.statistics import compare_all

    rows = []
    for metric, base in measured[baseline].items():
        if len(base) > 1:
            arms = {arm: metrics[metric] for arm, metrics in measured.items()}
            effects = compare_all(arms, baseline, kind_of(metric))
            rows += [(arm, metric, effect) for arm, effect in effects.items()]
    return tuple(rows)


def _record_opening(recipe: Recipe, store: Store) -> None:
    """Write down that a final target was looked at, and by which recipe: it counts only once."""
    assert recipe.evaluate is not None
    if recipe.evaluate.final_target is None:
        return
    path = store.root / OPENED
    opened = json.loads(path.read_text()) if path.exists() else {}
    recipes = opened.setdefault(recipe.evaluate.final_target, [])
    if recipe.digest not in recipes:
        recipes.append(recipe.digest)
        write_atomically(path, json.dumps(opened, indent=1).encode())
