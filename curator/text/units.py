"""Lines and paragraphs, each known by a hash of what it says.

The reading is CCNet's (Wenzek et al. 2020, arXiv:1911.00359, section 3.2; `normalize_for_dedup` in
cc_net's text_normalizer.py): lower case, every digit a 0, no punctuation. As the paper says, and
unlike that function, accents are dropped and punctuation is all of Unicode's. White space counts
as one blank; symbols stay.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import FNV_PRIME, FNV_START, OTHER, mixed
from curator.text.unicode import (
    DIGIT,
    LETTER,
    LIMIT,
    MARK,
    NUMBER,
    SOLO,
    SPACE,
    SYMBOL,
    Characters,
    characters,
    decode,
)

_NEWLINE: Final = 10
_UNREAD, _GAP, _READ, _LETTER = 0, 1, 2, 3  # what a character is to a reader

_Int64: TypeAlias = npt.NDArray[np.int64]


class Units(NamedTuple):
    """The units of a text column, text after text.

    Attributes:
        offsets: (texts + 1,) int64; the units of text i are `offsets[i]:offsets[i + 1]`.
        hashes: (units, 2) uint64, equal for units that say the same.
        words: uint32, words with a letter: what stands between white space, or a letter of a
            script written without spaces.
        starts: int64, the first byte that is no white space, from the text's own start.
        ends: int64, past the last such byte.
    """

    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    words: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


def text_units(texts: Texts, *, paragraphs: bool = False) -> Units:
    """The lines of every text that are not blank, or its paragraphs, which blank lines part.

    `text_units(texts: pa.Array | pa.ChunkedArray, *, paragraphs: bool = False) -> Units(offsets,
    hashes, words, starts, ends)`. A line ends with a line feed.
    """
    column = utf8(texts)
    low, high = column.offsets[0], column.offsets[-1]
    room = len(column) + int(np.count_nonzero(column.data[low:high] == _NEWLINE))
    return Units(*_units(column.offsets, column.data, characters(), paragraphs, room))


class _Reading(NamedTuple):
    """Hashes and words of all that was read, and where the last line is more than white space.

    The line begins past its own end if it is blank.
    """

    first: np.uint64
    second: np.uint64
    words: int
    start: int
    end: int


@leaf
def _character(code: np.int32, tables: Characters) -> tuple[int, np.int32]:
    """What a character is to a reader, and the code point that it is read as."""
    if code < 128:
        folded = np.int32(tables.words[code])
        if folded:
            if folded <= 57:  # a digit
                return _READ, np.int32(48)
            return _LETTER, folded
    if code >= LIMIT:
        return _READ, code
    flags = tables.classes[code]
    if flags & DIGIT:
        return _READ, np.int32(48)
    if flags & (LETTER | NUMBER | MARK):
        folded = tables.folded[code]
        if not folded:
            return _UNREAD, folded
        return _LETTER if flags & LETTER else _READ, folded
    if flags & SPACE:
        return _GAP, code
    return _READ if flags & SYMBOL else _UNREAD, code


@leaf
def _line(
    data: npt.NDArray[np.uint8], at: int, stop: int, tables: Characters, before: _Reading
) -> _Reading:
    """Go on reading with one line."""
    first, second, words = before.first, before.second, before.words
    gap, lettered = True, False
    start, end = stop + 1, at
    while at < stop:
        code, width = decode(data, at, stop)
        kind, read = _character(code, tables)
        at += width
        if kind == _GAP:
            gap, lettered = True, False
            continue
        start, end = min(start, at - width), at
        if kind == _UNREAD:
            continue
        if gap and first != FNV_START:
            first = (first ^ np.uint64(32)) * FNV_PRIME
            second = (second ^ np.uint64(32)) * OTHER
        gap = False
        first = (first ^ np.uint64(read)) * FNV_PRIME
        second = (second ^ np.uint64(read)) * OTHER
        if kind == _LETTER:
            alone = code >= 128 and code < LIMIT and tables.classes[code] & SOLO != 0
            words += 1 if alone or not lettered else 0
            lettered = True
    return _Reading(first, second, words, start, end)


@compiled
def _units(
    offsets: _Int64,
    data: npt.NDArray[np.uint8],
    tables: Characters,
    paragraphs: bool,  # noqa: FBT001 - kernels have no keywords
    room: int,
) -> tuple[_Int64, npt.NDArray[np.uint64], npt.NDArray[np.uint32], _Int64, _Int64]:
    bounds = np.zeros(len(offsets), np.int64)
    hashes = np.empty((room, 2), np.uint64)
    words = np.empty(room, np.uint32)
    starts = np.empty(room, np.int64)
    ends = np.empty(room, np.int64)
    count = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        at, opened = begin, False
        reading = _Reading(FNV_START, OTHER, 0, 0, 0)
        while at < end:
            stop = at
            while stop < end and data[stop] != _NEWLINE:
                stop += 1
            if not opened:
                reading = _Reading(FNV_START, OTHER, 0, 0, 0)
            reading = _line(data, at, stop, tables, reading)
            at = stop + 1
            visible = reading.start < stop
            if visible and not opened:
                starts[count] = reading.start - begin
                count += 1
            if visible:
                hashes[count - 1, 0] = mixed(reading.first)
                hashes[count - 1, 1] = mixed(reading.second)
                words[count - 1] = reading.words
                ends[count - 1] = reading.end - begin
            opened = paragraphs and visible
        bounds[row + 1] = count
    return (
        bounds,
        hashes[:count].copy(),
        words[:count].copy(),
        starts[:count].copy(),
        ends[:count].copy(),
    )
