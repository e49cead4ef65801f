"""Words as deduplication and decontamination see them.

A word is a maximal run of letters, numbers and marks; all else parts words. A letter of a script
written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) is a word of its own, with the marks
that follow it. Words are compared in lower case, without the accents U+0300 to U+036F and without
compatibility forms, so composed and decomposed text agree. Digits stay as they are: pages made
from one template that differ in their numbers are different pages (datatrove writes every number
as 0, NUMBERS_PATTERN in its utils/text.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import FNV_PRIME, FNV_START, mixed
from curator.text.unicode import LETTER, LIMIT, MARK, NUMBER, SOLO, Characters, characters, decode


@leaf
def next_word(
    data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters
) -> tuple[np.uint64, int, int]:
    """The hash, first byte and end byte of the first word at or after byte `at`.

    The first byte is `end` when no word is left.
    """
    hashed = FNV_START
    start = -1
    stop = at
    while at < end:
        byte = data[at]
        if byte < 128:
            folded = np.int32(tables.words[byte])
            width = 1
            flags = np.uint16(LETTER if folded else 0)
        else:
            code, width = decode(data, at, end)
            flags = tables.classes[code] if code < LIMIT else np.uint16(0)
            folded = tables.folded[code] if code < LIMIT else code
        inside = flags & (LETTER | NUMBER | MARK)
        if start >= 0 and (not inside or (flags & SOLO)):
            break
        if inside and (start >= 0 or flags & (LETTER | NUMBER)):
            if start < 0:
                start = at
            if folded:
                hashed = (hashed ^ np.uint64(folded)) * FNV_PRIME
            stop = at + width
            if flags & SOLO:
                return _with_marks(data, start, stop, end, hashed, tables)
        at += width
    if start < 0:
        return hashed, end, end
    return mixed(hashed), start, stop


@leaf
def _with_marks(
    data: npt.NDArray[np.uint8],
    start: int,
    at: int,
    end: int,
    hashed: np.uint64,
    tables: Characters,
) -> tuple[np.uint64, int, int]:
    while at < end:
        code, width = decode(data, at, end)
        if code >= LIMIT or not tables.classes[code] & MARK:
            break
        folded = tables.folded[code]
        if folded:
            hashed = (hashed ^ np.uint64(folded)) * FNV_PRIME
        at += width
    return mixed(hashed), start, at


def word_counts(texts: Texts) -> npt.NDArray[np.int64]:
    """(n,) int64: the number of words in each text.

    `word_counts(texts: pa.Array | pa.ChunkedArray) -> np.ndarray`.
    """
    column = utf8(texts)
    return count_words(column.offsets, column.data, characters())


@compiled
def count_words(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], tables: Characters
) -> npt.NDArray[np.int64]:
    """(n,) int64: the number of words in each text."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(counts)):
        end = offsets[row + 1]
        _, start, stop = next_word(data, offsets[row], end, tables)
        while start < end:
            counts[row] += 1
            _, start, stop = next_word(data, stop, end, tables)
    return counts
