"""Sets of candidates that carry a cloud of targets: each target proposes, transport decides.

Feng et al. 2025, "TAROT: Targeted Data Selection via Optimal Transport" (ICML 2025), read in its
release (vita-epfl/TAROT, tarot/data_selector.py) and not in the paper. Layer k holds the candidates
that some target has as its k-th nearest and none as a nearer one. A set of fixed size takes layer
after layer; how many neighbors a target should propose is estimated on targets held out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.embed.costs import Distances, median_cost
from curator.embed.neighbors import Found
from curator.embed.transport import SHARE, Solved, extended, transport

# Shapes: N candidates, T targets, D dimensions, K neighbors a target.
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
GRID: Final = 1e-4  # of a potential: nearer ones are equal, and the lower row is first
_GROWTH: Final = 1.25  # a plan is made anew once its set has grown so much; between, g is kept
_EXACT: Final = 1e-4  # marginal error: values of plans are compared with each other


class Clouds(NamedTuple):
    """Candidates and targets in one space.

    Attributes:
        candidates: (N, D) unit vectors, in memory or in a file.
        targets: (T, D) unit vectors.
    """

    candidates: NDArray[np.floating[Any]]
    targets: F32


class Placed(NamedTuple):
    """Candidates in the order in which they are taken.

    Attributes:
        rows: (n,) of the candidates.
        layer: (n,) from 1, never falling.
        potential: (n,) float32, f of the plan that moves a set with this layer to the targets.
        error: largest marginal error of a plan.
    """

    rows: I64
    layer: I64
    potential: F32
    error: float


def layers_of(row_TK: I64, candidates: int) -> I64:
    """Return the best place of each candidate in the targets' lists, from 1; 0: in none."""
    beyond = row_TK.shape[1] + 1
    layer = np.full(candidates, beyond, np.int64)
    for place in range(row_TK.shape[1] - 1, -1, -1):  # the best place is written last
        layer[row_TK[:, place]] = place + 1
    layer[layer == beyond] = 0
    return layer


def placed(
    clouds: Clouds,
    layer_N: I64,
    *,
    eps: float | None = None,
    release: bool = False,
    threads: int = 1,
) -> Placed:
    """Return the candidates that have a layer, layer by layer and each by its lowest potentials.

    A budget that ends within a layer so takes those of it whose mass lowers the cost of transport
    from all that is taken to the targets most.

    Args:
        clouds: candidates and targets.
        layer_N: (N,) from 1; 0: the candidate has no place.
        eps: in the unit of distances; None: 0.01 of the median.
        release: as the published code has it: the highest potentials first, of the plan that moves
            the layer alone.
        threads: share blocks of costs.
    """
    rows = np.flatnonzero(layer_N)
    rows = rows[np.argsort(layer_N[rows], kind="stable")]
    _, first = np.unique(layer_N[rows], return_index=True)
    blur = eps or SHARE * median_cost(Distances(*clouds, rows_N=rows))
    potential = np.zeros(len(rows), np.float32)
    solved: Solved | None = None
    made_for, error = 0, 0.0
    for begin, end in zip(first, [*first[1:], len(rows)], strict=True):
        if release or solved is None or end >= _GROWTH * made_for:
            moved = rows[begin:end] if release else rows[:end]
            before = None if solved is None else solved.g
            solved = _plan(clouds, moved, blur, before, threads)
            made_for, error = end, max(error, solved.marginal_error)
        costs = Distances(*clouds, rows_N=rows[begin:end])
        found = extended(costs, solved, threads=threads)
        steps = np.rint(found / GRID)
        order = np.argsort(-steps if release else steps, kind="stable")
        potential[begin:end] = found[order]
        rows[begin:end] = rows[begin:end][order]
    return Placed(rows, layer_N[rows], potential, error)


def _plan(clouds: Clouds, rows: I64, eps: float, begin: F32 | None, threads: int) -> Solved:
    costs = Distances(*clouds, rows_N=rows)
    solved = transport(costs, eps=eps, begin=begin, tolerance=_EXACT, threads=threads)
    return solved.converged()


class Fold(NamedTuple):
    """What one part of the targets proposed, and how well it carries the others.

    Attributes:
        k: neighbors of each target.
        rows: of the candidates proposed.
        cost: of transport to the targets of the other folds.
        next_cost: with one neighbor more; NaN where the lists end.
        ended: the lists ended before the cost rose.
    """

    k: int
    rows: I64
    cost: float
    next_cost: float
    ended: bool


def estimated(
    clouds: Clouds,
    nearest: Found,
    fold_T: I64,
    *,
    eps: float,
    release: bool = False,
    threads: int = 1,
) -> list[Fold]:
    """Return for each fold the set whose cost is lowest, before the first neighbor that raises it.

    The k nearest of every target of a fold, as far as their cosine is above 0, are moved to the
    targets of all other folds. k doubles until the cost rises; then the last k before a rise is
    found by halving, which is where counting up would stop if the cost falls and then rises.

    Args:
        clouds: candidates and targets.
        nearest: cosines (T, K) falling, and rows (T, K).
        fold_T: (T,) number of each target's fold.
        eps: in the unit of distances, the same for all sets: else their costs do not compare.
        release: as the published code has it: k is counted up, and the set returned is the first
            one whose cost is higher.
        threads: share blocks of costs.
    """
    folds = []
    for number in range(int(fold_T.max()) + 1):
        proposing = fold_T == number
        lists = (nearest[0][proposing], nearest[1][proposing])
        judged = _Judged(Clouds(clouds.candidates, clouds.targets[~proposing]), lists, eps, threads)
        last = nearest[1].shape[1]
        k = counted_up(judged.cost, last) if release else before_rise(judged.cost, last)
        shown = k + 1 if release and k < last else k
        after = judged.cost(k + 1) if k < last else np.nan
        folds.append(Fold(shown, judged.rows(shown), judged.cost(shown), after, k == last))
    return folds


def before_rise(cost: Callable[[int], float], last: int) -> int:
    """Return k in 1..last with cost(k + 1) >= cost(k), for a cost that falls and then rises.

    About 2 log2(k) costs are asked for.
    """
    low, high = 1, 2
    while high <= last and cost(high) < cost(high // 2):
        high *= 2
    low, high = max(1, high // 4), min(high, last)
    while low < high:
        middle = (low + high) // 2
        if cost(middle + 1) >= cost(middle):
            high = middle
        else:
            low = middle + 1
    return low


def counted_up(cost: Callable[[int], float], last: int) -> int:
    """Return the first k in 1..last with cost(k + 1) >= cost(k), asking for one after the other."""
    for k in range(1, last):
        if cost(k + 1) >= cost(k):
            return k
    return last


@dataclass
class _Judged:
    """Costs of what a fold's targets propose, each found once, from the potentials before it."""

    clouds: Clouds
    nearest: Found
    eps: float
    threads: int
    known: dict[int, float] = field(default_factory=dict)
    begin: F32 | None = None

    def rows(self, k: int) -> I64:
        """Return the candidates that k neighbors are, ascending."""
        cosine, row = (part[:, :k] for part in self.nearest)
        return np.unique(row[cosine > 0])

    def cost(self, k: int) -> float:
        """Return the cost of moving them to the other folds' targets; infinite for none."""
        if k not in self.known:
            rows = self.rows(k)
            self.known[k] = np.inf
            if len(rows):
                solved = _plan(self.clouds, rows, self.eps, self.begin, self.threads)
                self.known[k], self.begin = solved.value, solved.g
        return self.known[k]
