"""How near documents are to all targets at once: the mean of a value of their ranks.

The other aggregate of Mizrahi et al. 2025 (arXiv:2507.12466), sections 3.4 and 5.5: log2(1/r)
or 1/r, averaged over targets. It needs every rank, so all documents are held, 4 D bytes each.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from curator.embed.directions import directions
from curator.embed.ranks import GRID
from curator.errors import RecipeError
from curator.identity import random_bits

# Shapes: T targets, N documents, D dimensions, B targets of a block.
Value = Literal["log", "reciprocal"]
_BLOCK: Final = 64  # targets at once: 64 x N products


def mean_rank_values(
    targets_TD: NDArray[np.float32],
    ids: NDArray[np.uint8],
    vectors_ND: NDArray[np.float32],
    value: Value,
    *,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return (N,) means over targets of v(r), r from 1; higher is nearer.

    Equal cosines, on a grid of 0.0001, are ranked by the chance that `TargetRanks` uses. Costs
    2 * T * N * D operations and T sorts of N.

    Args:
        targets_TD: float32 vectors of any length but zero.
        ids: (N, 16) uint8, distinct.
        vectors_ND: float32 vectors of any length but zero.
        value: "log": log2(1/r); "reciprocal": 1/r.
        seed: of the chance.

    Raises:
        RecipeError: no targets, or vectors of other dimensions or without direction.
    """
    if not len(targets_TD):
        raise RecipeError("no targets; wanted at least one to be near to")
    targets = directions(targets_TD, where="targets")
    documents = directions(vectors_ND, dimensions=targets.shape[1], where="documents")
    # With documents in the order of their chance a stable sort breaks ties by it.
    order = np.argsort(random_bits(ids, "best_rank", seed), kind="stable")
    documents = documents[order]
    rank = np.arange(1, len(ids) + 1)
    worth = -np.log2(rank) if value == "log" else 1 / rank
    total = np.zeros(len(ids))
    for start in range(0, len(targets), _BLOCK):
        block = np.zeros((_BLOCK, targets.shape[1]), np.float32)
        count = min(_BLOCK, len(targets) - start)
        block[:count] = targets[start : start + count]
        steps = np.rint((block @ documents.T) / np.float32(GRID)).astype(np.int16)
        for row in steps[:count]:  # a sort a target; int16 is sorted by radix
            total[np.argsort(-row, kind="stable")] += worth
    means = np.empty(len(ids))
    means[order] = total / len(targets)
    return means
