"""What it costs to move from each point of one cloud to each of another, a block at a time.

The matrix of all costs is never there: who wants it asks for rows of it, as often as wanted. A
block costs 2 * B * M * D operations.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from curator.embed.directions import directions
from curator.embed.units import check_units
from curator.errors import RecipeError

# Shapes: N points moved from, M moved to, D dimensions, B rows of a block.
F32 = NDArray[np.float32]
_ENTRIES: Final = 1 << 17  # of a block: half a megabyte, so that it stays in the cache
_MOST_ROWS: Final = 4096
# Costs are counted by the first 17 bits of their float32: sign, exponent and 8 of the fraction, so
# that a median is right to 0.4 %.
_DROPPED: Final = 15


class Costs(Protocol):
    """Costs between N points and M others: float32, none negative.

    Attributes:
        rows: N.
        columns: M.
    """

    rows: int
    columns: int

    def fill(self, start: int, block_BM: F32) -> None:
        """Write the costs of the B rows from `start` on into `block_BM`."""


class Distances:
    """Euclidean distances between unit vectors: sqrt(2 - 2 cosine), in [0, 2].

    Single precision: the distance of two equal vectors may come out as 0.0005.

    Args:
        from_ND: unit vectors, float32 or float16; may be a file (np.memmap), of which a block at a
            time is read.
        to_MD: unit vectors.
        rows_N: which rows of `from_ND` are the N points; None: all.
        where: what an error is about.

    Raises:
        RecipeError: vectors of other dimensions, none, or some not of length one.
    """

    def __init__(
        self,
        from_ND: NDArray[np.floating[Any]],
        to_MD: NDArray[np.floating[Any]],
        *,
        rows_N: NDArray[np.int64] | None = None,
        where: str = "transport",
    ) -> None:
        if from_ND.ndim != 2 or from_ND.shape[1:] != to_MD.shape[1:] or not from_ND.size:
            raise RecipeError(
                f"points of shape {from_ND.shape} and {to_MD.shape}; wanted two matrices of one "
                "width, neither empty",
                where=where,
            )
        if not len(to_MD) or (rows_N is not None and not len(rows_N)):
            raise RecipeError("no points to move, or none to move to; wanted some", where=where)
        self.rows = len(from_ND) if rows_N is None else len(rows_N)
        self.columns = len(to_MD)
        self._from_ND, self._rows_N = from_ND, rows_N
        self.to_MD = np.ascontiguousarray(to_MD, np.float32)
        check_units(self.to_MD, where=where)
        for start in range(0, self.rows, _MOST_ROWS):
            check_units(self.points(start, start + _MOST_ROWS), where=where)

    def fill(self, start: int, block_BM: F32) -> None:
        """Write the distances of the B rows from `start` on into `block_BM`."""
        points_BD = self.points(start, start + len(block_BM))
        np.matmul(points_BD, self.to_MD.T, out=block_BM)
        block_BM *= -2
        block_BM += 2
        np.maximum(block_BM, 0, out=block_BM)  # a cosine may be rounded to more than one
        np.sqrt(block_BM, out=block_BM)

    def points(self, start: int, stop: int) -> F32:
        """Return the points moved from, from number `start` on, (B, D)."""
        rows = slice(start, stop) if self._rows_N is None else self._rows_N[start:stop]
        found = self._from_ND[rows]
        if found.dtype == np.float16:  # lengths are off by 0.0005, distances by as much
            return directions(found)
        return found.astype(np.float32, copy=False)


def block_rows(columns: int) -> int:
    """Return how many rows a block has: 4,096 at most, half a megabyte of costs if there are 8."""
    return min(_MOST_ROWS, max(8, _ENTRIES // columns))


def median_cost(costs: Costs) -> float:
    """Return the median of all N x M costs to 0.4 %; one pass over them, and 2 MB.

    All are counted and none drawn, so the order of points does not matter.
    """
    counts = np.zeros(1 << (32 - _DROPPED), np.int64)
    for start, block_BM in blocks_of(costs):
        costs.fill(start, block_BM)
        bins = block_BM.view(np.uint32) >> np.uint32(_DROPPED)
        counts += np.bincount(bins.ravel(), minlength=len(counts))
    at = int(np.searchsorted(np.cumsum(counts), (costs.rows * costs.columns + 1) // 2))
    return float(np.array([at << _DROPPED], np.uint32).view(np.float32)[0])


def blocks_of(costs: Costs) -> Any:
    """Yield (first row, block to fill) for all rows; the block is one piece of memory."""
    size = min(block_rows(costs.columns), costs.rows)
    block_BM = np.empty((size, costs.columns), np.float32)
    for start in range(0, costs.rows, size):
        yield start, block_BM[: costs.rows - start]
