"""Semantic duplicates: documents whose vectors point almost the same way.

Abbas et al. 2023, "SemDeDup" (arXiv:2303.09540), section 3: cluster the vectors, and within each
cluster remove a document whose cosine with an earlier one passes 1 - eps. In the paper's code
(facebookresearch/SemDeDup, semdedup.py) the earlier one may itself be removed, so that in a chain
a-b-c the last goes though it is not near the first; by default here only kept documents count.
Duplicates that fall into two clusters are missed: `python -m bench.semantic` measures how many.
What compares them is in `curator.dedup.cosines`; `scorers.novelty` scores by it and drops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import GRID, Similar, nearest, nearest_several, similar
from curator.dedup.survivors import LONGEST, Survivors, decided, removed_rows, segment_starts
from curator.errors import LedgerError, RecipeError
from curator.identity import id_matrix, pair_bits, uniform
from curator.schema import DECISION, DOC_ID
from curator.stage import Site, WideStage

SIMILAR: Final = pa.schema(
    [
        pa.field("row", pa.uint64(), nullable=False),
        DOC_ID.with_name("dropped_id"),
        DOC_ID.with_name("kept_id"),
        pa.field("kept_row", pa.uint64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),
    ],
    metadata={"curator.schema": "similar/1"},
)
SIMILAR_DECISIONS: Final = pa.schema(
    [
        *DECISION,
        pa.field("kept_id", pa.binary(16)),  # the one it is like; null: this document stays
        pa.field("similarity", pa.float32()),  # cosine of the two vectors
    ],
    metadata={"curator.schema": "similar-decision/1"},
)
_FARTHEST: Final = 4000  # more grid steps than there are from one direction to the opposite
_CHANCES: Final = 1 << 52

Order = Literal["survivors", "hard", "easy", "random"]


@dataclass(frozen=True)
class SemanticDuplicates(WideStage):
    """Removes a document if its vector is within `eps` of an earlier one of its cluster.

    Costs the sum over clusters of (documents squared x dimensions) multiplications, and the
    vectors of one partition in memory.

    Attributes:
        eps: in [0.001, 2); removed where the cosine, rounded to 0.001, passes 1 - eps.
        mode: "kept_only": earlier documents that stay; "paper": any earlier document.
        order: who comes earlier: "survivors", by the policy; as in the paper's code "hard", the
            farthest from the centroid first, or "easy", the nearest.
        survivors: the policy; with other orders it only breaks ties.
    """

    name: ClassVar[str] = "dedup.semantic"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    eps: float = 0.05
    mode: Literal["kept_only", "paper"] = "kept_only"
    order: Literal["survivors", "hard", "easy"] = "survivors"
    survivors: Survivors = LONGEST

    def __post_init__(self) -> None:
        """Refuse a distance that no two unit vectors have."""
        if not GRID <= self.eps < 2:
            raise RecipeError(
                f"eps is {self.eps!r}; wanted a cosine distance in [{GRID}, 2): vectors are "
                "stored too coarsely to tell smaller ones"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the policy
        """The vectors, and what the policy looks at."""
        return ("vector", *self.survivors.reads)

    def load(self, site: Site) -> NDArray[np.float32]:
        """Return the centroids, (K, D)."""
        if site.fitted is None:
            raise LedgerError("dedup.semantic has no centroids; wanted the folder of its fit")
        centroids: NDArray[np.float32] = np.load(site.fitted / "centroids.npy", allow_pickle=False)
        return centroids

    def emit(self, model: NDArray[np.float32], table: pa.Table) -> pa.Table:
        """Return one row a document with a vector: its cluster, its standing, the vector."""
        return in_clusters(table, model, self.order, self.survivors)

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `SIMILAR`, each row naming the earlier document that it is most like."""
        found = alike(partition, 1 - self.eps, kept_only=self.mode == "kept_only")
        dropped = np.flatnonzero(found.original >= 0)
        named = removed_rows(partition, dropped, found.original[dropped], "semantic_duplicate")
        return pa.table([*named, pa.array(found.cosine[dropped])], schema=SIMILAR)


