"""Parts of numbers by value: the exact k-means of one dimension.

On a line, the parts of the best clustering are stretches of the sorted numbers, so a dynamic
program over where they end finds it (Wang and Song 2011, "Ckmeans.1d.dp", The R Journal 3(2)).
The best end moves right with what is to be parted, so each layer is divided and conquered:
O(k n log n), and the same answer every time, which iterations from a drawn start do not give.
"""

# Shapes: N numbers, G groups.
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

Floats = NDArray[np.float64]


def cluster(values_N: Floats, groups: int) -> NDArray[np.int64]:
    """Return the group of each number, (N,), 0 the smallest: sums of squares to means are least.

    Numbers that are equal are in one group, so that there are fewer groups than asked for where
    there are fewer different numbers.

    Raises:
        RecipeError: no group, or a number that is none.
    """
    if groups < 1:
        raise RecipeError(f"{groups} groups; wanted at least 1")
    if not np.isfinite(values_N).all():
        raise RecipeError("some numbers to part are not finite; wanted numbers")
    if not len(values_N):
        return np.zeros(0, np.int64)
    points, place, times = np.unique(values_N, return_inverse=True, return_counts=True)
    if groups >= len(points):
        return place.reshape(-1).astype(np.int64)
    from curator.train.cluster_kernel import ends_of  # numba, only where something is parted

    centered = points - points.mean()
    weight = np.concatenate([[0.0], np.cumsum(times)])
    first = np.concatenate([[0.0], np.cumsum(times * centered)])
    second = np.concatenate([[0.0], np.cumsum(times * centered**2)])
    ends = ends_of(weight, first, second, groups)
    found: NDArray[np.int64] = np.searchsorted(ends, place.reshape(-1), side="right")
    return found
