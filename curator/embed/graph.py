"""Who is near whom: the graph that joins every vector to its nearest others.

A vector is never its own neighbor, however many equal ones there are. Costs what
`curator.embed.neighbors` costs; the graph itself holds 12 bytes an edge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.embed.directions import directions
from curator.embed.neighbors import Neighbors
from curator.errors import RecipeError


class Graph(NamedTuple):
    """A directed graph of n nodes, compressed by rows.

    Attributes:
        indptr: (n + 1,) where each node's edges begin.
        indices: (E,) where each edge leads.
        weight: (E,) of each edge.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weight: NDArray[np.float32]

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.indptr) - 1

    @property
    def tails(self) -> NDArray[np.int32]:
        """Return where each edge begins, (E,)."""
        return np.repeat(np.arange(self.nodes, dtype=np.int32), np.diff(self.indptr))


def knn_graph(
    vectors_ND: NDArray[np.float32], k: int, *, device: str = "cpu", threads: int = 1
) -> Graph:
    """Return the edges of every vector to its `k` nearest others, weighed by cosine, nearest first.

    Args:
        vectors_ND: of any length but zero.
        k: neighbors of each, fewer than there are vectors.
        device: where products are made.
        threads: share the vectors.

    Raises:
        RecipeError: k is no count below the number of vectors, or a vector has no direction.
    """
    count = len(vectors_ND)
    if not 1 <= k < count:
        raise RecipeError(
            f"{k} neighbors of each of {count} vectors; wanted 1 or more, and fewer than there are"
        )
    unit_ND = directions(vectors_ND, where="nearest neighbors")
    cosine, found = Neighbors(unit_ND, device=device, threads=threads).top_k(unit_ND, k + 1)
    own = found == np.arange(count)[:, None]
    # Among many equal vectors a row may not be among its own k + 1 nearest: the last goes instead.
    own[:, -1] |= ~own.any(axis=1)
    return Graph(
        np.arange(count + 1, dtype=np.int64) * k,
        found[~own].astype(np.int32),
        np.minimum(cosine[~own], np.float32(1)),
    )


def shared_out(graph: Graph) -> Graph:
    """Return the graph with each node's weights as shares of their sum; none below 0 counts.

    A node all of whose weights are 0 or less has no edge left.
    """
    clipped = np.maximum(graph.weight, 0)
    total = np.bincount(graph.tails, clipped, minlength=graph.nodes)
    share = (clipped / np.maximum(total, np.finfo(np.float64).tiny)[graph.tails]).astype(np.float32)
    return _kept(graph._replace(weight=share), clipped > 0)


def transposed(graph: Graph) -> Graph:
    """Return the graph with every edge turned around; edges of a node in rising order."""
    order = np.argsort(graph.indices, kind="stable")
    counts = np.bincount(graph.indices, minlength=graph.nodes)
    return Graph(_begun(counts), graph.tails[order], graph.weight[order])


def _kept(graph: Graph, wanted: NDArray[np.bool_]) -> Graph:
    counts = np.bincount(graph.tails[wanted], minlength=graph.nodes)
    return Graph(_begun(counts), graph.indices[wanted], graph.weight[wanted])


def _begun(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