def in_clusters(
    table: pa.Table,
    centroids_KD: NDArray[np.float32],
    order: Order,
    survivors: Survivors = LONGEST,
    *,
    clusters: int = 1,
    seed: int = 0,
) -> pa.Table:
    """Return narrow rows that `alike` can read when they are sorted by all columns.

    Args:
        table: vector, row, and what the policy reads; documents without a vector are left out.
        centroids_KD: (K, D), unit.
        order: who comes earlier, as in `SemanticDuplicates`; "random", by chance of the document.
        survivors: the policy; with other orders it only breaks ties.
        clusters: nearest clusters a document is put into. In all but the first it is a guest:
            others are compared with it, and nothing is said of it.
        seed: of the order "random".

    Returns:
        key, cluster (uint32), far (uint64, what comes first), the policy's columns with row and
        doc_id, guest (bool; only if there can be some), vector.
    """
    table = table.filter(pc.is_valid(table["vector"]))
    vectors = _matrix(table["vector"], centroids_KD.shape[1])
    cluster, cosine = nearest(vectors, centroids_KD)
    standing = {
        "far": pa.array(_places(table, cosine, order, seed)),
        **survivors.standing(table),
    }
    if clusters == 1:
        return pa.table({**_named(cluster), **standing, "vector": table["vector"]})
    several = nearest_several(vectors, centroids_KD, clusters)
    parts = [
        pa.table({**_named(several[:, at]), **standing, "guest": guest, "vector": table["vector"]})
        for at in range(several.shape[1])
        for guest in [pa.array(np.full(len(cluster), at > 0))]
    ]
    return pa.concat_tables(parts)


def alike(partition: pa.Table, limit: float, *, kept_only: bool) -> Similar:
    """Return what `similar` says within each cluster, in places of the whole partition.

    Args:
        partition: of `in_clusters`, sorted by all columns.
        limit: a cosine, exclusive.
        kept_only: only earlier documents that stay count, else all.
    """
    starts = np.flatnonzero(segment_starts(partition["cluster"].to_numpy()))
    n = partition.num_rows
    whole = Similar(np.full(n, -1), np.zeros(n, np.float32), np.zeros(n, np.float32))
    for start, stop in pairwise([*starts.tolist(), n]):
        vectors = _matrix(partition["vector"].slice(start, stop - start))
        found = similar(vectors, limit, kept_only=kept_only)
        whole.original[start:stop] = np.where(found.original < 0, -1, found.original + start)
        whole.cosine[start:stop] = found.cosine
        whole.closest[start:stop] = found.closest
    return whole


def similar_decisions(n_rows: int, removed: pa.Table) -> pa.Table:
    """Return `SIMILAR_DECISIONS` for the documents of one shard."""
    return decided(n_rows, removed, SIMILAR_DECISIONS)


def _matrix(column: pa.ChunkedArray, dimensions: int = -1) -> NDArray[np.float32]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    wide: NDArray[np.float32] = flat.astype(np.float32).reshape(len(column), dimensions)
    return wide


def _places(
    table: pa.Table, cosine: NDArray[np.float32], order: Order, seed: int
) -> NDArray[np.uint64]:
    """Return numbers that rise from the document that comes first to the last."""
    if order == "random":
        chance = uniform(id_matrix(table["doc_id"]), "dedup.semantic.order", seed)
        return (chance * _CHANCES).astype(np.uint64)
    steps = np.rint((1 - cosine) / GRID).astype(np.int64) + 1  # rounding can give -1
    if order == "survivors":
        return np.zeros(len(steps), np.uint64)
    places: NDArray[np.uint64] = (_FARTHEST - steps if order == "hard" else steps).astype(np.uint64)
    return places


def _named(cluster: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Return the columns key, which spreads clusters over partitions, and cluster."""
    keys = pair_bits(cluster, cluster, "dedup.semantic")
    return {"key": pa.array(keys), "cluster": pa.array(cluster.astype(np.uint32))}
