"""A run's report: everything the page shows, read back from records and sidecars."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.driver import Step
from curator.ledger import Artifact, Store
from curator.recipe import Recipe
from curator.report import content as made
from curator.select.quota import shortfall_of
from curator.shards import read_shard, write_atomically
from curator.stage import library_versions
from pipelines.comparing import Evidence
from pipelines.curate import Curated
from pipelines.excerpts import contamination_of, drops_of, duplicates_of, quarantined_of
from pipelines.scores import overlap_of, score_columns_of
from pipelines.summarizing import file_name, run_id

_VERSIONS = ("curator-lm", "numpy", "pyarrow", "polars", "torch", "fasttext-community")


def report_of(recipe: Recipe, curated: Curated, store: Store, *, seconds: float) -> made.Report:
    """Return all that is known of one run, in the form that the page and the terminal draw."""
    evidence = curated.evidence
    clusters, losses = duplicates_of(curated.pool)
    return made.Report(
        name=recipe.name,
        run_id=run_id(recipe, curated),
        headline_metric=evidence.headline if evidence else "",
        sources=tuple(_source_counts(curated.pool.corpus, None)),
        stages=tuple(_stages(curated)),
        drops=drops_of(curated.pool),
        quarantined=quarantined_of(curated.pool.corpus),
        clusters=clusters,
        losses=losses,
        contamination=contamination_of(curated),
        scores=score_columns_of(curated),
        arms=tuple(_arm(name, recipe, curated) for name in curated.arms),
        overlap=overlap_of(curated),
        curves=tuple(_curves(curated.proxies)),
        measures=tuple(_measures(evidence)) if evidence else (),
        comparison=tuple(_comparison(evidence)) if evidence else (),
        lineage=_lineage(recipe, curated),
        proxy=_proxy(recipe, curated),
        seconds=seconds,
    )


def write_report(content: made.Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    from curator.report.page import render

    write_atomically(path, render(content).encode())


def _stages(curated: Curated) -> list[made.StageCount]:
    corpus = curated.pool.corpus
    counts = _TextCounts(corpus, _tokens_artifact(curated))
    stages, alive = [], None
    for step in curated.steps:
        artifact = step.artifact
        decides = artifact in curated.pool.decisions
        alive = artifact if decides else alive
        if not (decides or artifact is corpus or artifact.id == corpus.id):
            continue  # scores and token counts keep every document: no step of the funnel
        stages.append(_stage(step, counts.at(alive)))
    return stages


def _stage(step: Step, counted: tuple[dict[str, int], int, int | None]) -> made.StageCount:
    artifact = step.artifact
    sources, size, tokens = counted
    return made.StageCount(
        name=artifact.name,
        rows_in=artifact.rows_in,
        rows_out=artifact.rows_out,
        dropped=artifact.dropped,
        quarantined=artifact.quarantined,
        sources=sources,
        text_bytes=size,
        tokens=tokens,
        seconds=step.seconds,
        cached=step.cached,
        artifact=file_name(artifact),
    )


class _TextCounts:
    """Documents by source, bytes and tokens of what is alive after a decision."""

    def __init__(self, corpus: Artifact, tokens: Artifact | None) -> None:
        self._corpus, self._tokens = corpus, tokens

    def at(self, alive: Artifact | None) -> tuple[dict[str, int], int, int | None]:
        """Return (documents by source, bytes of text, tokens if every living document has them)."""
        sources: dict[str, int] = {}
        size = tokens = 0
        known = self._tokens is not None
        for number, shard in enumerate(self._corpus.shards):
            read = read_shard(shard, ("source", "text"))
            # Lengths before the mask: offsets are small, filtering would copy the text.
            table = pa.table({"source": read["source"], "size": pc.binary_length(read["text"])})
            mask = None
            if alive is not None:
                mask = pc.fill_null(read_shard(alive.shards[number], ("keep",))["keep"], False)  # noqa: FBT003
                table = table.filter(mask)
            for pair in table["source"].value_counts().to_pylist():
                sources[pair["values"]] = sources.get(pair["values"], 0) + pair["counts"]
            size += pc.sum(table["size"]).as_py() or 0
            if self._tokens is not None:
                counted = read_shard(self._tokens.shards[number])["n_tokens"]
                counted = counted if mask is None else counted.filter(mask)
                known = known and not counted.null_count
                tokens += pc.sum(counted).as_py() or 0
        return dict(sorted(sources.items())), size, tokens if known else None


def _tokens_artifact(curated: Curated) -> Artifact | None:
    return next((one for one in curated.pool.sidecars if one.name == "tokens"), None)


def _source_counts(corpus: Artifact, alive: Artifact | None) -> dict[str, int]:
    return _TextCounts(corpus, None).at(alive)[0]


def _arm(name: str, recipe: Recipe, curated: Curated) -> made.Arm:
    mixed = curated.arms[name]
    spec = mixed.selected.spec
    runs = [_run(folder) for folder in curated.proxies.get(name, [])]
    method = f"{spec.method} by {spec.by}" if spec.by else spec.method
    trained = sum(run["tokens"] for run in runs)
    parameters = sum(runs[0]["parameters"].values()) if runs else 0
    baseline = curated.evidence.baseline if curated.evidence else recipe.baseline
    return made.Arm(
        name=name,
        method=method,
        documents=mixed.selected.summary["documents"],
        tokens=mixed.selected.summary["tokens"],
        baseline=name == baseline,
        manifest_hash=mixed.selected.manifest_hash,
        shares=tuple(shares_of(mixed.account)),
        shortfalls=tuple(str(shortfall_of(each)) for each in mixed.selected.summary["shortfalls"]),
        trained_tokens=trained,
        flops=6.0 * parameters * trained,  # 6 N D: Kaplan et al. 2020, arXiv:2001.08361, 2.1
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


def _curves(proxies: Mapping[str, list[Path]]) -> list[made.LossCurve]:
    curves = []
    for arm, folders in proxies.items():
        for folder in folders:
            run = _run(folder)
            tokens = tuple(int(point["tokens"]) for point in run["curve"])
            loss = tuple(float(point["loss"]) for point in run["curve"])
            curves.append(made.LossCurve(arm, run["seed"], tokens, loss))
    return curves


def _measures(evidence: Evidence) -> list[made.Measure]:
    from curator.evaluate.statistics import mean_interval

    found = []
    for arm, metrics in evidence.bits.items():
        for metric, values in metrics.items():
            mean, low, high = mean_interval(values)
            found.append(made.Measure(arm, metric, mean, low, high, len(values)))
    return found


def _comparison(evidence: Evidence) -> list[made.Comparison]:
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
            baseline_mean=_mean(evidence.bits[evidence.baseline][metric]),
        )
        for arm, metric, effect in evidence.effects
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


def _proxy(recipe: Recipe, curated: Curated) -> str:
    runs = [folder for folders in curated.proxies.values() for folder in folders]
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
