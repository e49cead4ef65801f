"""What the lines of texts look like: where they are, how long, how many words, what letters.

A line is what stands between newlines. A word is what white space parts, and every letter of a
script that is written without spaces.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled
from curator.text.unicode import (
    LETTER,
    LIMIT,
    MARK,
    NUMBER,
    SOLO,
    SPACE,
    UPPER,
    Characters,
    characters,
    decode,
)  # fmt: skip

Counts = npt.NDArray[np.int64]


class Lines(NamedTuple):
    """The lines of a text column, text after text.

    Attributes:
        rows: the text of each line.
        starts: the line's first byte, from the beginning of its text.
        ends: the byte past its last one, where the newline is or the text ends.
        firsts: its first byte that is no white space; `ends` if there is none.
        words: how many it has.
        characters: how many it has, white space at both ends apart.
        visible: of these, how many are no white space.
        upper: how many are upper-case letters.
        letters: how many are letters.
        numbers: how many are numbers.
    """

    rows: Counts
    starts: Counts
    ends: Counts
    firsts: Counts
    words: Counts
    characters: Counts
    visible: Counts
    upper: Counts
    letters: Counts
    numbers: Counts


def line_shapes(texts: Texts) -> Lines:
    """The lines of each text that are not blank, in order."""
    column = utf8(texts)
    tables = characters()
    return Lines(*_shapes(column.offsets, column.data, tables))


def line_texts(texts: Texts, lines: Lines, chosen: npt.NDArray[np.int64]) -> pa.LargeStringArray:
    """Some lines as strings, without white space in front."""
    column = utf8(texts)
    begins = column.offsets[lines.rows[chosen]]
    starts, ends = begins + lines.firsts[chosen], begins + lines.ends[chosen]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - starts)])
    data = np.empty(offsets[-1], np.uint8)
    _gather(column.data, starts, offsets, data)
    return pa.LargeStringArray.from_buffers(len(chosen), pa.py_buffer(offsets), pa.py_buffer(data))


@compiled
def _gather(
    data: npt.NDArray[np.uint8], starts: Counts, offsets: Counts, out: npt.NDArray[np.uint8]
) -> None:
    for line in range(len(starts)):
        size = offsets[line + 1] - offsets[line]
        out[offsets[line] : offsets[line + 1]] = data[starts[line] : starts[line] + size]


@compiled
def _shapes(
    offsets: Counts, data: npt.NDArray[np.uint8], tables: Characters
) -> npt.NDArray[np.int64]:
    most = len(offsets) - 1
    for place in range(offsets[0], offsets[-1]):
        most += 1 if data[place] == 10 else 0
    out = np.zeros((10, most), np.int64)
    made = 0
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        at = start = begin
        first, inside, since = end, False, 0
        words = seen = visible = upper = letters = numbers = 0
        while at <= end:
            if at == end or data[at] == 10:
                if visible:
                    out[0, made], out[1, made], out[2, made] = row, start - begin, at - begin
                    out[3, made], out[4, made], out[5, made] = first - begin, words, seen
                    out[6, made], out[7, made] = visible, upper
                    out[8, made], out[9, made] = letters, numbers
                    made += 1
                at += 1
                start, first, inside, since = at, end, False, 0
                words = seen = visible = upper = letters = numbers = 0
                continue
            code, width = decode(data, at, end)
            flags = tables.classes[code] if code < LIMIT else np.uint16(0)
            if flags & SPACE:
                inside = False
                since += 1 if visible else 0
            else:
                if not visible:
                    first = at
                visible += 1
                seen += since + 1
                since = 0
                if not flags & MARK:  # a mark belongs to the letter before it
                    words += 1 if flags & SOLO or not inside else 0
                    inside = not flags & SOLO
                upper += 1 if flags & UPPER else 0
                letters += 1 if flags & LETTER else 0
                numbers += 1 if flags & NUMBER else 0
            at += width
    return out[:, :made]
