"""Proxies become evidence: bits per byte on text that none saw, paired by seed, with verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.driver import Driver
from curator.engine.progress import StepProgress
from curator.evaluate import VERSION
from curator.identity import fingerprint
from curator.ledger import Store, folder_digest
from curator.recipe import Recipe
from curator.shards import Shard, read_shard, write_atomically, write_shard
from curator.stage import library_versions
from pipelines.splitting import Benchmark
from pipelines.tokenizing import Tokens
from pipelines.training import TOKENIZER, WEIGHTS, proxy_called

if TYPE_CHECKING:
    from curator.evaluate.statistics import Measurement

EVALUATION = "evaluation"
HELDOUT = "heldout"
OPENED = "final_targets.json"
Sets = tuple[tuple[str, Shard, tuple[str, ...]], ...]  # name, documents, sources (all if empty)


@dataclass(frozen=True)
class EvaluateJob:
    """Measure one proxy on every set of texts."""

    run: Path
    sets: Sets
    tokenizer: Path
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"evaluation of {self.run.name}"

    @property
    def identity(self) -> dict[str, Any]:
        """Return what names the evaluation."""
        sets = [[name, shard.digest, list(sources)] for name, shard, sources in self.sets]
        return {
            "version": VERSION,
            "libraries": library_versions(("torch", "tokenizers")),
            "run": folder_digest(self.run, (WEIGHTS, TOKENIZER)),
            "sets": sets,
        }

    @property
    def folder(self) -> Path:
        """Where the result lies."""
        return self.store.folder_path(EVALUATION, self.identity)


@dataclass(frozen=True)
class Evidence:
    """What was measured and what it says.

    `bits` is arm -> metric -> one value a seed, bits per byte (lower is better); `effects` has one
    row an arm and metric; `headline` is the metric that leads: the final target if there is one,
    else the mean over held-out sources, else the first;
    `texts` names what each metric was measured on, so that runs can be compared with each other.
    """

    baseline: str
    headline: str
    seeds: tuple[int, ...]
    bits: Mapping[str, Mapping[str, list[float]]]
    effects: tuple[tuple[str, str, Any], ...]
    texts: Mapping[str, str]


def run_evaluate(job: EvaluateJob) -> Path:
    """Write bits and bytes of every document of every set, and return the folder."""
    from curator.evaluate.bits import bits_per_byte

    def make(out: Path) -> None:
        for number, (_, shard, sources) in enumerate(job.sets):
            texts = read_shard(shard, ("doc_id", "source", "text"))
            if sources:
                texts = texts.filter(pc.is_in(texts["source"], pa.array(sources)))
            measured = bits_per_byte(job.run, texts, job.tokenizer)
            write_shard(measured, out / f"bits-{number}.arrow", name=f"bits-{number}")

    return job.store.folder(EVALUATION, job.identity, make)


def compare_arms(
    recipe: Recipe,
    proxies: Mapping[str, list[Path]],
    benchmarks: Mapping[str, Benchmark],
    heldout: Shard | None,
    tokens: Tokens,
    driver: Driver,
) -> Evidence | None:
    """Return the comparison of all arms with the baseline, None where nothing was measured."""
    if not proxies or recipe.evaluate is None or recipe.train is None:
        return None
    sets = _sets(recipe, benchmarks, heldout)
    if not sets:
        return None
    jobs = {
        arm: [EvaluateJob(run, sets, tokens.path, driver.store) for run in runs]
        for arm, runs in proxies.items()
    }
    every = {job.folder: job for each in jobs.values() for job in each}  # arms can share a run
    todo = [job for folder, job in every.items() if not Store.whole(folder)]
    with StepProgress("evaluate", len(todo), quiet=driver.quiet, unit="proxies") as progress:
        for _ in driver.engine.map(run_evaluate, todo):
            progress.advance(1, 0, {})
    driver.folders |= dict.fromkeys(every)
    _record_opening(recipe, driver.store)
    measured = {arm: _measurements(each, sets, tokens) for arm, each in jobs.items()}
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
        _texts(sets),
    )


def headline_of(final_target: str | None, metrics: Sequence[str]) -> str:
    """Return the metric that leads a report."""
    if final_target is not None and final_target in metrics:
        return final_target
    return HELDOUT if HELDOUT in metrics else metrics[0]


def _sets(recipe: Recipe, benchmarks: Mapping[str, Benchmark], heldout: Shard | None) -> Sets:
    """Return every set of texts that the recipe evaluates on: name, documents, sources."""
    wanted = recipe.evaluate
    assert wanted is not None
    names = [*wanted.benchmarks, *([wanted.final_target] if wanted.final_target else [])]
    sets = [(name, benchmarks[name].items, ()) for name in dict.fromkeys(names)]
    if heldout is None:
        return tuple(sets)
    held = [(f"{HELDOUT}/{source}", heldout, (source,)) for source in wanted.heldout]
    return (*held, *sets)


def _measurements(
    jobs: list[EvaluateJob], sets: Sets, tokens: Tokens
) -> dict[str, list[Measurement]]:
    """Return metric -> one measurement a seed; `heldout` is the mean over its sources."""
    from curator.evaluate.statistics import Measurement

    found: dict[str, list[Measurement]] = {}
    texts = _texts(sets)
    for job in jobs:
        run = json.loads((job.run / "run.json").read_text())
        for metric, value in _bits_per_byte(job, sets).items():
            measurement = Measurement(
                seed=run["seed"],
                value=value,
                tokens=run["tokens"],
                tokenizer=tokens.digest,
                evaluation=texts[metric],
                precision=run["precision"],
                proxy=proxy_called(run["proxy"]),
                status=run["status"],
                window=window_of(run),
            )
            found.setdefault(metric, []).append(measurement)
    return found


def window_of(run: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the part of its mixture that a run read, None if its record does not say."""
    found = run.get("window")
    return None if found is None else (float(found[0]), float(found[1]))


def _bits_per_byte(job: EvaluateJob, sets: Sets) -> dict[str, float]:
    """Return metric -> bits per byte of one proxy; sets without text have none."""
    found = {}
    for number, (name, _, _) in enumerate(sets):
        table = read_shard(job.folder / f"bits-{number}.arrow")
        size = pc.sum(table["bytes"]).as_py() or 0
        if size:
            found[name] = float(pc.sum(table["bits"]).as_py()) / size
    held = [value for name, value in found.items() if name.startswith(f"{HELDOUT}/")]
    return found | ({HELDOUT: sum(held) / len(held)} if len(held) > 1 else {})


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


def _texts(sets: Sets) -> dict[str, str]:
    """Return metric -> the name of its text; a mean has a name made of those it averages."""
    named = {name: fingerprint([shard.digest, sources]) for name, shard, sources in sets}
    held = [text for name, text in named.items() if name.startswith(f"{HELDOUT}/")]
    return named | ({HELDOUT: fingerprint(held)} if len(held) > 1 else {})


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
