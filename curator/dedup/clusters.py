"""Connected components of the edges: sets of candidates, not yet decisions.

The only step that runs in one process over all of the corpus: 16 bytes an edge, and only documents
that share a band with another appear. Transitive chains are harmless because every document is
later compared with the survivor itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.dedup.minhash import EDGES
from curator.text.compile import compiled

CLUSTERS: Final = pa.schema(
    [
        pa.field("node", pa.uint64(), nullable=False),  # rising; see curator.dedup.minhash
        pa.field("cluster", pa.uint64(), nullable=False),  # its smallest node
        pa.field("size", pa.uint32(), nullable=False),  # nodes in the cluster
    ],
    metadata={"curator.schema": "clusters/1"},
)


def find_clusters(edges: Iterable[pa.Table]) -> pa.Table:
    """Return `CLUSTERS`: every node that has an edge, once, whatever the order of the edges."""
    found = pa.concat_tables([EDGES.empty_table(), *edges])
    left, right = found["left"].to_numpy(), found["right"].to_numpy()
    node, place = np.unique(np.concatenate([left, right]), return_inverse=True)
    root = _roots(place[: len(left)], place[len(left) :], len(node))
    size = np.bincount(root, minlength=len(node))[root].astype(np.uint32)
    return pa.table([pa.array(node), pa.array(node[root]), pa.array(size)], schema=CLUSTERS)


@compiled
def _roots(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.int64]:
    """The smallest place in each place's component: union-find with path halving."""
    parent = np.arange(n)
    for edge in range(len(left)):
        a, b = left[edge], right[edge]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        # The smaller root wins, so that clusters are named without regard to the order of edges.
        parent[max(a, b)] = min(a, b)
    for place in range(n):  # parents are smaller, so theirs are final already
        parent[place] = parent[parent[place]]
    return parent
