"""Centroids learned from a sample of a corpus's vectors, whatever its order and cut."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.kmeans import spherical_kmeans
from curator.embed.units import CENTROIDS, units
from curator.embed.vectors import VECTOR
from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.stage import Corpus, write_report

# Vectors that centroids are learned from: 256 a cluster serve as well as all (FAISS's default), and
# half a million of 256 numbers are half a gigabyte.
A_CLUSTER: Final = 256
MOST: Final = 500_000
DOCUMENTS_A_CLUSTER: Final = 8  # fewer, and clusters part what belongs together

Counts = Callable[[pa.Table], NDArray[np.bool_]]  # which rows of a table count


class Learned(NamedTuple):
    """Centroids and what they were learned from.

    Attributes:
        centroids: (K, D) unit.
        documents: that have a vector (and were to count).
        sampled: of these, looked at.
    """

    centroids: NDArray[np.float32]
    documents: int
    sampled: int

    def save(self, out: Path, *, encoder: str, seed: int) -> None:
        """Write centroids.npy, encoder.txt and report.json into the folder `out`."""
        np.save(out / CENTROIDS, self.centroids, allow_pickle=False)
        (out / "encoder.txt").write_text(encoder)
        report = {
            "clusters": len(self.centroids),
            "documents": self.documents,
            "sampled": self.sampled,
            "seed": seed,
        }
        write_report(out, report)


def learn_centroids(
    corpus: Corpus,
    clusters: int | None,
    *,
    purpose: str,
    seed: int,
    where: str,
    reads: Sequence[str] = (),
    counts: Counts | None = None,
) -> Learned:
    """Return centroids of a sample of the documents' vectors, drawn by chance of their own.

    The sample is read in the order of ids: the same documents in other shards give the same
    centroids. Memory is bounded by a shard and 256 vectors a cluster.

    Args:
        corpus: with the column `vector`; a null counts for nothing.
        clusters: wanted; None: the square root of the number of documents, or fewer so that each
            can have eight.
        purpose: what the chance is for.
        seed: of the sample and of the centroids.
        where: what an error is about.
        reads: further columns that `counts` looks at.
        counts: which rows of a table count; None: all.

    Raises:
        RecipeError: no document has a vector; clusters that would have fewer than eight documents;
            vectors that are not unit vectors of one length.
    """

    columns = tuple(dict.fromkeys(("doc_id", "vector", *reads)))
    documents = sum(int(_counted(table, counts).sum()) for table in corpus.tables(columns))
    wanted = cluster_count(documents, clusters, where=where)
    sample = draw_vectors(
        corpus,
        wanted,
        documents,
        purpose=purpose,
        seed=seed,
        where=where,
        reads=reads,
        counts=counts,
    )
    if not len(sample):
        raise RecipeError(f"none of {documents} vectors was drawn; use another seed", where=where)
    wanted = min(wanted, len(sample))
    centroids = sample[:1] if len(sample) < 2 else spherical_kmeans(sample, wanted, seed=seed)
    return Learned(centroids, documents, len(sample))


def draw_vectors(
    corpus: Corpus,
    clusters: int,
    documents: int,
    *,
    purpose: str,
    seed: int,
    where: str,
    reads: Sequence[str] = (),
    counts: Counts | None = None,
) -> NDArray[np.float32]:
    """Return (n, D) vectors of documents drawn by chance of their own, in the order of ids.

    Args:
        corpus: with the column `vector`; a null counts for nothing.
        clusters: about 256 vectors are drawn for each, half a million at most.
        documents: how many count.
        purpose, seed, where, reads, counts: as in `learn_centroids`.
    """
    share = min(A_CLUSTER * clusters, MOST) / max(1, documents)
    ids, found = [np.zeros((0, 16), np.uint8)], []
    for table in corpus.tables(tuple(dict.fromkeys(("doc_id", "vector", *reads)))):
        known = table.filter(pa.array(_counted(table, counts)))
        matrix = id_matrix(known["doc_id"])
        drawn = np.flatnonzero(uniform(matrix, purpose, seed) < share)
        ids.append(matrix[drawn])
        found.append(known["vector"].take(pa.array(drawn)))
    together = pa.chunked_array([c for part in found for c in part.chunks], VECTOR.type)
    chosen: NDArray[np.float32] = units(together, where=where)[
        np.lexsort(np.concatenate(ids).T[::-1])
    ]
    return chosen


def _counted(table: pa.Table, counts: Counts | None) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.is_valid(table["vector"]).to_numpy(zero_copy_only=False)
    return mask if counts is None else mask & counts(table)


def cluster_count(documents: int, clusters: int | None, *, where: str) -> int:
    """Return how many clusters so many documents with vectors go into.

    Raises:
        RecipeError: there are no documents, or fewer than eight a cluster.
    """
    if not documents:
        raise RecipeError("no document has a vector; wanted at least one", where=where)
    most = documents // DOCUMENTS_A_CLUSTER
    if clusters is not None and not 1 <= clusters <= max(1, most):
        raise RecipeError(
            f"clusters is {clusters} for {documents:,} documents; wanted 1 to {max(1, most):,}, "
            "eight documents a cluster",
            where=where,
        )
    return clusters or max(1, min(math.isqrt(documents), most))
