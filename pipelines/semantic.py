"""Semantic deduplication: vectors beside the pool, centroids of a sample, one like another gone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.corpus_spec import SemanticSpec
from curator.dedup.semantic import SemanticDuplicates, similar_decisions
from curator.dedup.survivors import Survivors
from curator.embed.kmeans import spherical_kmeans
from curator.embed.vectors import Embed, matrix
from curator.engine.driver import Driver
from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.ledger import Artifact
from curator.shards import read_shard
from curator.stage import Site
from pipelines.pool import Pool

# Vectors that centroids are learned from: 256 a cluster serve as well as all (FAISS's default), and
# half a million of 256 numbers are half a gigabyte.
_A_CLUSTER: Final = 256
_MOST: Final = 500_000
_DOCUMENTS_A_CLUSTER: Final = 8  # fewer, and clusters part what belongs together


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
    clusters = spec.clusters or max(
        1, min(math.isqrt(pool.rows), pool.rows // _DOCUMENTS_A_CLUSTER)
    )
    if spec.clusters and spec.clusters * _DOCUMENTS_A_CLUSTER > pool.rows:
        raise RecipeError(
            f"clusters is {spec.clusters} for {pool.rows:,} documents; wanted at most "
            f"{pool.rows // _DOCUMENTS_A_CLUSTER:,}, eight documents a cluster",
            where="corpus.dedup.semantic",
        )
    identity = {"vectors": vectors.digest, "clusters": clusters, "seed": spec.seed}
    fitted = driver.folder(
        "dedup.centroids",
        identity,
        lambda out: _learn(_sample(pool, vectors, clusters, spec.seed), clusters, spec.seed, out),
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


def _learn(vectors: NDArray[np.float32], clusters: int, seed: int, out: Path) -> None:
    """Write `centroids.npy`, and a report of what they were learned from."""
    clusters = min(clusters, max(1, len(vectors)))
    centroids = vectors[:1] if len(vectors) < 2 else spherical_kmeans(vectors, clusters, seed=seed)
    np.save(out / "centroids.npy", centroids, allow_pickle=False)
    report = {"clusters": len(centroids), "vectors": len(vectors), "seed": seed}
    (out / "report.json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")


def _sample(pool: Pool, vectors: Artifact, clusters: int, seed: int) -> NDArray[np.float32]:
    """Return vectors of documents drawn by chance of their own, in the order of their ids."""
    columns = [read_shard(beside, ("vector",))["vector"] for beside in vectors.shards]
    drawable = sum(len(column) - column.null_count for column in columns)
    share = min(_A_CLUSTER * clusters, _MOST) / max(1, drawable)
    ids, found = [np.zeros((0, 16), np.uint8)], []
    for shard, column in zip(pool.corpus.shards, columns, strict=True):
        known = read_shard(shard, ("doc_id",))["doc_id"].filter(pc.is_valid(column))
        id_ND = id_matrix(known)
        drawn = np.flatnonzero(uniform(id_ND, "dedup.centroids", seed) < share)
        ids.append(id_ND[drawn])
        found.append(matrix(column.filter(pc.is_valid(column)).take(drawn)))
    together = np.concatenate(ids)
    rows = [part for part in found if part.size]
    if not rows:
        return np.zeros((0, 1), np.float32)
    order = np.lexsort(together.T[::-1])
    chosen: NDArray[np.float32] = np.concatenate(rows)[order]
    return chosen
