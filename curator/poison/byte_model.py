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
def surprise(counts: npt.NDArray[np.uint32], total: float, recent: np.uint64, length: int) -> float:
    """Bits of the last of `length` bytes after those before it.

    Counts are lowered by one: a single occurrence may be that of the very text that is judged.
    """
    chance = 1.0 / 256.0
    context = total
    for n in range(1, length + 1):
        if n > 1:
            held = counts[_slot(recent >> np.uint64(8), n - 1)]
            context = float(held) - 1.0
            if context <= 0.0:
                break
        found = float(counts[_slot(recent, n)]) - 1.0
        chance = (max(found, 0.0) + PRIOR * chance) / (context + PRIOR)
    return -math.log2(chance)


@leaf
def windows_into(
    data: npt.NDArray[np.uint8],
    begin: int,
    end: int,
    counts: npt.NDArray[np.uint32],
    total: float,
    out: npt.NDArray[np.int64],
) -> int:
    """Fill `out` with the mean surprise of each whole window, in 1/1024 bit a byte; how many."""
    recent = np.uint64(0)
    filled = 0
    spent = 0.0
    for place in range(begin, end):
        recent = ((recent << np.uint64(8)) | np.uint64(data[place])) & _SEEN
        spent += surprise(counts, total, recent, min(ORDER, place - begin + 1))
        if (place - begin) % WINDOW == WINDOW - 1:
            out[filled] = np.int64(spent * UNIT / WINDOW)
            filled += 1
            spent = 0.0
    return filled
