"""How surprising bytes are: counts of 1 to 4 bytes, learned from a sample of the corpus itself.

An interpolated n-gram model over bytes: the estimate of each order is pulled to that of the order
below by a prior of `PRIOR` observations (the hierarchical Dirichlet smoothing of MacKay & Bauman
Peto 1995, "A hierarchical Dirichlet language model", with one fixed strength). Counts lie in one
hashed table of fixed size, so memory does not grow with the corpus.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import STEP, mixed

ORDER: Final = 4  # bytes: a fifth tells English no better from random pieces of it, and costs more
SLOTS: Final = 1 << 22  # 16 MiB; 36 MB of mixed text have 0.8 million different n-grams of 1 to 4
PRIOR: Final = 2.0  # observations
UNIT: Final = 1024  # windows are in whole 1/1024 bit a byte, so that sums have one value
WINDOW: Final = 32  # bytes
_TOGETHER: Final = 8  # chances that one logarithm is taken of; their product is above 1e-100

Counts = npt.NDArray[np.uint32]
_SEEN: Final = np.uint64(0xFFFFFFFF)


def count_bytes(texts: Texts) -> Counts:
    """Return how often each slot's n-grams of 1 to 4 bytes occur in the texts, (SLOTS,)."""
    column = utf8(texts)
    counts = np.zeros(SLOTS, np.uint32)
    _count(column.offsets, column.data, counts)
    return counts


@leaf
def _slot(recent: np.uint64, length: int) -> np.uint64:
    """The slot of the last `length` of the bytes in `recent`, the latest lowest."""
    kept = recent & (_SEEN >> np.uint64(32 - 8 * length))
    return mixed(kept + np.uint64(length) * STEP) & np.uint64(SLOTS - 1)


@compiled
def _count(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], counts: npt.NDArray[np.uint32]
) -> None:
    for row in range(len(offsets) - 1):
        recent = np.uint64(0)
        begin = offsets[row]
        for place in range(begin, offsets[row + 1]):
            recent = ((recent << np.uint64(8)) | np.uint64(data[place])) & _SEEN
            for length in range(1, min(ORDER, place - begin + 1) + 1):
                counts[_slot(recent, length)] += np.uint32(1)


@leaf
def _pulled(found: float, context: float, lower: float) -> float:
    """The chance of what was found so often after a context seen so often, pulled to `lower`.

    Counts are lowered by one: a single occurrence may be that of the very text that is judged.
    """
    if context <= 1.0:
        return lower
    return (max(found - 1.0, 0.0) + PRIOR * lower) / (context - 1.0 + PRIOR)


@leaf
def windows_into(
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    counts: npt.NDArray[np.uint32],
    total: float,
    out: npt.NDArray[np.int64],
) -> int:
    """Fill `out` with the mean surprise of each whole window, in 1/1024 bit a byte; how many.

    The count of a byte's context is that of the n-gram which the byte before it ended.
    """
    recent = np.uint64(0)
    filled = 0
    spent, product = 0.0, 1.0
    one = two = three = 0.0
    for place in range(begin, end - (end - begin) % WINDOW):
        recent = ((recent << np.uint64(8)) | np.uint64(data[place])) & _SEEN
        read = place - begin
        first = float(counts[_slot(recent, 1)])
        second = float(counts[_slot(recent, 2)]) if read >= 1 else 0.0
        third = float(counts[_slot(recent, 3)]) if read >= 2 else 0.0
        fourth = float(counts[_slot(recent, 4)]) if read >= 3 else 0.0
        chance = _pulled(first, total, 1.0 / 256.0)
        chance = _pulled(second, one, chance)
        chance = _pulled(third, two, chance)
        product *= _pulled(fourth, three, chance)
        one, two, three = first, second, third
        if read % _TOGETHER == _TOGETHER - 1:
            spent -= math.log2(product)
            product = 1.0
        if read % WINDOW == WINDOW - 1:
            out[filled] = np.int64(spent * UNIT / WINDOW)
            filled += 1
            spent = 0.0
    return filled
