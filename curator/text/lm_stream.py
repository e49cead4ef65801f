"""A corpus as a stream of word numbers, for an n-gram model to be counted from.

Numbers 0, 1 and 2 are `<unk>`, `<s>` and `</s>`. Every line with at least one word gives `<s>`, its
words, `</s>`; other lines give nothing (CCNet scores them too, as the end of an empty sentence).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.lm_words import Data, Readings, line_end, next_word, readings, spell

UNKNOWN: Final = 0
BEGIN: Final = 1
END: Final = 2
FIRST_WORD: Final = 3
_SPACE: Final = 32
_LINE_FEED: Final = 10
Numbers = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]


class WordStream:
    """Words numbered as they come; `finish` numbers them again by their spelling."""

    def __init__(self) -> None:
        self._parts: list[Numbers] = []
        self._hashes = np.zeros(1 << 12, np.uint64)
        self._numbers = np.full(1 << 12, -1, np.int32)
        self._spelled = np.zeros(1 << 16, np.uint8)
        self._ends = np.zeros(1 << 10, np.int64)
        self._known = np.zeros(1 << 10, np.uint64)
        self._words = 0
        self.tokens = 0
        self.lines = 0

    def add(self, texts: Texts) -> None:
        """Append the words of `texts`."""
        column = utf8(texts)
        table = readings()
        words, lines = count(column.offsets, column.data, table)
        sizes = np.diff(column.offsets)
        out = np.empty(int(words.sum() + 2 * lines.sum()), np.int32)
        row, filled = 0, 0
        while row < len(column):
            self._make_room(int(words[row]), int(sizes[row]))
            row, filled, self._words = _number(
                column.offsets,
                column.data,
                table,
                words,
                row,
                out,
                filled,
                self._hashes,
                self._numbers,
                self._spelled,
                self._ends,
                self._known,
                self._words,
            )
        self._parts.append(out)
        self.tokens += int(words.sum())
        self.lines += int(lines.sum())

    def finish(self) -> tuple[Numbers, pa.LargeStringArray, Hashes]:
        """Return the stream, the words in the order of their bytes, and the words' hashes.

        Word i has number i + `FIRST_WORD` in the stream, whatever the order of the texts was.
        """
        offsets = np.concatenate([np.zeros(1, np.int64), self._ends[: self._words]])
        spelled = self._spelled[: offsets[-1]].tobytes()
        buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(spelled)]
        found = pa.Array.from_buffers(pa.large_string(), self._words, buffers)
        order = pc.array_sort_indices(found)
        places = order.to_numpy()
        renumbered = np.arange(FIRST_WORD + self._words, dtype=np.int32)
        renumbered[FIRST_WORD + places] = FIRST_WORD + np.arange(self._words, dtype=np.int32)
        stream = np.concatenate([np.zeros(0, np.int32), *self._parts])
        return renumbered[stream], found.take(order), self._known[: self._words][places]

    def _make_room(self, words: int, size: int) -> None:
        """Grow what one more text, all of new words, could overflow."""
        if 2 * (self._words + words) > len(self._hashes):
            slots = 1 << int(4 * (self._words + words)).bit_length()
            self._hashes = np.zeros(slots, np.uint64)
            self._numbers = np.full(slots, -1, np.int32)
            _enter(self._hashes, self._numbers, self._known[: self._words])
        if self._words + words > len(self._known):
            room = 2 * (self._words + words)
            self._known = np.concatenate([self._known[: self._words], np.zeros(room, np.uint64)])
            self._ends = np.concatenate([self._ends[: self._words], np.zeros(room, np.int64)])
        used = int(self._ends[self._words - 1]) if self._words else 0
        if used + 2 * size > len(self._spelled):
            self._spelled = np.concatenate(
                [self._spelled[:used], np.zeros(used + 4 * size, np.uint8)]
            )


def spelled_lines(texts: Texts) -> pa.LargeStringArray:
    """Return each text as the model reads it: words parted by spaces, lines by newlines.

    What another tool (KenLM) has to be given to read the same.
    """
    column = utf8(texts)
    sizes = np.diff(column.offsets)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(3 * sizes)])
    out = np.empty(int(starts[-1]), np.uint8)
    used = _spell_all(column.offsets, column.data, readings(), starts, out)
    parts = [out[start : start + size].tobytes() for start, size in zip(starts, used, strict=False)]
    return pa.array(parts, pa.large_binary()).cast(pa.large_string())


@compiled
def count(
    offsets: npt.NDArray[np.int64], data: Data, table: Readings
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(n,) int64 twice: the words of each text, and its lines with words."""
    words = np.zeros(len(offsets) - 1, np.int64)
    lines = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(words)):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            stop = line_end(data, at, end)
            before = words[row]
            _, start, at = next_word(data, at, stop, table)
            while start < stop:
                words[row] += 1
                _, start, at = next_word(data, at, stop, table)
            lines[row] += words[row] > before
            at = stop + 1
    return words, lines


