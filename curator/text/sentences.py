"""Words and the sentences they stand in, with where each begins and ends.

Words are those of `curator.text.words`. A sentence ends at a full stop, an exclamation or a
question mark before white space, at a blank line, and at a line break before a line that does not
begin with a small letter. A full stop ends none behind a title or an initial, nor before a small
letter: rules of thumb of ours for English, not a grammar.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled
from curator.text.unicode import (
    LETTER,
    LIMIT,
    LOWER,
    SPACE,
    TERMINAL,
    UPPER,
    Characters,
    characters,
    decode,
)
from curator.text.words import next_word

LETTERS: Final = 1  # at least one letter is in the word
CAPITAL: Final = 2  # it begins with a capital
FIRST: Final = 4  # it is the first of its sentence
LOUD: Final = 8  # two letters or more, all of them capitals
_TITLES: Final = "mr mrs ms dr st prof sr jr vs etc fig no vol mt gen col sen rep gov rev hon"
_STOP, _NEWLINE = 46, 10
Int64 = npt.NDArray[np.int64]


class Sentences(NamedTuple):
    """Words and sentences of a text column, text after text.

    Attributes:
        offsets: (texts + 1,) int64; the words of text i are `offsets[i]:offsets[i + 1]`.
        starts: int64, the first byte of each word, from its text's own start.
        ends: int64, past its last byte.
        hashes: uint64, equal for words that `curator.text.words` calls equal.
        flags: uint8, a sum of `LETTERS`, `CAPITAL`, `FIRST` and `LOUD`.
        sentence: int64, the number of each word's sentence, from 0 over the whole column.
        begins: int64, the first byte of each sentence, from its text's own start.
        stops: int64, past its last byte that is no white space.
        texts: int64, the text of each sentence.
    """

    offsets: Int64
    starts: Int64
    ends: Int64
    hashes: npt.NDArray[np.uint64]
    flags: npt.NDArray[np.uint8]
    sentence: Int64
    begins: Int64
    stops: Int64
    texts: Int64


def sentences(texts: Texts) -> Sentences:
    """Return the words of a column and the sentences that they are in.

    `sentences(texts: pa.Array | pa.ChunkedArray)`. A text without words has no sentence.
    """
    column = utf8(texts)
    return Sentences(*_sentences(column.offsets, column.data, _titles(), characters()))


def word_hashes(words: list[str]) -> npt.NDArray[np.uint64]:
    """Return (n,) uint64: the hash of the first word of each string; 0 where it has none."""
    found = sentences(pa.array(words, pa.large_string()))
    hashes = np.zeros(len(words), np.uint64)
    known = np.diff(found.offsets) > 0
    hashes[known] = found.hashes[found.offsets[:-1][known]]
    return hashes


@cache
def _titles() -> npt.NDArray[np.uint64]:
    column = utf8(pa.array(_TITLES.split(), pa.large_string()))
    none = np.zeros(0, np.uint64)
    hashes = _sentences(column.offsets, column.data, none, characters())[3]
    return np.sort(hashes)


@compiled
def _sentences(
    offsets: Int64,
    data: npt.NDArray[np.uint8],
    titles: npt.NDArray[np.uint64],
    tables: Characters,
) -> tuple[
    Int64, Int64, Int64, npt.NDArray[np.uint64], npt.NDArray[np.uint8], Int64, Int64, Int64, Int64
]:
    rows = len(offsets) - 1
    room = int((np.diff(offsets) // 2 + 1).sum())  # a word and what parts it are two bytes or more
    starts, ends, sentence = (
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
    )
    hashes, flags = np.empty(room, np.uint64), np.empty(room, np.uint8)
    begins, stops = np.empty(room, np.int64), np.empty(room, np.int64)
    texts, counts = np.empty(room, np.int64), np.zeros(rows + 1, np.int64)
    made, number = 0, -1
    for row in range(rows):
        low, end = offsets[row], offsets[row + 1]
        at, last, initial, open_ = low, np.uint64(0), False, False
        while True:
            hashed, start, stop = next_word(data, at, end, tables)
            quiet = initial or _among(titles, last)
            cut, begin = _break(data, at, start, end, tables, quiet, open_)
            if open_ and (cut >= 0 or start >= end):
                stops[number] = (_trimmed(data, at, end, tables) if cut < 0 else cut) - low
                open_ = False
            if start >= end:
                break
            marks = _marks(data, start, stop, tables)
            if not open_:
                number += 1
                begins[number], texts[number], open_ = begin - low, row, True
                marks |= FIRST
            starts[made], ends[made], hashes[made] = start - low, stop - low, hashed
            flags[made], sentence[made] = marks, number
            initial = bool(stop - start == 1 and marks & CAPITAL)
            made, at, last = made + 1, stop, hashed
        counts[row + 1] = made
    number += 1
    return (
        counts, starts[:made], ends[:made], hashes[:made], flags[:made], sentence[:made],
        begins[:number], stops[:number], texts[:number],
    )  # fmt: skip


@block
def _among(sorted_: npt.NDArray[np.uint64], value: np.uint64) -> bool:
    low, high = 0, len(sorted_)
    while low < high:
        middle = (low + high) // 2
        if sorted_[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < len(sorted_) and sorted_[low] == value


@block
def _marks(data: npt.NDArray[np.uint8], start: int, stop: int, tables: Characters) -> int:
    """The flags of a word, but `FIRST`."""
    found, at, letters, capitals = 0, start, 0, 0
    while at < stop:
        code, width = decode(data, at, stop)
        classes = tables.classes[code] if code < LIMIT else np.uint16(0)
        if classes & LETTER:
            letters += 1
            found |= LETTERS
        if classes & UPPER:
            capitals += 1
            if at == start:
                found |= CAPITAL
        at += width
    if letters > 1 and letters == capitals:
        found |= LOUD
    return found


@block
def _break(
    data: npt.NDArray[np.uint8],
    at: int,
    start: int,
    end: int,
    tables: Characters,
    quiet: bool,  # noqa: FBT001 - kernels take no keywords
    inside: bool,  # noqa: FBT001
) -> tuple[int, int]:
    """Where a sentence ends between two words, -1 if none does; and where the next one begins.

    `quiet`: a full stop behind the word before ends nothing. The next begins at its first
    character that is no white space: a bracket or a quotation mark goes with it.
    """
    small = False
    if start < end:
        code, _ = decode(data, start, end)
        small = bool(code < LIMIT and tables.classes[code] & LOWER)
    ended, stopped, lines, cut, begin = False, False, 0, -1, -1
    visible = at
    while at < start:
        code, width = decode(data, at, end)
        classes = tables.classes[code] if code < LIMIT else np.uint16(0)
        if classes & SPACE:
            lines += code == _NEWLINE
            if cut < 0 and (ended or (stopped and not quiet and not small)):
                cut, begin = visible, -1
            if cut < 0 and inside and (lines > 1 or (lines == 1 and not small)):
                cut, begin = visible, -1
        else:
            if begin < 0:
                begin = at
            lines = 0
            stopped = stopped or code == _STOP
            ended = ended or (code != _STOP and classes & TERMINAL) != 0
            visible = at + width
        at += width
    if begin < 0:
        begin = start
    return (cut if inside else -1), begin


@block
def _trimmed(data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters) -> int:
    """Past the last byte of a text that is no white space, from `at` on."""
    visible = at
    while at < end:
        code, width = decode(data, at, end)
        if not (code < LIMIT and tables.classes[code] & SPACE):
            visible = at + width
        at += width
    return visible
