"""The dynamic program behind `curator.train.clusters`, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.text.compile import compiled, part

Floats = NDArray[np.float64]


@part
def spread(weight: Floats, first: Floats, second: Floats, start: int, stop: int) -> float:
    """Return the sum of squares to the mean of points `start` to `stop`, by running sums."""
    mass = weight[stop] - weight[start]
    moment = first[stop] - first[start]
    found: float = second[stop] - second[start] - moment * moment / mass
    return max(0.0, found)


@compiled
def ends_of(weight: Floats, first: Floats, second: Floats, groups: int) -> NDArray[np.int64]:
    """Return where each group but the last ends, (groups - 1,), rising.

    Args:
        weight: (n + 1,) running sum of how often each point stands there, from 0.
        first: of the points.
        second: of their squares.
        groups: from 1 to n.
    """
    n = len(weight) - 1
    cost = np.empty(n + 1)
    cost[0] = 0.0
    for stop in range(1, n + 1):
        cost[stop] = spread(weight, first, second, 0, stop)
    begin = np.zeros((groups, n + 1), np.int64)
    stack = np.empty((4 * 64, 4), np.int64)  # halves of halves: two a level, 64 levels at most
    for layer in range(1, groups):
        before = cost.copy()
        cost[:] = np.inf
        top = 1
        stack[0] = (layer + 1, n, layer, n - 1)
        while top > 0:
            top -= 1
            low, high, least, most = stack[top]
            if low > high:
                continue
            middle = (low + high) // 2
            best = least
            for start in range(least, min(most, middle - 1) + 1):
                found = before[start] + spread(weight, first, second, start, middle)
                if found < cost[middle]:
                    cost[middle] = found
                    best = start
            begin[layer, middle] = best
            stack[top] = (low, middle - 1, least, best)
            stack[top + 1] = (middle + 1, high, best, most)
            top += 2
    ends = np.empty(groups - 1, np.int64)
    stop = n
    for layer in range(groups - 1, 0, -1):
        stop = begin[layer, stop]
        ends[layer - 1] = stop
    return ends
