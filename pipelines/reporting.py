"""A run's report: everything the page shows, read back from records and sidecars."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.driver import Step
from curator.ledger import Store
from curator.recipe import Recipe
from curator.report import content as made
from curator.report.refinements import RefinementLine
from curator.report.stages import StageLine
from curator.select.quota import shortfall_of
from curator.shards import read_shard, write_atomically
from curator.stage import library_versions
from pipelines.comparing import Evidence
from pipelines.curate import Curated
from pipelines.excerpts import drops_of, duplicates_of, quarantined_of
from pipelines.judging import judged_of
from pipelines.learned import learned_of
from pipelines.matching import contamination_of
from pipelines.pool import counted
from pipelines.privacy import hiding
from pipelines.runs import conduct_in_words, seed_of, trunk_in
from pipelines.scores import overlap_of, score_columns_of
from pipelines.summarizing import file_name, run_id

_OF_REFINEMENTS = (
    "name", "use", "refined", "children", "characters_in", "characters_out", "reasons",
)  # fmt: skip
_VERSIONS = ("curator-lm", "numpy", "pyarrow", "polars", "torch", "fasttext-community")


def report_of(recipe: Recipe, curated: Curated, store: Store, *, seconds: float) -> made.Report:
    """Return all that is known of one run, in the form that the page and the terminal draw."""
    evidence = curated.evidence
    cleaned = recipe.corpus.clean
    hide = hiding(cleaned.pii if cleaned else None)
    clusters, losses = duplicates_of(curated.pool, hide)
    stages = _stages(curated)
    return made.Report(
        name=recipe.name,
        run_id=run_id(recipe, curated),
        headline_metric=evidence.headline if evidence else "",
        sources=tuple(stages[0].sources),
        stages=tuple(stages),
        drops=drops_of(curated.pool, hide),
        quarantined=quarantined_of(curated.pool.ingested),
        clusters=clusters,
        losses=losses,
        contamination=contamination_of(curated, store),
        statistics=judged_of(recipe.corpus.clean, curated.pool.sidecars),
        scores=score_columns_of(curated),
        learned=learned_of(curated, store),
        staged=staged_of(curated),
        refined=refined_of(curated, hide),
        arms=tuple(arm_of(name, recipe, curated) for name in curated.arms),
        overlap=overlap_of(curated),
        curves=tuple(curves_of(curated.proxies)),
        measures=tuple(measures_of(evidence)) if evidence else (),
        comparison=tuple(comparison_of(evidence)) if evidence else (),
        lineage=_lineage(recipe, curated),
        proxy=proxy_in_words(recipe, curated.proxies),
        trunk=trunk_of(curated.proxies),
        seconds=seconds,
    )


def staged_of(curated: Curated) -> tuple[StageLine, ...]:
    """Return a line for each stage of each run of every arm that chose while it trained."""
    return tuple(
        StageLine(arm, **line) for arm, staged in curated.staged.items() for line in staged.lines
    )


def refined_of(curated: Curated, hide: Callable[[str], str]) -> tuple[RefinementLine, ...]:
    """Return a line for each entry of every refined arm, with `hide` taken from its examples."""
    return tuple(
        RefinementLine(
            arm=arm,
            documents=step["documents_in"],
            dropped=sum(step["dropped"].values()),
            examples=tuple((hide(before), hide(after)) for before, after in step["examples"]),
            **{key: step[key] for key in _OF_REFINEMENTS},
        )
        for arm, mixed in curated.arms.items()
        if mixed.refined
        for step in mixed.refined.account["steps"]
    )


def write_report(content: made.Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    from curator.report.page import render

    write_atomically(path, render(content).encode())


def _stages(curated: Curated) -> list[made.StageCount]:
    """Return the steps of the funnel; scores and token counts keep every document and are none."""
    corpus, decisions = curated.pool.ingested, curated.pool.decisions
    alive = _alive_after(curated)
    steps = {step.artifact.id: step for step in curated.steps}
    measuring = {step.artifact.name: step.seconds for step in curated.steps}
    return [
        _stage(steps[one.id], alive[one.id], measuring.get(f"{one.name}.statistics", 0.0))
        for one in (corpus, *decisions)
        if one.id in steps
    ]


@dataclass
class _Alive:
    """Documents by source, bytes of text, and tokens if every one of the documents has them."""

    sources: Counter[str]
    size_bytes: int = 0
    tokens: int | None = None

    def add(self, rows: pa.Table) -> None:
        """Count rows: source, size and, where tokens are known, n_tokens."""
        self.sources.update(counted([rows["source"]]))
        self.size_bytes += pc.sum(rows["size"]).as_py() or 0
        if self.tokens is None or rows["n_tokens"].null_count:
            self.tokens = None
        else:
            self.tokens += pc.sum(rows["n_tokens"]).as_py() or 0


def _alive_after(curated: Curated) -> dict[str, _Alive]:
    """Return what is alive after ingestion and after each decision, reading every shard once."""
    pool = curated.pool
    tokens = pool.sidecar("tokens")
    none_yet = None if tokens is None else 0
    steps = (pool.ingested, *pool.decisions)
    found = {one.id: _Alive(Counter(), tokens=none_yet) for one in steps}
    for number, shard in enumerate(pool.ingested.shards):
        known = pa.nulls(shard.rows, pa.uint32())
        if tokens is not None:
            known = read_shard(tokens.shards[number], ("n_tokens",))["n_tokens"]
        texts = None
        for made_before, step in enumerate(steps):
            corpus = pool.corpus_after(made_before)
            if corpus is not texts:
                texts = corpus
                read = read_shard(corpus.shards[number], ("source", "text"))
                # Lengths before any mask: offsets are small, filtering would copy the text.
                size = pc.binary_length(read["text"])
                table = pa.table({"source": read["source"], "size": size, "n_tokens": known})
            if made_before:
                keep = read_shard(step.shards[number], ("keep",))["keep"]
                found[step.id].add(table.filter(pc.fill_null(keep, fill_value=False)))
            else:
                found[step.id].add(table)
    return found


def _stage(step: Step, alive: _Alive, measuring: float) -> made.StageCount:
    """Return a step of the funnel; what it looked at took `measuring` seconds to be measured."""
    artifact = step.artifact
    return made.StageCount(
        name=artifact.name,
        rows_in=artifact.rows_in,
        rows_out=artifact.rows_out,
        dropped=artifact.dropped,
        quarantined=artifact.quarantined,
        sources=dict(sorted(alive.sources.items())),
        text_bytes=alive.size_bytes,
        tokens=alive.tokens,
        seconds=step.seconds + measuring,
        cached=step.cached,
        artifact=file_name(artifact),
    )


def arm_of(name: str, recipe: Recipe, curated: Curated) -> made.Arm:
    """Return what one arm took of the pool, and what its proxies cost to train."""
    mixed = curated.arms[name]
    spec = mixed.selected.spec
    runs = [_run(folder) for folder in curated.proxies.get(name, [])]
    by = f" by {spec.by}" if spec.by else f" of {spec.of}" if spec.of else ""
    rows = conduct_in_words(runs[0]) if runs else ""
    trained = sum(int(run["tokens"]) - _of_trunk(run, "tokens") for run in runs)
    baseline = curated.evidence.baseline if curated.evidence else recipe.baseline
    return made.Arm(
        name=name,
        method=spec.method + by + rows,
        documents=mixed.selected.summary["documents"],
        tokens=mixed.selected.summary["tokens"],
        baseline=name == baseline,
        manifest_hash=mixed.selected.manifest_hash,
        shares=tuple(shares_of(mixed.account)),
        shortfalls=tuple(str(shortfall_of(each)) for each in mixed.selected.summary["shortfalls"]),
        trained_tokens=trained,
        flops=float(sum(flops_of(run) - _of_trunk(run, "flops") for run in runs)),
        seconds=sum(run["circumstances"]["seconds"] for run in runs),
    )


def shares_of(account: Mapping[str, Any]) -> list[made.MixtureShare]:
    """Return what each source was asked for and gave, from a mixture's account (`Draw.account`)."""
    asked, sources = account["asked"], account["sources"]
    total_asked = sum(asked.values()) or 1
    total = sum(each["tokens"] for each in sources.values()) or 1
    short = {each["name"]: each["wanted"] - each["available"] for each in account["shortfalls"]}
    nothing = {"tokens": 0, "documents": 0, "epochs": 0.0}
    found = {name: sources.get(name, nothing) for name in sorted({*sources, *short})}
    return [
        made.MixtureShare(
            source=source,
            tokens=int(each["tokens"]),
            documents=int(each["documents"]),
            obtained=each["tokens"] / total,
            asked=asked.get(source, 0) / total_asked,
            epochs=each["epochs"],
            shortfall=int(short.get(source, 0)),
        )
        for source, each in found.items()
    ]


