"""Connected components of the edges: sets of candidates, not yet decisions.

The only step that runs in one process over all of the corpus: 16 bytes an edge, and only documents
that share a band with another appear. Transitive chains are harmless because every document is
later compared with the survivor itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

CLUSTERS: Final = pa.schema(
    [
        pa.field("node", pa.uint64(), nullable=False),  # rising; see curator.dedup.minhash
        pa.field("cluster", pa.uint64(), nullable=False),  # its smallest node
        pa.field("size", pa.uint32(), nullable=False),  # nodes in the cluster
    ],
    metadata={"curator.schema": "clusters/1"},
)


@dataclass(frozen=True)
class ClusterCounts:
    """What a report says of clusters."""

    clusters: int
    documents: int  # nodes in them: documents of equal text and source count once
    largest: int  # nodes in the largest one


def find_clusters(edges: Iterable[pa.Table]) -> pa.Table:
    """Return `CLUSTERS`: every node that has an edge, once, whatever the order of the edges."""
    pairs = [
        np.stack([table["left"].to_numpy(), table["right"].to_numpy()], axis=1) for table in edges
    ]
    ends = np.unique(np.concatenate([np.zeros((0, 2), np.uint64), *pairs]), axis=0)
    node, place = np.unique(ends, return_inverse=True)
    place = place.reshape(-1, 2)
    graph = coo_matrix(
        (np.ones(len(place), np.bool_), (place[:, 0], place[:, 1])), shape=(len(node), len(node))
    )
    _, label = connected_components(graph, directed=False)
    # Labels are renamed by the smallest node (nodes rise, so it is the first with the label).
    _, smallest, inverse, size = np.unique(
        label, return_index=True, return_inverse=True, return_counts=True
    )
    columns = [pa.array(node), pa.array(node[smallest[inverse]])]
    columns.append(pa.array(size[inverse].astype(np.uint32)))
    return pa.table(columns, schema=CLUSTERS)


def count_clusters(clusters: pa.Table) -> ClusterCounts:
    """Return how many clusters there are, of how many documents, and the largest size."""
    sizes = clusters["size"].to_numpy()
    heads = clusters["node"].to_numpy() == clusters["cluster"].to_numpy()
    return ClusterCounts(int(heads.sum()), len(sizes), int(sizes.max(initial=0)))
