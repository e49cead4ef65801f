"""Whether a text ends by saying again, word for word, what it said before: a copied context.

The longest end of a text that also stands earlier in it, without overlap, is found in linear time
by the Z-function of the text read backwards (Gusfield 1997, "Algorithms on Strings, Trees, and
Sequences", section 1.4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf

LEAST: Final = 64  # bytes: shorter endings repeat by chance, as refrains and signatures
_FILLER: Final = 4  # an ending that is a shorter one this often over is filler, no copy


class Copies(NamedTuple):
    """The copied ending of each text.

    Attributes:
        share: (n,) float64 in [0, 1]: twice the ending's bytes over the text's; 1: it says all
            twice. 0: no ending of `LEAST` bytes is a copy.
        places: (n,) int64, the byte of the text where the copy begins; -1: there is none.
    """

    share: npt.NDArray[np.float64]
    places: npt.NDArray[np.int64]


def copies(texts: Texts) -> Copies:
    """Return the copied ending of each text; white space at the end does not count."""
    column = utf8(texts)
    return Copies(*_copies(column.offsets, column.data))


@leaf
def _blank(byte: int) -> bool:
    return byte == 32 or 9 <= byte <= 13


@compiled
def _copies(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    rows = len(offsets) - 1
    share = np.zeros(rows, np.float64)
    places = np.full(rows, -1, np.int64)
    longest = 0
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    z = np.zeros(longest + 1, np.int32)
    for row in range(rows):
        begin, last = offsets[row], offsets[row + 1] - 1
        while last >= begin and _blank(data[last]):
            last -= 1
        n = last - begin + 1
        if n < 2 * LEAST:
            continue
        low = high = 0
        best = 0
        for k in range(1, n):
            length = min(z[k - low], high - k) if k < high else 0
            while k + length < n and data[last - length] == data[last - k - length]:
                length += 1
            z[k] = length
            if k + length > high:
                low, high = k, k + length
            best = max(best, min(length, k))
        if best < LEAST or _is_filler(z, best):
            continue
        share[row] = 2.0 * best / n
        places[row] = n - best
    return share, places


@leaf
def _is_filler(z: npt.NDArray[np.int32], size: int) -> bool:
    """True if the last `size` bytes have a period of a quarter of them or less."""
    found = False
    for period in range(1, size // _FILLER + 1):
        found = found or z[period] >= size - period
    return found