@leaf
def _slot_of(hashes: Hashes, numbers: Numbers, hashed: np.uint64) -> np.uint64:
    mask = np.uint64(len(hashes) - 1)
    slot = hashed & mask
    while (numbers[slot] >= 0) & (hashes[slot] != hashed):
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def _enter(hashes: Hashes, numbers: Numbers, known: Hashes) -> None:
    for word in range(len(known)):
        slot = _slot_of(hashes, numbers, known[word])
        hashes[slot] = known[word]
        numbers[slot] = word


@compiled
def _number(
    offsets: npt.NDArray[np.int64],
    data: Data,
    table: Readings,
    words: npt.NDArray[np.int64],
    row: int,
    out: Numbers,
    filled: int,
    hashes: Hashes,
    numbers: Numbers,
    spelled: Data,
    ends: npt.NDArray[np.int64],
    known: Hashes,
    count_known: int,
) -> tuple[int, int, int]:
    """Number the words of texts from `row` on while there is room for all of a text being new."""
    used = int(ends[count_known - 1]) if count_known else 0
    while row < len(words):
        at, end = offsets[row], offsets[row + 1]
        most = count_known + words[row]
        if 2 * most > len(hashes) or most > len(known) or used + 2 * (end - at) > len(spelled):
            break
        while at < end:
            stop = line_end(data, at, end)
            hashed, start, at = next_word(data, at, stop, table)
            if start < stop:
                out[filled] = 1
                filled += 1
            begun = start < stop
            while start < stop:
                slot = _slot_of(hashes, numbers, hashed)
                if numbers[slot] < 0:
                    hashes[slot] = hashed
                    numbers[slot] = count_known
                    used = spell(data, start, at, table, spelled, used)
                    known[count_known] = hashed
                    ends[count_known] = used
                    count_known += 1
                out[filled] = numbers[slot] + 3
                filled += 1
                hashed, start, at = next_word(data, at, stop, table)
            if begun:
                out[filled] = 2
                filled += 1
            at = stop + 1
        row += 1
    return row, filled, count_known


@compiled
def _spell_all(
    offsets: npt.NDArray[np.int64],
    data: Data,
    table: Readings,
    starts: npt.NDArray[np.int64],
    out: Data,
) -> npt.NDArray[np.int64]:
    used = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(used)):
        at, end = offsets[row], offsets[row + 1]
        to = starts[row]
        while at < end:
            stop = line_end(data, at, end)
            _, start, at = next_word(data, at, stop, table)
            if start < stop and to > starts[row]:
                out[to] = _LINE_FEED
                to += 1
            first = True
            while start < stop:
                if not first:
                    out[to] = _SPACE
                    to += 1
                first = False
                to = spell(data, start, at, table, out, to)
                _, start, at = next_word(data, at, stop, table)
            at = stop + 1
        used[row] = to - starts[row]
    return used