def flops_of(run: Mapping[str, Any]) -> int:
    """Return the arithmetic of a finished run, from its record."""
    from curator.train.proxy import proxy_from

    if "flops" in run:
        return int(run["flops"])
    return proxy_from(run["proxy"]).shape(run["vocab_size"]).flops_per_token * int(run["tokens"])


def _of_trunk(run: Mapping[str, Any], what: str) -> int:
    """Return how much of a run's tokens or flops its trunk has used; 0 without one."""
    trunk = trunk_in(run)
    return int(trunk[what]) if trunk else 0


def trunk_of(proxies: Mapping[str, list[Path]]) -> made.Trunk | None:
    """Return what the trunks cost that the arms branch from, each counted once."""
    runs = [_run(folder) for folders in proxies.values() for folder in folders]
    trunks = {trunk["identity"]: trunk for run in runs if (trunk := trunk_in(run))}
    if not trunks:
        return None
    tokens, flops = (sum(each[what] for each in trunks.values()) for what in ("tokens", "flops"))
    return made.Trunk(len(trunks), tokens, float(flops))


def curves_of(proxies: Mapping[str, list[Path]]) -> list[made.LossCurve]:
    """Return the training loss of every run."""
    curves = []
    for arm, folders in proxies.items():
        for folder in folders:
            run = _run(folder)
            tokens = tuple(int(point["tokens"]) for point in run["curve"])
            loss = tuple(float(point["loss"]) for point in run["curve"])
            curves.append(made.LossCurve(arm, seed_of(run), tokens, loss))
    return curves


