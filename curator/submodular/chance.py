"""Which of several equal elements comes first: that with the lower chance, wherever it stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError


def ranks_of(chance: NDArray[np.float64] | None, n: int) -> NDArray[np.int64]:
    """Return (n,) int64, the place of each element by its chance, the lowest first.

    Args:
        chance: (n,) a number of each element's own, such as `curator.identity.uniform` gives a
            document, so that the order of rows decides nothing; None: the rows' order.
        n: how many elements there are.

    Raises:
        RecipeError: there are not `n` of them.
    """
    ranks = np.arange(n)
    if chance is not None:
        if len(chance) != n:
            raise RecipeError(f"chance is of {len(chance)} elements; wanted {n}, one for each")
        ranks[np.argsort(chance, kind="stable")] = np.arange(n)
    return ranks
