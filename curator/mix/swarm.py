"""Many mixtures of one pool's sources that differ as much as the pool can bear.

Models of one size that read different mixtures differ in what they know rather than in how much:
what a comparison of losses across models needs (PreSelect, Shum et al. 2025, arXiv:2503.00808;
perplexity correlations, Thrush et al. 2025, arXiv:2409.05816).
"""

# Shapes: K mixtures, S sources.
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError

# Each mixture holds this share of the pool's own, so no source is ever wholly absent: any mixtures
# can then be made to fit into a pool that is large enough. Ours.
_OF_POOL = 0.02
_ROUNDS = 10_000
_CLOSE = 1e-9


def draw_mixtures(
    shares: NDArray[np.float64], count: int, *, concentration: float, seed: int
) -> NDArray[np.float64]:
    """Return `count` mixtures, (K, S), each row summing to 1: Dirichlet around the pool's shares.

    A row is drawn with parameters concentration x S x shares: its mean is the pool's mixture, and
    with equal shares every parameter is `concentration`.

    Args:
        shares: (S,) positive, summing to 1: the pool's tokens by source.
        count: mixtures wanted; the first ones do not depend on how many.
        concentration: positive; below 1 a few sources dominate a mixture, far above 1 every
            mixture is nearly the pool's.
        seed: of the draw.
    """
    alphas = concentration * len(shares) * shares
    drawn = [np.random.default_rng([seed, number]).dirichlet(alphas) for number in range(count)]
    return (1 - _OF_POOL) * np.array(drawn) + _OF_POOL * shares


def within(
    mixtures: NDArray[np.float64], most: NDArray[np.float64], *, where: str = ""
) -> NDArray[np.float64]:
    """Return the mixtures changed so that no source is asked for more than it has, (K, S).

    Columns that sum to more than `most` are scaled down to it and rows back to 1, in turn, until
    both hold: the nearest such mixtures in relative entropy (iterative proportional fitting).

    Args:
        mixtures: (K, S) positive, rows summing to 1.
        most: (S,) what the sum of each column may be.
        where: what an error is about.

    Raises:
        BudgetError: `most` sums to less than K, the number of mixtures.
    """
    fitted = mixtures.copy()
    if most.sum() < len(fitted):
        raise BudgetError(
            f"{len(fitted)} mixtures of equal size, and the sources hold {most.sum():.2f} of that "
            "size; ask for fewer or smaller ones",
            where=where,
        )
    for _ in range(_ROUNDS):
        asked = fitted.sum(axis=0)
        if (asked <= most * (1 + _CLOSE)).all():
            break
        fitted *= np.minimum(1, most / asked)
        fitted /= fitted.sum(axis=1, keepdims=True)
    return fitted


def cut_points(
    chance: NDArray[np.float64], tokens: NDArray[np.int64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where to cut one source's documents, sorted by chance, into K disjoint lots, (K,).

    A document whose chance lies in [cut k-1, cut k) is of lot k; before the first cut stands 0.
    A document goes to the lot that its middle token falls into, so a lot is wrong by at most half
    a document at either end.

    Args:
        chance: (n,) in (0, 1), each document's own.
        tokens: (n,) of each document.
        wanted: (K,) tokens of each lot; together at most what there is.
    """
    order = np.argsort(chance)
    rising, size = chance[order], tokens[order].astype(np.float64)
    middle = np.cumsum(size) - size / 2
    first = np.searchsorted(middle, np.cumsum(wanted))  # the first document past each lot
    cuts: NDArray[np.float64] = np.append(rising, 1.0)[first]
    return cuts
