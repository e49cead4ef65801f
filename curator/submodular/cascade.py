"""Influence in a graph under the independent cascade, by reverse-reachable sets.

In a cascade an active node activates each neighbor once, with the edge's probability. A
reverse-reachable set has all nodes whose activity would reach one node drawn by chance; the share
of such sets that a choice of nodes hits is the share of the graph that the choice activates
(Borgs et al. 2014, arXiv:1212.0884). So the greedy choice is a greedy cover of sets, made once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError, RecipeError
from curator.submodular.coverage import cover
from curator.text.compile import compiled, leaf

MOST_NODES = 1 << 28  # of all sets: 1 GB, and as much again while they are joined or covered
_BLOCK = 1 << 20  # nodes of sets written at once
_ROUND = 1e-6  # shares are float32: a sum of them may pass 1 by so much


class InEdges(NamedTuple):
    """The edges into each node of a graph of n nodes, compressed by rows.

    Attributes:
        indptr: (n + 1,) where the edges into a node begin.
        tails: (E,) where each comes from.
        chance: (E,) that its tail, once active, activates the node.
        keys: (n,) uint64, what the coins of a node's edges are drawn by: of its document.
    """

    indptr: NDArray[np.int64]
    tails: NDArray[np.int32]
    chance: NDArray[np.float32]
    keys: NDArray[np.uint64]


class ReverseSets(NamedTuple):
    """Reverse-reachable sets, compressed: set t has nodes[indptr[t] : indptr[t + 1]]."""

    indptr: NDArray[np.int64]
    nodes: NDArray[np.int32]

    @property
    def size(self) -> int:
        """How many sets there are."""
        return len(self.indptr) - 1


class Influential(NamedTuple):
    """Nodes in the order chosen, and how many more of the graph's nodes each activates."""

    nodes: NDArray[np.int64]
    gain: NDArray[np.float64]


def reverse_sets(
    edges: InEdges, count: int, *, seed: int = 0, first: int = 0, most: int = MOST_NODES
) -> ReverseSets:
    """Return `count` reverse-reachable sets, each node in a set once.

    Args:
        edges: of the graph.
        count: sets wanted.
        seed: of their roots and coins.
        first: number of the first set; sets of other numbers are independent.
        most: nodes that all sets may have together, four bytes each.

    Raises:
        BudgetError: the sets have more than `most` nodes.
        RecipeError: a chance outside [0, 1], a graph without edges, or no sets wanted.
    """
    if count < 1:
        raise RecipeError(f"{count} reverse-reachable sets; wanted 1 or more")
    if not len(edges.tails):
        raise RecipeError(
            "no node of the graph has an edge: nothing activates anything; wanted documents some "
            "of which have a cosine above 0, or another encoder"
        )
    wrong = np.flatnonzero(~((edges.chance >= 0) & (edges.chance <= 1 + _ROUND)))  # NaN too
    if len(wrong):
        raise RecipeError(
            f"{len(wrong)} edges have no probability, the first {edges.chance[wrong[0]]!r}; wanted "
            "numbers in [0, 1]: clip cosines below 0 and divide by their sum"
        )
    _require_room(count, 0, count, most)  # a set has its root at least
    nodes = len(edges.indptr) - 1
    mark = np.full(nodes, -1, np.int64)
    room = np.empty(_BLOCK + nodes, np.int32)
    sizes = np.zeros(count, np.int64)
    parts = []
    done = held = 0
    while done < count:
        stopped, written = _draw(*edges, first, done, seed & (1 << 63) - 1, mark, sizes, room)
        parts.append(room[:written].copy())
        done = stopped
        held += written
        _require_room(held, done, count, most)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return ReverseSets(indptr, np.concatenate(parts))


def _require_room(nodes: int, done: int, count: int, most: int) -> None:
    if nodes > most:
        raise BudgetError(
            f"{done or count:,} of {count:,} reverse-reachable sets have {nodes:,} nodes or more; "
            f"{most:,} are allowed: ask for fewer `sets`, or look `among` fewer documents"
        )


def most_influential(sets: ReverseSets, nodes: int, k: int) -> Influential:
    """Return up to `k` of a graph's nodes that greedily hit most sets; none that hits no new one.

    The first, of equal ones the lowest node, is the most influential alone. Reaches 1 - 1/e of
    the best choice's hits.
    """
    chosen, gained = cover(sets.indptr, sets.nodes, nodes, k)
    some = gained > 0
    gain = gained[some] * (nodes / sets.size)
    return Influential(chosen[some].astype(np.int64), gain.astype(np.float64))


def influence(sets: ReverseSets, nodes: int, chosen: NDArray[np.int64]) -> float:
    """Return how many of a graph's nodes a choice activates, itself among them, by `sets`.

    Unbiased if the choice was not made from the same sets.
    """
    member = np.zeros(nodes, bool)
    member[chosen] = True
    hits = np.logical_or.reduceat(member[sets.nodes], sets.indptr[:-1])
    return float(hits.mean() * nodes)


@leaf
def _uniform(bits: Any) -> float:
    return float(bits >> np.uint64(11)) * 2.0**-53


@leaf
def _mixed(bits: Any) -> Any:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014, OOPSLA)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@compiled
def _draw(
    indptr: NDArray[np.int64],
    tails: NDArray[np.int32],
    chance: NDArray[np.float32],
    keys: NDArray[np.uint64],
    first: int,
    done: int,
    seed: int,
    mark: NDArray[np.int64],
    sizes: NDArray[np.int64],
    room: NDArray[np.int32],
) -> tuple[int, int]:
    """Fill `room` with sets from number `done` on; return the next number and nodes written."""
    nodes = len(indptr) - 1
    written = 0
    while done < len(sizes) and written + nodes <= len(room):
        start = _mixed(np.uint64(seed) + np.uint64(first + done) * np.uint64(0x9E3779B97F4A7C15))
        root = int(_uniform(_mixed(start ^ np.uint64(0xD1B54A32D192ED03))) * nodes)
        begin, at = written, written
        room[written] = root
        written += 1
        mark[root] = first + done
        while at < written:
            node = room[at]
            at += 1
            for edge in range(indptr[node], indptr[node + 1]):
                tail = tails[edge]
                if mark[tail] == first + done:
                    continue  # active already: no node is activated twice
                coin = _mixed(_mixed(start ^ keys[tail]) + keys[node])
                if _uniform(coin) < chance[edge]:
                    mark[tail] = first + done
                    room[written] = tail
                    written += 1
        sizes[done] = written - begin
        done += 1
    return done, written
