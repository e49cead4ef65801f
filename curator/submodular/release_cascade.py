"""IDEAL's greedy choice as its authors' code makes it, for comparison with the right one.

core_method.py of skzhang1/IDEAL (`infmax`, `ic_diffusion_model`): the first node is the first of
those with most edges, which all have the same number; the influence of each further candidate is
the mean size of ten simulated cascades, in which a node that two others activate in one step
counts twice, and then has two chances to activate each neighbor. Every candidate is simulated for
every pick: for thousands of documents at most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.text.compile import compiled, part

MOST = 5_000  # nodes that this way may be asked for
SIMULATIONS = 10  # `rand_iter` of the release


def release_greedy(
    indptr: NDArray[np.int64],
    heads: NDArray[np.int32],
    chance: NDArray[np.float32],
    k: int,
    *,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return up to `k` nodes in the order chosen, and the influence estimated after each.

    Args:
        indptr: (n + 1,) where the edges out of each node begin.
        heads: (E,) where each leads.
        chance: (E,) that it is taken; as in the release it may be negative, and then never is.
        k: nodes wanted.
        seed: of the simulations.
    """
    random = np.random.default_rng(seed % (1 << 63))
    return _greedy(indptr, heads, chance, min(k, len(indptr) - 1), random)


@part
def _mean_size(
    indptr: NDArray[np.int64],
    heads: NDArray[np.int32],
    chance: NDArray[np.float32],
    seeds: NDArray[np.int64],
    room: NDArray[np.int64],
    random: Any,
) -> float:
    total = 0
    active = np.zeros(len(indptr) - 1, np.bool_)
    for _ in range(SIMULATIONS):
        active[:] = False
        for place in range(len(seeds)):
            room[place] = seeds[place]
            active[seeds[place]] = True
        begin, end = 0, len(seeds)
        while begin < end:
            written = end
            for at in range(begin, end):
                for edge in range(indptr[room[at]], indptr[room[at] + 1]):
                    head = heads[edge]
                    # Not marked until the step is over: the release appends it once an edge.
                    fits = written < len(room)
                    if not active[head] and fits and random.random() < chance[edge]:
                        room[written] = head
                        written += 1
            for at in range(end, written):
                active[room[at]] = True
            begin, end = end, written
        total += end
    return total / SIMULATIONS


@compiled
def _greedy(
    indptr: NDArray[np.int64],
    heads: NDArray[np.int32],
    chance: NDArray[np.float32],
    k: int,
    random: Any,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    nodes = len(indptr) - 1
    chosen = np.full(k, -1, np.int64)
    reached = np.zeros(k)
    member = np.zeros(nodes, np.bool_)
    room = np.empty(16 * nodes + 1024, np.int64)  # a cascade with its repetitions; cut beyond
    chosen[0] = np.argmax(indptr[1:] - indptr[:-1])
    member[chosen[0]] = True
    for place in range(1, k):
        best, most = -1, 0.0
        for node in range(nodes):
            if member[node]:
                continue
            chosen[place] = node
            found = _mean_size(indptr, heads, chance, chosen[: place + 1], room, random)
            if found > most:
                best, most = node, found
        chosen[place], reached[place] = best, most
        member[best] = True
    return chosen, reached
