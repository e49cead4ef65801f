"""Where a text turns surprising and stays so to its end: gibberish after a trigger.

A document is a row of windows of 32 bytes. It jumps at window s by the least that any later
stretch of `STRETCH` windows exceeds all earlier ones; the best s is its place. A table or a listing
somewhere in a text ends again, or stood at its beginning too, and is no jump.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.poison.byte_model import UNIT, WINDOW, Counts, windows_into
from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled

STRETCH: Final = 8  # windows that are averaged: 256 bytes
_HEAD: Final = 3  # windows before a jump, at least
SHORTEST: Final = (_HEAD + STRETCH) * WINDOW  # bytes of a text that can be judged


class Jumps(NamedTuple):
    """What each text does.

    Attributes:
        bits: (n,) float64, bits a byte by which the rest exceeds what came before; NaN: too short.
        places: (n,) int64, the byte of the text where the rest begins; -1: too short.
    """

    bits: npt.NDArray[np.float64]
    places: npt.NDArray[np.int64]


def jumps(texts: Texts, counts: Counts, floor: float = 0.0) -> Jumps:
    """Return the jump of each text, by counts of `curator.poison.byte_model`."""
    column = utf8(texts)
    raised, places = _jumps(column.offsets, column.data, counts, total_of(counts), floor * UNIT)
    bits = raised / UNIT
    return Jumps(np.where(places < 0, np.nan, bits), places)


def spread(texts: Texts, counts: Counts) -> npt.NDArray[np.int64]:
    """Return windows, their sum and the sum of squares about their text's mean, (3,) int64.

    In 1/1024 bit a byte; whole numbers, so that parts of a corpus add up the same in any order.
    """
    column = utf8(texts)
    return _spread(column.offsets, column.data, counts, total_of(counts))


def total_of(counts: Counts) -> float:
    """Return about how many bytes were counted: each is in at most four n-grams."""
    return float(counts.sum(dtype=np.uint64)) / 4


@compiled
def _jumps(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.uint32],
    total: float,
    floor: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    rows = len(offsets) - 1
    raised = np.zeros(rows, np.float64)
    places = np.full(rows, -1, np.int64)
    longest = 0
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    windows = np.zeros(longest // WINDOW + 1, np.int64)
    least = np.zeros(longest // WINDOW + 1, np.int64)
    for row in range(rows):
        n = windows_into(data, offsets[row], offsets[row + 1], counts, total, windows)
        if n < _HEAD + STRETCH:
            continue
        # least[s]: the least sum of STRETCH windows that begins at s or later.
        held = np.int64(1) << np.int64(60)
        running = np.int64(0)
        for back in range(STRETCH):
            running += windows[n - 1 - back]
        for s in range(n - STRETCH, -1, -1):
            if s < n - STRETCH:
                running += windows[s] - windows[s + STRETCH]
            held = min(held, running)
            least[s] = held
        # The most of an earlier stretch; of fewer windows than a stretch, their mean.
        best = -np.inf
        most = -np.inf
        summed = np.int64(0)
        for s in range(1, n - STRETCH + 1):
            summed += windows[s - 1]
            if s >= STRETCH:
                if s > STRETCH:
                    summed -= windows[s - 1 - STRETCH]
                most = max(most, summed / STRETCH)
            if s < _HEAD:
                continue
            before = most if s >= STRETCH else summed / s
            jump = least[s] / STRETCH - max(before, floor)
            if jump > best:
                best = jump
                places[row] = s * WINDOW
        raised[row] = best
    return raised, places


@compiled
def _spread(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    counts: npt.NDArray[np.uint32],
    total: float,
) -> npt.NDArray[np.int64]:
    out = np.zeros(3, np.int64)
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    windows = np.zeros(longest // WINDOW + 1, np.int64)
    for row in range(len(offsets) - 1):
        n = windows_into(data, offsets[row], offsets[row + 1], counts, total, windows)
        summed = np.int64(0)
        for place in range(n):
            summed += windows[place]
        for place in range(n):
            away = windows[place] - summed // n
            out[2] += away * away
        out[0] += n
        out[1] += summed
    return out
