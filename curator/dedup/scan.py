"""One pass over texts that lets through only runs of words that may be guarded.

The hashes are those of `curator.text.ngrams`, for several lengths at once. Nearly all runs end at
a bit table of the guarded hashes; what passes is looked up and compared word by word elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled
from curator.text.hashing import STEP, mixed, power
from curator.text.ngrams import slide
from curator.text.unicode import Characters, characters
from curator.text.words import next_word

_ROOM: Final = 16  # bits a hash: one stranger in 16 passes
_6, _63 = np.uint64(6), np.uint64(63)
_ONE = np.uint64(1)


class Sieve(NamedTuple):
    """Which leading bits guarded hashes have, for K lengths of runs.

    Attributes:
        lengths: (K,) int64, words.
        alone: (K,) bool, True where a run counts only if it is the whole text.
        bits: uint64, the bit tables end to end.
        bases: (K,) int64, where the table of a length begins in `bits`.
        shifts: (K,) uint64, what leaves the leading bits of a hash.
    """

    lengths: npt.NDArray[np.int64]
    alone: npt.NDArray[np.bool_]
    bits: npt.NDArray[np.uint64]
    bases: npt.NDArray[np.int64]
    shifts: npt.NDArray[np.uint64]


class Suspects(NamedTuple):
    """Runs that passed, in reading order.

    Attributes:
        document: int64, place of the text in its column.
        length: int64, place of the run's length in the sieve.
        start: int64, first byte of the run in the text.
        end: int64, past its last byte.
        hashes: uint64.
    """

    document: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]


def make_sieve(
    lengths: Sequence[int], hashes: Sequence[npt.NDArray[np.uint64]], shortest: int
) -> Sieve:
    """Return the sieve of the guarded `hashes` of each length; below `shortest` words: alone."""
    tables, shifts = [], []
    for guarded in hashes:
        width = max(6, (len(guarded) * _ROOM - 1).bit_length())
        shift = np.uint64(64 - width)
        table = np.zeros((1 << width) // 64, np.uint64)
        place = guarded >> shift
        np.bitwise_or.at(table, place >> _6, _ONE << (place & _63))
        tables.append(table)
        shifts.append(shift)
    bases = np.cumsum([0, *map(len, tables)])[:-1]
    words = np.array(lengths, np.int64)
    return Sieve(words, words < shortest, np.concatenate(tables), bases, np.array(shifts))


def scan(texts: Texts, sieve: Sieve) -> Suspects:
    """Return every run of every text that passes the sieve."""
    column = utf8(texts)
    placed, hashes = _scan(column.offsets, column.data, *sieve, characters())
    document, length, start, end = placed
    return Suspects(document, length, start, end, hashes)


@compiled
def _scan(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.int64],
    alone: npt.NDArray[np.bool_],
    bits: npt.NDArray[np.uint64],
    bases: npt.NDArray[np.int64],
    shifts: npt.NDArray[np.uint64],
    tables: Characters,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    size = 1
    while size < lengths.max():
        size *= 2
    ring, begins = np.zeros(size, np.uint64), np.zeros(size, np.int64)  # the latest words
    rolling = np.zeros(len(lengths), np.uint64)
    tops = np.empty(len(lengths), np.uint64)
    for k in range(len(lengths)):
        tops[k] = power(STEP, lengths[k])
    placed, hashes = np.empty((4, 1024), np.int64), np.empty(1024, np.uint64)
    found = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        ring[:] = 0
        rolling[:] = 0
        words = 0
        hashed, start, stop = next_word(data, begin, end, tables)
        while start < end:
            for k in range(len(lengths)):
                leaving = ring[(words - lengths[k]) & (size - 1)]
                rolling[k] = slide(rolling[k], hashed, leaving, tops[k])
            ring[words & (size - 1)] = hashed
            begins[words & (size - 1)] = start
            words += 1
            past = stop
            hashed, start, stop = next_word(data, stop, end, tables)
            for k in range(len(lengths)):
                if words < lengths[k] or (alone[k] and (words > lengths[k] or start < end)):
                    continue
                run = mixed(rolling[k])
                place = run >> shifts[k]
                if not (bits[bases[k] + np.int64(place >> _6)] >> (place & _63)) & _ONE:
                    continue
                if found == len(hashes):
                    placed = np.concatenate((placed, np.empty_like(placed)), axis=1)
                    hashes = np.concatenate((hashes, np.empty_like(hashes)))
                placed[0, found], placed[1, found] = row, k
                placed[2, found] = begins[(words - lengths[k]) & (size - 1)] - begin
                placed[3, found] = past - begin
                hashes[found] = run
                found += 1
    return placed[:, :found], hashes[:found]
