"""Semantic duplicates: documents whose vectors point almost the same way.

Abbas et al. 2023, "SemDeDup" (arXiv:2303.09540), section 3: cluster the vectors, and within each
cluster remove a document whose cosine with an earlier one passes 1 - eps. In the paper's code
(facebookresearch/SemDeDup, semdedup.py) the earlier one may itself be removed, so that in a chain
a-b-c the last goes though it is not near the first; by default here only kept documents count.
Duplicates that fall into two clusters are missed: `python -m bench.semantic` measures how many.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.survivors import LONGEST, Survivors, decided, removed_rows, segment_starts
from curator.errors import LedgerError, RecipeError
from curator.identity import pair_bits
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
_GRID: Final = 1e-3  # of a cosine: vectors are stored in half precision
_FARTHEST: Final = 4000  # more grid steps than there are from one direction to the opposite
_NOWHERE: Final = -2000.0  # steps; below every cosine
_SLACK: Final = 1e-6  # steps: 1 - 0.003 comes out just below 0.997
_BLOCK: Final = 256  # vectors multiplied at a time; one shape, so that sums come in one order


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
        if not _GRID <= self.eps < 2:
            raise RecipeError(
                f"eps is {self.eps!r}; wanted a cosine distance in [{_GRID}, 2): vectors are "
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
        table = table.filter(pc.is_valid(table["vector"]))
        cluster, cosine = nearest(_matrix(table["vector"], model.shape[1]), model)
        steps = np.rint((1 - cosine) / _GRID).astype(np.int64) + 1  # rounding can give -1
        places = {"survivors": np.zeros_like(steps), "hard": _FARTHEST - steps, "easy": steps}
        return pa.table(
            {
                "key": pa.array(pair_bits(cluster, cluster, "dedup.semantic")),
                "cluster": pa.array(cluster.astype(np.uint32)),
                "far": pa.array(places[self.order].astype(np.uint64)),
                **self.survivors.standing(table),
                "vector": table["vector"],
            }
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `SIMILAR`, each row naming the earlier document that it is most like."""
        starts = np.flatnonzero(segment_starts(partition["cluster"].to_numpy()))
        original = np.full(partition.num_rows, -1, np.int64)
        cosine = np.zeros(partition.num_rows, np.float32)
        for start, stop in pairwise([*starts.tolist(), partition.num_rows]):
            vectors = _matrix(partition["vector"].slice(start, stop - start))
            found = similar(vectors, 1 - self.eps, kept_only=self.mode == "kept_only")
            original[start:stop] = np.where(found.original < 0, -1, found.original + start)
            cosine[start:stop] = found.cosine
        dropped = np.flatnonzero(original >= 0)
        named = removed_rows(partition, dropped, original[dropped], "semantic_duplicate")
        return pa.table([*named, pa.array(cosine[dropped])], schema=SIMILAR)


class Similar(NamedTuple):
    """What each vector is removed for.

    Attributes:
        original: (n,) int64, an earlier vector, -1 where it stays.
        cosine: (n,) float32 with it, on a grid of 0.001; 0 where it stays.
    """

    original: NDArray[np.int64]
    cosine: NDArray[np.float32]


def similar(vectors_ND: NDArray[np.float32], limit: float, *, kept_only: bool) -> Similar:
    """Return which unit vectors have a cosine above `limit` with an earlier one.

    Args:
        vectors_ND: the earliest first.
        limit: a cosine, exclusive; compared with cosines on the grid.
        kept_only: only earlier vectors that stay count, else all.
    """
    n, dimensions = vectors_ND.shape
    limit = limit / _GRID + _SLACK
    original, cosine = np.full(n, -1, np.int64), np.zeros(n, np.float32)
    before = np.empty((n + _BLOCK, dimensions), np.float32)  # the earlier ones that count
    rows = np.empty(n, np.int64)  # which they are
    held = 0
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        block = np.zeros((_BLOCK, dimensions), np.float32)
        block[:count] = vectors_ND[start : start + count]
        best, who = np.full(count, _NOWHERE, np.float32), np.full(count, -1, np.int64)
        for low in range(0, held, _BLOCK):
            products = _steps(block, before[low : low + _BLOCK])[:count, : held - low]
            nearest_here = products.argmax(axis=1)
            value = products[np.arange(count), nearest_here]
            better = value > best
            best[better], who[better] = value[better], rows[low + nearest_here[better]]
        inside = np.where(
            np.tri(count, k=-1, dtype=bool), _steps(block, block)[:count, :count], _NOWHERE
        )
        counts = np.ones(count, bool)
        if kept_only:
            counts = best <= limit
        # A loop over the documents of a block that have another one of it nearby: in their order,
        # for whether one counts depends on those before it.
        for row in np.flatnonzero(inside.max(axis=1, initial=_NOWHERE) > limit):
            among = np.where(counts[:row], inside[row, :row], _NOWHERE)
            at = int(among.argmax())
            if among[at] > best[row]:
                best[row], who[row] = among[at], start + at
                counts[row] = counts[row] and not (kept_only and among[at] > limit)
        away = best > limit
        original[start : start + count][away] = who[away]
        cosine[start : start + count][away] = best[away] * _GRID
        stays = np.flatnonzero(~away if kept_only else np.ones(count, bool))
        before[held : held + len(stays)] = block[stays]
        rows[held : held + len(stays)] = start + stays
        held += len(stays)
        before[held : held + _BLOCK] = 0
    return Similar(original, cosine)


def nearest(
    vectors_ND: NDArray[np.float32], centroids_KD: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each vector's centroid of largest cosine, the first of equal ones, and that cosine."""
    n, k = len(vectors_ND), len(centroids_KD)
    best, who = np.full(n, _NOWHERE, np.float32), np.zeros(n, np.int64)
    padded = np.zeros((-(-k // _BLOCK) * _BLOCK, centroids_KD.shape[1]), np.float32)
    padded[:k] = centroids_KD
    for start in range(0, n, _BLOCK):
        count = min(_BLOCK, n - start)
        block = np.zeros((_BLOCK, centroids_KD.shape[1]), np.float32)
        block[:count] = vectors_ND[start : start + count]
        here = slice(start, start + count)
        for low in range(0, k, _BLOCK):
            products = _steps(block, padded[low : low + _BLOCK])[:count, : k - low]
            at = products.argmax(axis=1)
            value = products[np.arange(count), at]
            better = value > best[here]
            best[here] = np.where(better, value, best[here])
            who[here] = np.where(better, at + low, who[here])
    return who, best * np.float32(_GRID)


def similar_decisions(n_rows: int, removed: pa.Table) -> pa.Table:
    """Return `SIMILAR_DECISIONS` for the documents of one shard."""
    return decided(n_rows, removed, SIMILAR_DECISIONS)


def _steps(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return every cosine as its whole number of steps of the grid, which floats hold exactly."""
    steps: NDArray[np.float32] = np.rint((left @ right.T) / np.float32(_GRID))
    return steps


def _matrix(column: pa.ChunkedArray, dimensions: int = -1) -> NDArray[np.float32]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    wide: NDArray[np.float32] = flat.astype(np.float32).reshape(len(column), dimensions)
    return wide
