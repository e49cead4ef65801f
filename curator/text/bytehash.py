"""A 64-bit hash of the bytes of each text: to find strings among millions without comparing all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled
from curator.text.hashing import FNV_PRIME, FNV_START, mixed


def byte_hash(texts: Texts) -> npt.NDArray[np.uint64]:
    """(n,) uint64: equal for equal bytes. Unequal ones can agree: compare what was found."""
    column = utf8(texts)
    return _hash_bytes(column.offsets, column.data)


@compiled
def _hash_bytes(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint64]:
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        hashed = FNV_START
        for place in range(offsets[row], offsets[row + 1]):
            hashed = (hashed ^ np.uint64(data[place])) * FNV_PRIME
        out[row] = mixed(hashed)
    return out
