"""Greedy maximum coverage: which nodes touch the most sets, each set counted once.

With reverse-reachable sets as the sets, the share of sets that some nodes touch is an unbiased
estimate of how far influence spreads from them (Borgs et al. 2014, arXiv:1212.0884), and greedy
coverage is within 1 - 1/e of the best. Costs one visit to every number in the sets: whenever a set
is covered the gains of its nodes fall by one, so that gains are never counted again. Holds four
bytes for every number beside the sets themselves.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.submodular.chance import ranks_of
from curator.text.compile import compiled


class Cover(NamedTuple):
    """Nodes in the order in which they were taken, and the sets that each newly touched.

    Attributes:
        order: (k,) int64.
        gains: (k,) int64; never rises.
    """

    order: NDArray[np.int64]
    gains: NDArray[np.int64]


def cover(
    indptr: NDArray[np.integer],
    indices: NDArray[np.integer],
    n: int,
    k: int,
    *,
    chance: NDArray[np.float64] | None = None,
) -> Cover:
    """Return `k` of `n` nodes, each the one that touches the most sets not touched before it.

    Args:
        indptr: (S + 1,) set s holds the nodes indices[indptr[s]:indptr[s + 1]], each once.
        indices: nodes, 0 to n - 1.
        n: how many nodes there are.
        k: how many to take, at most `n`; nodes that touch nothing new come last, with gain 0.
        chance: (n,) of equal nodes the one with the lower number comes first; None: the first.

    Raises:
        RecipeError: `k` is not in 0 to n, or the sets are not laid out like this.
    """
    starts, nodes = np.asarray(indptr, np.int64), np.asarray(indices)
    if not 0 <= k <= n:
        raise RecipeError(f"cannot take {k!r} of {n!r} nodes; wanted 0 to {n!r}")
    if len(starts) < 1 or starts[0] != 0 or starts[-1] != len(nodes) or (np.diff(starts) < 0).any():
        raise RecipeError(
            f"offsets of sets run from {starts[:1].tolist()} to {starts[-1:].tolist()} over "
            f"{len(nodes)} numbers; wanted them to rise from 0 to {len(nodes)}"
        )
    if len(nodes) and not (nodes.min() >= 0 and nodes.max() < n):
        raise RecipeError(
            f"sets hold nodes {int(nodes.min())} to {int(nodes.max())}; wanted 0 to {n - 1}"
        )
    members = nodes.astype(np.int32, copy=False)
    bounds, touched = _turned(starts, members, n)
    order, gains = _cover(starts, members, bounds, touched, ranks_of(chance, n), k)
    return Cover(order, gains)


@compiled
def _turned(
    starts: NDArray[np.int64], nodes: NDArray[np.int32], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Node by node the sets that hold it, and where each node's begin."""
    bounds = np.zeros(n + 1, np.int64)
    for node in nodes:
        bounds[node + 1] += 1
    for node in range(n):
        bounds[node + 1] += bounds[node]
    filled = bounds[:n].copy()
    touched = np.empty(len(nodes), np.int32)
    for owner in range(len(starts) - 1):
        for at in range(starts[owner], starts[owner + 1]):
            node = nodes[at]
            touched[filled[node]] = owner
            filled[node] += 1
    return bounds, touched


@compiled
def _cover(
    starts: NDArray[np.int64],
    nodes: NDArray[np.int32],
    bounds: NDArray[np.int64],
    touched: NDArray[np.int32],
    ranks: NDArray[np.int64],
    k: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order and the gains."""
    n = len(bounds) - 1
    counts = np.diff(bounds)  # what every node would still gain
    node_at = np.empty(n, np.int64)
    for node in range(n):
        node_at[ranks[node]] = node
    # A gain and a rank as one number, the largest gain and then the lowest rank first in the heap.
    heap = [-counts[node] * n + ranks[node] for node in range(n)]
    heapify(heap)
    done = np.zeros(len(starts) - 1, np.bool_)
    order, gains = np.empty(k, np.int64), np.empty(k, np.int64)
    for place in range(k):
        while True:
            top = heappop(heap)
            rank = top % n
            node = node_at[rank]
            current = -counts[node] * n + rank
            if current == top:
                break
            heappush(heap, current)  # what was known of it was too much: gains only fall
        order[place], gains[place] = node, counts[node]
        for at in range(bounds[node], bounds[node + 1]):
            reached = touched[at]
            if not done[reached]:
                done[reached] = True
                for other in range(starts[reached], starts[reached + 1]):
                    counts[nodes[other]] -= 1
    return order, gains
