"""Semantic deduplication: vectors beside the pool, centroids of a sample, one like another gone."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from curator.corpus_spec import SemanticSpec
from curator.dedup.semantic import SemanticDuplicates, similar_decisions
from curator.dedup.survivors import Survivors
from curator.embed.centroids import DOCUMENTS_A_CLUSTER, draw_vectors
from curator.embed.kmeans import spherical_kmeans
from curator.embed.vectors import Embed
from curator.engine.driver import Driver
from curator.errors import RecipeError
from curator.ledger import Artifact
from curator.shards import read_shard
from curator.stage import Site, write_report
from pipelines.pool import Pool


def drop_similar(
    spec: SemanticSpec,
    survivors: Survivors,
    pool: Pool,
    beside: tuple[Artifact, ...],
    driver: Driver,
) -> Pool:
    """Return the pool without documents whose vector is close to that of another one.

    Raises:
        RecipeError: there are fewer than eight documents a cluster.
    """
    stage = SemanticDuplicates(spec.eps, spec.mode, spec.order, survivors)
    embed = Embed(spec.encoder, spec.max_characters)
    vectors = driver.map_stage(embed, pool.corpus, step="dedup.vectors", alive=pool.alive)
    clusters = spec.clusters or max(1, min(math.isqrt(pool.rows), pool.rows // DOCUMENTS_A_CLUSTER))
    if spec.clusters and spec.clusters * DOCUMENTS_A_CLUSTER > pool.rows:
        raise RecipeError(
            f"clusters is {spec.clusters} for {pool.rows:,} documents; wanted at most "
            f"{pool.rows // DOCUMENTS_A_CLUSTER:,}, eight documents a cluster",
            where="corpus.dedup.semantic",
        )
    identity = {"vectors": vectors.digest, "clusters": clusters, "seed": spec.seed}
    fitted = driver.folder(
        "dedup.centroids",
        identity,
        lambda out: _learn(pool, vectors, clusters, spec.seed, out),
    )
    removed = driver.shuffle_stage(
        stage,
        pool.corpus,
        step="dedup.semantic",
        sidecars=(vectors, *beside),
        alive=pool.alive,
        site=Site(fitted=fitted),
    )
    return pool.decided(
        driver.route(
            similar_decisions, removed, pool.corpus, step="dedup.semantic", alive=pool.alive
        )
    )


def _learn(pool: Pool, vectors: Artifact, clusters: int, seed: int, out: Path) -> None:
    """Write `centroids.npy`, and a report of what they were learned from."""
    documents = sum(
        len(column) - column.null_count
        for beside in vectors.shards
        for column in [read_shard(beside, ("vector",))["vector"]]
    )
    drawn = draw_vectors(
        pool.learning(beside=(vectors,)),
        clusters,
        documents,
        purpose="dedup.centroids",
        seed=seed,
        where="corpus.dedup.semantic",
    )
    clusters = min(clusters, max(1, len(drawn)))
    centroids = drawn[:1] if len(drawn) < 2 else spherical_kmeans(drawn, clusters, seed=seed)
    np.save(out / "centroids.npy", centroids, allow_pickle=False)
    report = {"clusters": len(centroids), "vectors": len(drawn), "seed": seed}
    write_report(out, report)
