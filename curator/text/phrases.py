"""How often the words and phrases of some lists stand in each text.

Words are the runs of `curator.text.words`, so that a letter of a script written without spaces is
a word and a phrase of such letters is found wherever it stands. They are compared in lower case
but with their accents (Spanish `año` is not `ano`). Between the words of a phrase any white space,
hyphens and underscores are the same; other characters must be as the phrase has them. Words are
compared by 64-bit hashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled, leaf
from curator.text.hashing import FNV_PRIME, FNV_START, mixed
from curator.text.unicode import LETTER, LIMIT, MARK, NUMBER, SOLO, SPACE, Characters, decode
from curator.text.unicode import characters as character_tables

_NOTHING, _BLANK = np.uint64(0), np.uint64(1)  # between words: not a character; only blanks
_APOSTROPHE, _CURLY = 39, 0x2019
# Hyphen, underscore, soft hyphen, hyphen and unbroken hyphen of typography.
_HYPHENS: Final = (45, 95, 0xAD, 0x2010, 0x2011)

Data = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


class Phrases(NamedTuple):
    """Phrases as the kernel looks for them, those with one first word next to each other.

    Attributes:
        slots: int64, a hash table of first words: the first phrase that begins so, -1 for none.
        offsets: (n + 1,) int64; the words of phrase i are `words[offsets[i]:offsets[i + 1]]`.
        words: uint64, hashes.
        gaps: uint64, what stands before each word; of a first word it says nothing.
        lists: (n,) int64, the list of each phrase.
    """

    slots: Places
    offsets: Places
    words: Hashes
    gaps: Hashes
    lists: Places


def phrases(texts: Sequence[str], lists: Sequence[int]) -> Phrases:
    """Phrases of some lists, ready to be looked for. Those without a word are left out."""
    column = utf8(pa.array(list(texts), pa.large_string()))
    counts, words, gaps = _words_of(column.offsets, column.data, character_tables())
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    kept = np.flatnonzero(counts)
    order = kept[np.lexsort((kept, words[offsets[kept]]))] if len(kept) else kept
    places = np.concatenate(
        [np.zeros(0, np.int64), *(np.arange(offsets[at], offsets[at + 1]) for at in order)]
    ).astype(np.int64)
    own = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts[order])])
    words, gaps = words[places], gaps[places]
    slots = np.full(1 << (4 * len(order) + 15).bit_length(), -1, np.int64)
    _fill(slots, words[own[:-1]])
    return Phrases(slots, own, words, gaps, np.array(lists, np.int64)[order])


def count_phrases(texts: Texts, wanted: Phrases, lists: int) -> npt.NDArray[np.int64]:
    """(n, lists + 1) int64: at how many words of each text a phrase of each list begins; last,
    how many words it has.
    """
    column = utf8(texts)
    return _count_all(column.offsets, column.data, wanted, lists, character_tables())


@leaf
def _next_word(data: Data, at: int, end: int, tables: Characters) -> tuple[np.uint64, int, int]:
    """The hash, first byte and end byte of the first word from `at` on; `end` if there is none."""
    hashed = FNV_START
    start, stop = -1, at
    solo = False
    while at < end:
        byte = data[at]
        if byte < 128:
            lowered, width = np.int32(tables.words[byte]), 1
            flags = np.uint16(LETTER if lowered else 0)
        else:
            code, width = decode(data, at, end)
            flags = tables.classes[code] if code < LIMIT else np.uint16(0)
            lowered = tables.lower[code] if code < LIMIT else code
        inside = flags & (LETTER | NUMBER | MARK)
        if start >= 0 and (not inside or flags & SOLO or (solo and not flags & MARK)):
            break
        if inside and (start >= 0 or flags & (LETTER | NUMBER)):
            if start < 0:
                start = at
                solo = (flags & SOLO) != 0
            hashed = (hashed ^ np.uint64(lowered)) * FNV_PRIME
            stop = at + width
        at += width
    if start < 0:
        return hashed, end, end
    return mixed(hashed), start, stop


@block
def _gap(data: Data, at: int, end: int, tables: Characters) -> np.uint64:
    """What stands between two words: `_NOTHING`, `_BLANK`, or a hash of the characters."""
    if at == end:
        return _NOTHING
    hashed = FNV_START
    blank = True
    while at < end:
        code, width = decode(data, at, end)
        space = code < LIMIT and tables.classes[code] & SPACE
        blank = blank and (space or code in _HYPHENS)
        hashed = (hashed ^ np.uint64(_APOSTROPHE if code == _CURLY else code)) * FNV_PRIME
        at += width
    return _BLANK if blank else mixed(hashed)


@compiled
def _words_of(offsets: Places, data: Data, tables: Characters) -> tuple[Places, Hashes, Hashes]:
    """How many words each phrase has, and of all words the hashes and the gaps before them."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    words, gaps = np.empty(len(data) + 1, np.uint64), np.empty(len(data) + 1, np.uint64)
    made = 0
    for row in range(len(counts)):
        at, end = offsets[row], offsets[row + 1]
        hashed, start, stop = _next_word(data, at, end, tables)
        while start < end:
            words[made], gaps[made] = hashed, _gap(data, at, start, tables)
            made += 1
            counts[row] += 1
            at = stop
            hashed, start, stop = _next_word(data, at, end, tables)
    return counts, words[:made], gaps[:made]


@compiled
def _fill(slots: Places, firsts: Hashes) -> None:
    """Put the first phrase of each first word into the hash table."""
    mask = np.uint64(len(slots) - 1)
    for place in range(len(firsts)):
        if place and firsts[place] == firsts[place - 1]:
            continue
        slot = firsts[place] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = place


@compiled
def _count_all(
    offsets: Places, data: Data, wanted: Phrases, lists: int, tables: Characters
) -> npt.NDArray[np.int64]:
    counts = np.zeros((len(offsets) - 1, lists + 1), np.int64)
    counted = np.full(lists, -1, np.int64)  # the last byte at which each list was counted
    mask = np.uint64(len(wanted.slots) - 1)
    for row in range(len(counts)):
        end = offsets[row + 1]
        hashed, start, stop = _next_word(data, offsets[row], end, tables)
        while start < end:
            counts[row, lists] += 1
            slot = hashed & mask
            phrase = wanted.slots[slot]
            while phrase >= 0 and wanted.words[wanted.offsets[phrase]] != hashed:
                slot = (slot + np.uint64(1)) & mask
                phrase = wanted.slots[slot]
            while 0 <= phrase < len(wanted.lists):
                if wanted.words[wanted.offsets[phrase]] != hashed:
                    break
                of = wanted.lists[phrase]
                if counted[of] != start and _follows(data, stop, end, wanted, phrase, tables):
                    counts[row, of] += 1
                    counted[of] = start
                phrase += 1
            hashed, start, stop = _next_word(data, stop, end, tables)
    return counts


@block
def _follows(
    data: Data, at: int, end: int, wanted: Phrases, phrase: int, tables: Characters
) -> bool:
    """True if the words after a phrase's first one stand at byte `at`."""
    for place in range(wanted.offsets[phrase] + 1, wanted.offsets[phrase + 1]):
        hashed, start, stop = _next_word(data, at, end, tables)
        if start >= end or hashed != wanted.words[place]:
            return False
        if _gap(data, at, start, tables) != wanted.gaps[place]:
            return False
        at = stop
    return True