def measures_of(evidence: Evidence) -> list[made.Measure]:
    """Return the mean over seeds of every arm and metric."""
    from curator.evaluate.metrics import kind_of
    from curator.evaluate.statistics import mean_interval

    found = []
    for arm, metrics in evidence.bits.items():
        for metric, values in metrics.items():
            kind = kind_of(metric)
            mean, low, high = mean_interval(values)
            found.append(
                made.Measure(arm, metric, mean, low, high, len(values), kind.unit, kind.better)
            )
    return found


def comparison_of(evidence: Evidence) -> list[made.Comparison]:
    """Return the effect of every arm over the baseline, by metric."""
    from curator.evaluate.metrics import kind_of

    return [
        made.Comparison(
            arm=arm,
            metric=metric,
            effect=effect.effect,
            low=effect.low,
            high=effect.high,
            verdict=effect.verdict,
            seeds=effect.n,
            margin=effect.threshold,
            seeds_to_decide=effect.seeds_needed,
            unit=kind.unit,
            better=kind.better,
            baseline_mean=_mean(evidence.bits[evidence.baseline][metric]),
            at_chance=evidence.at_chance(arm, metric),
        )
        for arm, metric, effect in evidence.effects
        for kind in [kind_of(metric)]
    ]


def _lineage(recipe: Recipe, curated: Curated) -> made.Lineage:
    artifacts = [
        made.ArtifactLine(
            step.artifact.name, step.artifact.id, step.artifact.rows_out, step.artifact.parents
        )
        for step in curated.steps
    ]
    return made.Lineage(
        recipe_digest=recipe.digest,
        recipe_text=json.dumps(recipe.model_dump(mode="json", exclude_defaults=True), indent=1),
        artifacts=tuple(artifacts),
        versions={"python": platform.python_version(), **library_versions(_VERSIONS)},
        machine=f"{platform.system()} {platform.machine()}",
    )


def proxy_in_words(recipe: Recipe, proxies: Mapping[str, list[Path]]) -> str:
    """Return what the proxies of a run are: name, parameters, tokens; "" where none was trained."""
    runs = [folder for folders in proxies.values() for folder in folders]
    if recipe.train is None or not runs:
        return ""
    parameters = _run(runs[0])["parameters"]
    return (
        f"{recipe.train.proxy}: {parameters['blocks']:,} parameters in blocks, "
        f"{sum(parameters.values()):,} in all, {recipe.train.tokens:,} tokens a run"
    )


def _run(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text()))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
