"""Vectors held to what comparing directions needs: every one finite, and none of length zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError


def directions(
    vectors_ND: NDArray[np.floating[Any]], *, dimensions: int = 0, where: str = "vectors"
) -> NDArray[np.float32]:
    """Return the rows as float32 at length one.

    Args:
        vectors_ND: of any float type and of any length but zero.
        dimensions: wanted of each; 0: any.
        where: what an error is about.

    Raises:
        RecipeError: not a matrix, other dimensions, or a row without direction.
    """
    if vectors_ND.ndim != 2 or dimensions not in (0, vectors_ND.shape[1]):
        raise RecipeError(
            f"vectors of shape {vectors_ND.shape}; wanted {dimensions or 'some'} dimensions each, "
            "all from one encoder",
            where=where,
        )
    wide = np.ascontiguousarray(vectors_ND, np.float32)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms[:, 0]) | (norms[:, 0] == 0))
    if len(bad):
        raise RecipeError(
            f"{len(bad)} of {len(wide)} vectors are not finite or have no length, the first in row "
            f"{bad[0]}; leave such documents out",
            where=where,
        )
    scaled: NDArray[np.float32] = wide / norms
    return scaled
