"""One pass over texts that lets through only runs of words that may be guarded.

The hashes are those of `curator.text.ngrams`. Nearly every place of a text is left after one look:
whether its last few words, as many as the shortest run that is looked for, end some run of a
benchmark. Only where they may are the longer runs hashed, for any number of lengths, and looked up
in a bit table of the guarded ones. What passes is compared word by word elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import STEP, mixed, power
from curator.text.ngrams import slide
from curator.text.unicode import Characters, characters
from curator.text.words import next_word

_ROOM: Final = 16  # bits a hash: one stranger in 16 passes
_6, _63 = np.uint64(6), np.uint64(63)
_ONE = np.uint64(1)


class Sieve(NamedTuple):
    """Which leading bits guarded hashes have, for K lengths of runs and for their last words.

    Attributes:
        lengths: (K + 1,) int64, words; the last one is of the endings that are looked at first,
            0 where no run is looked for inside texts.
        alone: (K + 1,) bool, True where a run counts only if it is the whole text.
        bits: uint64, the bit tables end to end.
        bases: (K + 1,) int64, where the table of a length begins in `bits`.
        shifts: (K + 1,) uint64, what leaves the leading bits of a hash.
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
        word: int64, place of the run's first word in the text.
        start: int64, first byte of the run in the text.
        end: int64, past its last byte.
        hashes: uint64.
    """

    document: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    word: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]


def ending_length(lengths: Sequence[int], shortest: int) -> int:
    """Return how many last words of a run are looked at first: 0 if none is looked for inside."""
    return min((length for length in lengths if length >= shortest), default=0)


def make_sieve(
    lengths: Sequence[int],
    hashes: Sequence[npt.NDArray[np.uint64]],
    shortest: int,
    endings: npt.NDArray[np.uint64],
) -> Sieve:
    """Return the sieve of the guarded `hashes` of each length; below `shortest` words: alone.

    Args:
        lengths: words of a run.
        hashes: of the guarded runs, for each length.
        shortest: words from which a run is looked for inside texts.
        endings: hashes of the last `ending_length` words of all runs looked for inside texts;
            others may be among them.
    """
    tables, shifts = [], []
    for guarded in (*hashes, endings):
        width = max(6, (len(guarded) * _ROOM - 1).bit_length())
        shift = np.uint64(64 - width)
        table = np.zeros((1 << width) // 64, np.uint64)
        place = guarded >> shift
        np.bitwise_or.at(table, place >> _6, _ONE << (place & _63))
        tables.append(table)
        shifts.append(shift)
    bases = np.cumsum([0, *map(len, tables)])[:-1]
    words = np.array([*lengths, ending_length(lengths, shortest)], np.int64)
    return Sieve(words, words < shortest, np.concatenate(tables), bases, np.array(shifts))


def scan(texts: Texts, sieve: Sieve) -> Suspects:
    """Return every run of every text that passes the sieve."""
    column = utf8(texts)
    placed, hashes = _scan(column.offsets, column.data, *sieve, characters())
    document, length, word, start, end = placed
    return Suspects(document, length, word, start, end, hashes)


@leaf
def _passes(run: np.uint64, bits: npt.NDArray[np.uint64], base: np.int64, shift: np.uint64) -> bool:
    place = run >> shift
    return bool((bits[base + np.int64(place >> _6)] >> (place & _63)) & _ONE)


@leaf
def _latest(ring: npt.NDArray[np.uint64], words: int, length: int) -> np.uint64:
    """The hash of the latest `length` of so many words."""
    rolling = np.uint64(0)
    for word in range(words - length, words):
        rolling = rolling * STEP + ring[word & (len(ring) - 1)]
    return mixed(rolling)


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
    last = len(lengths) - 1
    ending = lengths[last]
    size = 1
    while size < lengths.max():
        size *= 2
    ring, begins = np.zeros(size, np.uint64), np.zeros(size, np.int64)  # the latest words
    top = power(STEP, ending)
    placed, hashes = np.empty((5, 1024), np.int64), np.empty(1024, np.uint64)
    found = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        ring[:] = 0
        rolling = np.uint64(0)
        words = 0
        hashed, start, stop = next_word(data, begin, end, tables)
        while start < end:
            if ending:
                rolling = slide(rolling, hashed, ring[(words - ending) & (size - 1)], top)
            ring[words & (size - 1)] = hashed
            begins[words & (size - 1)] = start
            words += 1
            past = stop
            hashed, start, stop = next_word(data, stop, end, tables)
            inside = ending > 0 and words >= ending
            inside = inside and _passes(mixed(rolling), bits, bases[last], shifts[last])
            if not inside and start < end:
                continue
            for k in range(last):
                if words < lengths[k]:
                    continue
                if alone[k]:
                    if words > lengths[k] or start < end:
                        continue
                elif not inside:
                    continue
                run = _latest(ring, words, lengths[k])
                if not _passes(run, bits, bases[k], shifts[k]):
                    continue
                if found == len(hashes):
                    placed = np.concatenate((placed, np.empty_like(placed)), axis=1)
                    hashes = np.concatenate((hashes, np.empty_like(hashes)))
                placed[0, found], placed[1, found] = row, k
                placed[2, found] = words - lengths[k]
                placed[3, found] = begins[(words - lengths[k]) & (size - 1)] - begin
                placed[4, found] = past - begin
                hashes[found] = run
                found += 1
    return placed[:, :found], hashes[:found]
