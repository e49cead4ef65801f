"""The best `k` of a stream of products, kept for many queries at once.

A product is compared with the worst one that its query still keeps. After the first few blocks
nearly all fail, so a block is read once, 128 products at a time, and only the few that pass go
through a heap: reading costs a few percent of the matrix product that made the block.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.text.compile import block, compiled, leaf

# Shapes: Q queries, B products of a block, K kept.
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]
_CHUNK = 128  # products compared before it is asked whether any of them passed
_EXACT = 0.0  # as a grid: products are compared as they are


class Kept(NamedTuple):
    """What queries keep, each row the best first; unused places at the end have number -1.

    Attributes:
        value_QK: float32, products; whole steps of the grid where there is one.
        tie_QK: uint64, of equal values the lowest is the better one.
        number_QK: int64, who it is.
    """

    value_QK: F32
    tie_QK: U64
    number_QK: I64


class Best:
    """The `k` best of all products offered so far, for each of `queries`.

    Which are kept depends on values and ties alone, not on blocks or their order. Holds
    20 * queries * k bytes.

    Args:
        queries: how many.
        k: kept for each.
        grid: values are compared as whole steps of it; 0: as they are.
    """

    def __init__(self, queries: int, k: int, *, grid: float = _EXACT) -> None:
        self._kept = Kept(
            np.empty((queries, k), np.float32),
            np.empty((queries, k), np.uint64),
            np.full((queries, k), -1, np.int64),
        )
        self._held_Q = np.zeros(queries, np.int64)
        self._grid = np.float32(grid)

    def offer(self, first: int, products_QB: F32, ties_B: U64, numbers_B: I64) -> None:
        """Let the queries from number `first` on choose from a block; threads may share queries.

        Args:
            first: the query of the block's first row.
            products_QB: float32, none NaN; columns beyond the ties are padding and ignored.
            ties_B: (B,) of equal products the lowest tie is the better one.
            numbers_B: (B,) who the products are with.
        """
        rows = slice(first, first + len(products_QB))
        mine = [array[rows] for array in (*self._kept, self._held_Q)]
        choose: Any = _choose  # mypy does not count what a star unpacks
        choose(products_QB, ties_B, numbers_B, *mine, self._grid)

    def kept(self) -> Kept:
        """Return what is kept, the best first."""
        value, tie = self._kept.value_QK.copy(), self._kept.tie_QK.copy()
        beyond = np.arange(value.shape[1]) >= self._held_Q[:, None]
        value[beyond], tie[beyond] = -np.inf, np.iinfo(np.uint64).max
        order = np.lexsort((tie, -value), axis=1)
        return Kept(
            np.take_along_axis(value, order, axis=1),
            np.take_along_axis(tie, order, axis=1),
            np.take_along_axis(self._kept.number_QK, order, axis=1),
        )

    def renumber(self, numbers: I64) -> None:
        """Call each kept `n` by `numbers[n]` from now on."""
        used = self._kept.number_QK >= 0
        self._kept.number_QK[used] = numbers[self._kept.number_QK[used]]


@leaf
def _worse(value: float, tie: int, than_value: float, than_tie: int) -> bool:
    """Whether the first of two products goes before the second is dropped."""
    return value < than_value or (value == than_value and tie > than_tie)


@block
def _enter(value: F32, tie: U64, number: I64, at: int, found: float, with_tie: int) -> int:
    """Return the place of a new product in a heap of `at`, its worst on top."""
    while at > 0:
        above = (at - 1) // 2
        if not _worse(found, with_tie, value[above], tie[above]):
            break
        value[at], tie[at], number[at] = value[above], tie[above], number[above]
        at = above
    return at


@block
def _replace(value: F32, tie: U64, number: I64, found: float, with_tie: int) -> int:
    """Return the place of a new product in a full heap that loses the one on top."""
    at = 0
    while 2 * at + 1 < len(value):
        below = 2 * at + 1
        other = below + 1
        if other < len(value) and _worse(value[other], tie[other], value[below], tie[below]):
            below = other
        if not _worse(value[below], tie[below], found, with_tie):
            break
        value[at], tie[at], number[at] = value[below], tie[below], number[below]
        at = below
    return at


@leaf
def _any_from(products: F32, floor: float) -> bool:
    """Whether a product is `floor` or more; 32-bit counting is what makes it a vector loop."""
    hits = np.int32(0)
    for place in range(len(products)):
        hits += np.int32(products[place] >= floor)
    return bool(hits > 0)


@compiled
def _choose(
    products: F32,
    ties: U64,
    numbers: I64,
    value: F32,
    tie: U64,
    number: I64,
    held: I64,
    grid: np.float32,
) -> None:
    """Let each row of products into its query's heap."""
    count, k = len(ties), value.shape[1]
    for query in range(len(products)):
        row = products[query]
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            if held[query] == k:
                floor = value[query, 0]
                if grid > 0:
                    floor = (floor - np.float32(0.51)) * grid  # less cannot round up to it
                if not _any_from(row[start:stop], floor):
                    continue
            for place in range(start, stop):
                found = np.rint(row[place] / grid) if grid > 0 else row[place]
                if held[query] < k:
                    at = _enter(
                        value[query], tie[query], number[query], held[query], found, ties[place]
                    )
                    held[query] += 1
                elif _worse(value[query, 0], tie[query, 0], found, ties[place]):
                    at = _replace(value[query], tie[query], number[query], found, ties[place])
                else:
                    continue
                value[query, at], tie[query, at] = found, ties[place]
                number[query, at] = numbers[place]
