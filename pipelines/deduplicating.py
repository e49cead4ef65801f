"""Copies leave the pool: equal texts, then near copies, each removal naming what it copies."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from curator.corpus_spec import DedupSpec, MinhashSpec
from curator.dedup.clusters import find_clusters
from curator.dedup.exact import ExactDuplicates
from curator.dedup.near import NearDuplicates
from curator.dedup.survivors import check_source_loss, decisions
from curator.engine.driver import Driver
from curator.ledger import Artifact
from curator.shards import Shard, read_shard, write_shard
from curator.stage import WideStage
from pipelines.pool import Pool, folder_shard, source_counts


def dedup(spec: DedupSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without copies.

    Raises:
        BudgetError: a source would lose more than `max_source_loss` of its documents.
    """
    if spec is None:
        return pool
    before = source_counts(pool)
    priority = tuple(spec.source_priority)
    if spec.exact:
        pool = _remove(ExactDuplicates(source_priority=priority), "dedup.exact", pool, driver)
    if spec.minhash:
        pool = _remove_near(spec.minhash, priority, pool, driver)
    after = source_counts(pool)
    lost = {source: n - after.get(source, 0) for source, n in before.items()}
    check_source_loss(lost, before, spec.max_source_loss)
    return pool


def near_settings(spec: MinhashSpec, priority: tuple[str, ...]) -> NearDuplicates:
    """Return the settings that a recipe's `dedup.minhash` asks for, checked."""
    return NearDuplicates(**spec.model_dump(), source_priority=priority)


def _remove_near(spec: MinhashSpec, priority: tuple[str, ...], pool: Pool, driver: Driver) -> Pool:
    settings = near_settings(spec, priority)
    edges = driver.shuffle_stage(
        settings.band_stage, pool.corpus, step="dedup.minhash.bands", alive=pool.alive
    )
    clusters = _clusters(edges, driver)
    return _remove(settings.verify_stage(clusters), "dedup.minhash", pool, driver)


def _remove(stage: WideStage, step: str, pool: Pool, driver: Driver) -> Pool:
    removed = driver.shuffle_stage(stage, pool.corpus, step=step, alive=pool.alive)
    return pool.decided(driver.route(decisions, removed, pool.corpus, step=step, alive=pool.alive))


def _clusters(edges: Artifact, driver: Driver) -> Shard:
    """Return the written table of clusters, made once for these edges."""

    def make(out: Path) -> None:
        table: pa.Table = find_clusters(read_shard(shard) for shard in edges.shards)
        write_shard(table, out / "clusters.arrow", name="clusters")

    folder = driver.folder("dedup.clusters", {"edges": edges.digest}, make)
    return folder_shard(folder, "clusters")
