"""Copies leave the pool: equal texts, then near copies, each removal naming what it copies."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from curator.corpus_spec import DedupSpec, MinhashSpec
from curator.dedup.clusters import find_clusters
from curator.dedup.exact import ExactDuplicates
from curator.dedup.near import NearDuplicates
from curator.dedup.survivors import (
    EXTRA,
    Survivors,
    check_source_loss,
    column_values,
    decisions,
)
from curator.engine.driver import Driver, Reference
from curator.errors import RecipeError
from curator.ledger import Artifact
from curator.recipe import suggestion
from curator.schema import DOCUMENT
from curator.shards import Shard, read_shard, write_shard
from curator.stage import WideStage
from pipelines.pool import Pool, counted, folder_shard, source_counts
from pipelines.references import Kept, open_references, stand_on
from pipelines.repeated import cut_paragraphs, find_repeated
from pipelines.semantic import drop_similar


def dedup(spec: DedupSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without copies.

    Raises:
        BudgetError: a source would lose more than `max_source_loss` of its documents, or of its
            text to one step.
        RecipeError: nothing so far has the column that survivors are to be chosen by, or no
            document has a value in it.
    """
    if spec is None:
        return pool
    survivors = survivors_of(spec)
    beside = _with_column(survivors.field, pool)
    if survivors.column is not None:
        _require_values(survivors, pool, beside)
    before = source_counts(pool)
    _tell_strange(spec.source_priority, pool, driver)
    against = open_references(spec.against)
    stand_on(against, driver)
    if spec.exact:
        known = _references(
            ExactDuplicates(replace(survivors, reference=True)), "dedup.exact", against
        )
        stage = ExactDuplicates(survivors)
        pool = _remove(stage, "dedup.exact", pool, beside, known, driver)
    loss = spec.max_source_loss
    if spec.paragraphs:
        pool = cut_paragraphs(spec.paragraphs, survivors, loss, pool, beside, driver)
    if spec.minhash:
        near = near_settings(spec.minhash, survivors)
        pool = _remove_near(near, pool, beside, against, driver)
    if spec.substring:
        pool = find_repeated(spec.substring, survivors, loss, pool, beside, driver)
    if spec.semantic:
        pool = drop_similar(spec.semantic, survivors, pool, beside, driver)
    after = source_counts(pool)
    lost = {source: n - after.get(source, 0) for source, n in before.items()}
    check_source_loss(lost, before, spec.max_source_loss)
    return pool


def survivors_of(spec: DedupSpec) -> Survivors:
    """Return the policy that a recipe's `dedup` asks for."""
    priority, asked = tuple(spec.source_priority), spec.survivors
    if isinstance(asked, str):
        return Survivors(priority, length=asked)
    return Survivors(priority, asked.column, asked.prefer)


def near_settings(spec: MinhashSpec, survivors: Survivors) -> NearDuplicates:
    """Return the settings that a recipe's `dedup.minhash` asks for, checked."""
    return NearDuplicates(**spec.model_dump(), survivors=survivors)


def _with_column(column: str | None, pool: Pool) -> tuple[Artifact, ...]:
    """Return the sidecar that has a column, none where the documents have it themselves.

    No other is read, so that a changed sidecar undoes no deduplication that never looked at it.
    """
    if column is None or column in DOCUMENT.names:
        return ()
    known: dict[str, tuple[Artifact, ...]] = {"date": (), EXTRA + "NAME": ()}
    for sidecar in reversed(pool.sidecars):
        for name in read_shard(sidecar.shards[0]).column_names if sidecar.shards else ():
            known.setdefault(name, (sidecar,))
    if column in known:
        return known[column]
    raise RecipeError(
        f"no step before has a column {column!r}{suggestion(column, known)}; wanted one of "
        f"{sorted(known)}",
        where="corpus.dedup.survivors",
    )


def _tell_strange(named: Sequence[str], pool: Pool, driver: Driver) -> None:
    """Print which sources to keep first have no documents: misspelled, or of another corpus."""
    if driver.quiet or not named:
        return
    known = counted(read_shard(shard, ("source",))["source"] for shard in pool.corpus.shards)
    for name in named:
        if name not in known:
            told = f"no document is of source {name!r} of source_priority"
            print(f"dedup: {told}{suggestion(name, known)}", file=sys.stderr)


def _require_values(survivors: Survivors, pool: Pool, beside: tuple[Artifact, ...]) -> None:
    """Raise where survivors would be chosen by nothing: a name misspelled, or words for numbers.

    Documents without a value are ordinary; the first that has one ends the search.
    """
    field, column = str(survivors.field), str(survivors.column)
    shards = (beside[0] if beside else pool.corpus).shards
    tables = (read_shard(shard, (field,)) for shard in shards)
    if pool.rows and all(np.isnan(column_values(table, column)).all() for table in tables):
        raise RecipeError(
            f"no document has a number, or a date such as 2026-11-21, in column {column!r}; wanted "
            "one that some documents have",
            where="corpus.dedup.survivors",
        )


def _remove_near(
    settings: NearDuplicates,
    pool: Pool,
    beside: tuple[Artifact, ...],
    against: tuple[Kept, ...],
    driver: Driver,
) -> Pool:
    edges = driver.shuffle_stage(
        settings.band_stage,
        pool.corpus,
        step="dedup.minhash.bands",
        alive=pool.alive,
        references=_references(settings.band_stage, "dedup.minhash", against),
    )
    clusters = _clusters(edges, driver)
    stage = settings.verify_stage(clusters)
    of_reference = replace(stage, survivors=replace(stage.survivors, reference=True))
    known = _references(of_reference, "dedup.minhash", against)
    return _remove(stage, "dedup.minhash", pool, beside, known, driver)


def _references(stage: WideStage, step: str, against: tuple[Kept, ...]) -> list[Reference]:
    return [Reference(stage, kept.before(step), kept.alive) for kept in against]


def _remove(
    stage: WideStage,
    step: str,
    pool: Pool,
    beside: tuple[Artifact, ...],
    references: list[Reference],
    driver: Driver,
) -> Pool:
    removed = driver.shuffle_stage(
        stage, pool.corpus, step=step, sidecars=beside, alive=pool.alive, references=references
    )
    return pool.decided(driver.route(decisions, removed, pool.corpus, step=step, alive=pool.alive))


def _clusters(edges: Artifact, driver: Driver) -> Shard:
    """Return the written table of clusters, made once for these edges."""
    identity = {"edges": edges.digest}
    folder = driver.folder_of("dedup.clusters", identity, _write_clusters, edges.shards)
    return folder_shard(folder, "clusters")


def _write_clusters(edges: Sequence[Shard], out: Path) -> None:
    table: pa.Table = find_clusters(read_shard(shard) for shard in edges)
    write_shard(table, out / "clusters.arrow", name="clusters")
