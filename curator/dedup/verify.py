"""Candidates become removals: each document of a cluster is compared with the survivors in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from curator.dedup.minhash import nodes
from curator.dedup.shingles import ShingleSets, match_copies, shingle_sets
from curator.dedup.survivors import (
    LONGEST,
    OF_REFERENCE,
    Survivors,
    removals,
    segment_heads,
    segment_starts,
)
from curator.errors import LedgerError
from curator.identity import pair_bits
from curator.shards import read_shard
from curator.stage import Site, WideStage, circumstance

_CLUSTER: Final = "dedup.cluster"
_SHINGLES = pa.large_list(pa.field("item", pa.uint64(), nullable=False))


@dataclass(frozen=True)
class VerifyClusters(WideStage):
    """Removes a document if it is a copy of a survivor of its cluster, by their exact shingle sets.

    Copy: Jaccard similarity of `threshold` or more, and the share `containment` or more of the
    document's shingles in the survivor, so that little is lost with it. With `verify` off, all of
    a cluster but its best document is removed, unverified: candidates as most tools remove them.

    A cluster of more than `max_cluster` documents is cut by the documents' smallest shingle, which
    two texts of Jaccard similarity J share with probability J: memory stays bounded, and a copy
    may be missed but nothing is removed wrongly.

    Documents of references (`Survivors.reference`) all survive, for a run keeps them even where
    another run has a copy: what is a copy of any of them goes.
    """

    name: ClassVar[str] = "dedup.minhash.verify"
    version: ClassVar[int] = 3
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    clusters: str  # digest of the table of clusters
    clusters_path: str = circumstance("")  # where that table lies: an Arrow file of CLUSTERS
    survivors: Survivors = LONGEST
    verify: bool = True
    threshold: float = 0.8
    containment: float = 0.95
    ngram: int = 5
    # At 1,000 shingles a document and 80 bytes a shingle, 0.8 GB.
    max_cluster: int = 10_000

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the policy
        """What the shingles and the policy look at."""
        return self.survivors.reads

    def load(self, site: Site) -> pa.Table:
        """Return the table of clusters, memory-mapped."""
        if not self.clusters_path:
            raise LedgerError("VerifyClusters has no clusters_path; wanted the file of clusters")
        return read_shard(self.clusters_path)

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row for each document of a cluster: its standing, and its shingles."""
        known = model["node"].to_numpy()
        node = nodes(table["doc_id"])
        place = np.searchsorted(known, node)
        inside = np.zeros(len(node), np.bool_)
        if len(known):
            inside = known[np.minimum(place, len(known) - 1)] == node
        cluster = model["cluster"].to_numpy()[place[inside]]
        members = table.filter(pa.array(inside))
        columns = self.survivors.standing(members)
        if not self.verify:
            return pa.table(
                {"key": pa.array(pair_bits(cluster, np.zeros_like(cluster), _CLUSTER)), **columns}
            )
        sets = shingle_sets(members["text"], self.ngram)
        size = model["size"].to_numpy()[place[inside]].astype(np.uint64)
        pieces = (size - np.uint64(1)) // np.uint64(self.max_cluster) + np.uint64(1)
        least = sets.values[sets.offsets[:-1]]
        piece = pair_bits(least, np.zeros_like(least), _CLUSTER) % pieces
        shingles = pa.LargeListArray.from_arrays(
            pa.array(sets.offsets), pa.array(sets.values), type=_SHINGLES
        )
        return pa.table(
            {"key": pa.array(pair_bits(cluster, piece, _CLUSTER)), **columns, "shingles": shingles}
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `REMOVALS`, each naming a kept document and, if verified, both similarities."""
        cluster = partition["key"].to_numpy()
        if not self.verify:
            first = segment_starts(cluster)
            dropped = np.flatnonzero(~first)
            return removals(partition, dropped, segment_heads(first)[dropped], "near_candidate")
        sets = _sets(partition["shingles"])
        sizes = np.diff(sets.offsets)
        found = match_copies(
            sets,
            cluster,
            threshold=self.threshold,
            containment=self.containment,
            fixed=partition["priority"].to_numpy() == OF_REFERENCE,
        )
        dropped = np.flatnonzero(found.original >= 0)
        kept, shared = found.original[dropped], found.shared[dropped]
        return removals(
            partition,
            dropped,
            kept,
            "near_duplicate",
            jaccard=shared / (sizes[dropped] + sizes[kept] - shared),
            containment=shared / sizes[dropped],
        )


def _sets(lists: pa.ChunkedArray) -> ShingleSets:
    whole = lists.combine_chunks()
    offsets = whole.offsets.to_numpy().astype(np.int64)
    values = whole.values.to_numpy()
    return ShingleSets(offsets - offsets[0], values[offsets[0] : offsets[-1]])
