"""Unit vectors visited one after another: which have a cosine above a limit with an earlier one.

Cosines are compared in whole steps of 0.001, which floats hold exactly, and products are made in
blocks of one fixed shape: no answer depends on how vectors were cut or where a block began.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Shapes: N vectors, K centroids, D dimensions, B vectors of a block.
GRID: Final = 1e-3  # of a cosine: vectors are stored in half precision
_NOWHERE: Final = -2000.0  # steps; below every cosine
_SLACK: Final = 1e-6  # steps: 1 - 0.003 comes out just below 0.997
_BLOCK: Final = 256  # vectors multiplied at a time; one shape, so that sums come in one order

Counting = Literal["kept", "all", "block"]


class Similar(NamedTuple):
    """What each vector is removed for.

    Attributes:
        original: (n,) int64, an earlier vector, -1 where it stays.
        cosine: (n,) float32 with it, on a grid of 0.001; 0 where it stays.
        closest: (n,) float32, the largest cosine with an earlier vector that counts, on the grid;
            -1 where there is none.
    """

    original: NDArray[np.int64]
    cosine: NDArray[np.float32]
    closest: NDArray[np.float32]


class Earlier:
    """Vectors that those to come are compared with, and which of all visited they are.

    Args:
        dimensions: of each.
        half: hold them in half precision, two bytes a number; only for vectors that came so.
    """

    def __init__(self, dimensions: int, *, half: bool = False) -> None:
        self._held_ND = np.zeros((_BLOCK, dimensions), np.float16 if half else np.float32)
        self._rows = np.zeros(_BLOCK, np.int64)
        self.count = 0  # held
        self.visited = 0  # ever looked at, held or not

    def add(self, vectors_ND: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Hold some more; a block of zeros always follows the last one."""
        stop = self.count + len(rows)
        room = len(self._rows)
        if stop + _BLOCK > room:
            room = max(2 * room, stop + _BLOCK)
            held, known = self._held_ND[: self.count], self._rows[: self.count]
            self._held_ND = np.zeros((room, held.shape[1]), held.dtype)
            self._held_ND[: self.count] = held
            self._rows = np.zeros(room, np.int64)
            self._rows[: self.count] = known
        self._held_ND[self.count : stop] = vectors_ND
        self._rows[self.count : stop] = rows
        self.count = stop

    def nearest(
        self, block_ND: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the steps to the nearest one held of the first `count` vectors, and its row."""
        best, who = np.full(count, _NOWHERE, np.float32), np.full(count, -1, np.int64)
        for low in range(0, self.count, _BLOCK):
            held = self._held_ND[low : low + _BLOCK].astype(np.float32, copy=False)
            products = _steps(block_ND, held)[:count, : self.count - low]
            nearest_here = products.argmax(axis=1)
            value = products[np.arange(count), nearest_here]
            better = value > best
            best[better], who[better] = value[better], self._rows[low + nearest_here[better]]
        return best, who


def similar(vectors_ND: NDArray[np.float32], limit: float, *, kept_only: bool) -> Similar:
    """Return which unit vectors have a cosine above `limit` with an earlier one.

    Args:
        vectors_ND: the earliest first.
        limit: a cosine, exclusive; compared with cosines on the grid.
        kept_only: only earlier vectors that stay count, else all.
    """
    earlier = Earlier(vectors_ND.shape[1])
    return visit(vectors_ND, limit, earlier, counting="kept" if kept_only else "all")


def visit(
    vectors_ND: NDArray[np.float32], limit: float, earlier: Earlier, *, counting: Counting
) -> Similar:
    """Return what `similar` says of vectors that come after those visited before.

    Args:
        vectors_ND: unit vectors, the earliest first.
        limit: a cosine, exclusive; compared with cosines on the grid.
        earlier: what was visited before; grows by these.
        counting: which earlier ones count: "kept", those that stay; "all"; "block", those that
            stay and besides all of the same 256, as a batched greedy loop that does not look
            inside its batch for who stays (so visit multiples of 256 at a time).
    """
    n = len(vectors_ND)
    limit = limit / GRID + _SLACK
    original, cosine = np.full(n, -1, np.int64), np.zeros(n, np.float32)
    closest = np.zeros(n, np.float32)
    for here, block in _blocks(vectors_ND):
        count = here.stop - here.start
        best, who = earlier.nearest(block, count)
        inside = np.where(
            np.tri(count, k=-1, dtype=bool), _steps(block, block)[:count, :count], _NOWHERE
        )
        if counting == "kept":
            inside = np.where(_staying(best, inside, limit), inside, _NOWHERE)
        at = inside.argmax(axis=1)
        value = inside[np.arange(count), at]
        better = value > best
        best[better], who[better] = value[better], earlier.visited + at[better]
        away = best > limit
        original[here][away] = who[away]
        cosine[here][away] = best[away] * GRID
        closest[here] = np.maximum(best * np.float32(GRID), np.float32(-1))
        held = np.flatnonzero(np.ones(count, bool) if counting == "all" else ~away)
        earlier.add(block[held], earlier.visited + held)
        earlier.visited += count
    return Similar(original, cosine, closest)


def _staying(
    best: NDArray[np.float32], inside: NDArray[np.float32], limit: float
) -> NDArray[np.bool_]:
    """Return which vectors of a block stay if only those that stay count."""
    stays: NDArray[np.bool_] = best <= limit
    # A loop over the vectors that have another of the block nearby: in their order, for whether
    # one counts depends on those before it.
    for row in np.flatnonzero(inside.max(axis=1, initial=_NOWHERE) > limit):
        stays[row] = stays[row] and not (inside[row, :row][stays[:row]] > limit).any()
    return stays


def nearest(
    vectors_ND: NDArray[np.float32], centroids_KD: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each vector's centroid of largest cosine, the first of equal ones, and that cosine."""
    n, k = len(vectors_ND), len(centroids_KD)
    best, who = np.full(n, _NOWHERE, np.float32), np.zeros(n, np.int64)
    held = list(_blocks(centroids_KD))
    for here, block in _blocks(vectors_ND):
        for among, centroids in held:
            products = _steps(block, centroids)[: here.stop - here.start, : k - among.start]
            at = products.argmax(axis=1)
            value = products[np.arange(len(at)), at]
            better = value > best[here]
            best[here] = np.where(better, value, best[here])
            who[here] = np.where(better, at + among.start, who[here])
    return who, best * np.float32(GRID)


def nearest_several(
    vectors_ND: NDArray[np.float32], centroids_KD: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """Return each vector's `count` centroids of largest cosine, (N, count), nearest first.

    Of equal ones the first comes first.
    """
    n, k = len(vectors_ND), len(centroids_KD)
    count = min(count, k)
    who = np.zeros((n, count), np.int64)
    held = list(_blocks(centroids_KD))
    for here, block in _blocks(vectors_ND):
        steps = np.concatenate([_steps(block, centroids) for _, centroids in held], axis=1)
        falling = -steps[: here.stop - here.start, :k].astype(np.int64)
        ranked = np.partition(falling * k + np.arange(k), count - 1, axis=1)[:, :count]
        who[here] = np.sort(ranked, axis=1) % k
    return who


def _blocks(vectors_ND: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield vectors a block at a time, and where they stand; zeros fill up the last block."""
    n, dimensions = vectors_ND.shape
    for start in range(0, n, _BLOCK):
        here = slice(start, min(start + _BLOCK, n))
        block = np.zeros((_BLOCK, dimensions), np.float32)
        block[: here.stop - start] = vectors_ND[here]
        yield here, block


def _steps(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return every cosine as its whole number of steps of the grid, which floats hold exactly."""
    steps: NDArray[np.float32] = np.rint((left @ right.T) / np.float32(GRID))
    return steps
