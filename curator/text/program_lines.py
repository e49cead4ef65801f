"""Programs of one call a line, as `curator.refine.programs` has them, read where plainly spelled.

A line is plain when it is one of the known calls with its arguments by name and in order, numbers
of up to 15 digits, and strings without backslashes, control characters or the quote they stand in.
Every other line is handed back unread: what it means, or why it means nothing, takes a real parser.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled, leaf

UNREAD: Final = -1
KEEP_CHUNK, KEEP_DOC, DROP_DOC, REMOVE, REMOVE_ALL, NORMALIZE = range(6)
_BLANK: Final = -2
_DIGITS: Final = 15

Data = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


class Calls(NamedTuple):
    """The lines of programs that are not blank, program after program.

    Attributes:
        offsets: (programs + 1,) int64; the lines of program i are `offsets[i]:offsets[i + 1]`.
        kinds: (lines,) int8, which call, or `UNREAD`.
        numbers: (lines, 4) int64. `REMOVE`: first line, last line. `NORMALIZE`: first byte and end
            of the source, then of the target. `UNREAD`: first byte and end of the line. Bytes count
            from the beginning of the column's data.
    """

    offsets: Counts
    kinds: npt.NDArray[np.int8]
    numbers: Counts


def program_lines(
    programs: Texts, *, longest_line: int, longest_string: int, most_lines: int
) -> Calls:
    """The calls of each program; of one with more lines than `most_lines`, one more than those.

    Args:
        programs: a text column.
        longest_line: bytes, white space at both ends apart; a longer one is unread.
        longest_string: bytes; a line with a longer one is unread.
        most_lines: that are not blank.
    """
    column = utf8(programs)
    return Calls(*_read(column.offsets, column.data, longest_line, longest_string, most_lines))


@compiled
def _read(
    offsets: Counts, data: Data, line: int, longest: int, most: int
) -> tuple[Counts, npt.NDArray[np.int8], Counts]:
    room = len(offsets) - 1
    for place in range(offsets[0], offsets[-1]):
        room += 1 if data[place] == 10 else 0
    bounds = np.zeros(len(offsets), np.int64)
    kinds = np.empty(room, np.int8)
    numbers = np.zeros((room, 4), np.int64)
    made = 0
    for row in range(len(offsets) - 1):
        at, end, begun = offsets[row], offsets[row + 1], made
        while at < end and made - begun <= most:
            stop = at
            while stop < end and data[stop] != 10:
                stop += 1
            kind = _call(data, at, stop, line, longest, numbers, made)
            if kind != _BLANK:
                kinds[made] = kind
                made += 1
            at = stop + 1
        bounds[row + 1] = made
    return bounds, kinds[:made].copy(), numbers[:made].copy()


@block
def _call(data: Data, at: int, end: int, line: int, longest: int, numbers: Counts, row: int) -> int:
    """Which call stands between two bytes; its arguments go into `numbers[row]`."""
    at = _past_space(data, at, end)
    while end > at and (data[end - 1] == 32 or data[end - 1] == 9 or data[end - 1] == 13):
        end -= 1
    if at == end:
        return _BLANK
    kind = UNREAD if end - at > line else _arguments(data, at, end, longest, numbers, row)
    if kind == UNREAD:
        numbers[row, 0], numbers[row, 1] = at, end
    return kind


@block
def _arguments(data: Data, at: int, end: int, longest: int, numbers: Counts, row: int) -> int:
    if _stands(data, at, end, b"remove_lines("):
        if end - at == 22 and _stands(data, at + 13, end, b"all=True)"):
            return REMOVE_ALL
        at = _number(data, _word(data, at + 13, end, b"line_start"), end, numbers, row, 0)
        at = _past(data, at, end, 44)  # ,
        at = _number(data, _word(data, at, end, b"line_end"), end, numbers, row, 1)
        return REMOVE if _past(data, at, end, 41) == end else UNREAD  # )
    if _stands(data, at, end, b"normalize("):
        at = _string(data, _word(data, at + 10, end, b"source_str"), end, longest, numbers, row, 0)
        at = _past(data, at, end, 44)
        at = _string(data, _word(data, at, end, b"target_str"), end, longest, numbers, row, 2)
        if _past(data, at, end, 41) != end or numbers[row, 0] == numbers[row, 1]:
            return UNREAD
        return NORMALIZE
    if end - at == 12 and _stands(data, at, end, b"keep_chunk()"):
        return KEEP_CHUNK
    if end - at == 10 and _stands(data, at, end, b"keep_doc()"):
        return KEEP_DOC
    if end - at == 10 and _stands(data, at, end, b"drop_doc()"):
        return DROP_DOC
    return UNREAD


# The next four return the byte to go on from, or a place past the end where a piece is missing:
# from there on nothing is found any more.


@leaf
def _past(data: Data, at: int, end: int, byte: int) -> int:
    """The place after white space and this byte."""
    if at >= end:
        return end + 1
    at = _past_space(data, at, end)
    return at + 1 if at < end and data[at] == byte else end + 1


@leaf
def _word(data: Data, at: int, end: int, word: bytes) -> int:
    """The place after a keyword and its `=`."""
    if at >= end:
        return end + 1
    at = _past_space(data, at, end)
    if not _stands(data, at, end, word):
        return end + 1
    return _past(data, at + len(word), end, 61)


@block
def _number(data: Data, at: int, end: int, numbers: Counts, row: int, place: int) -> int:
    if at >= end:
        return end + 1
    at = _past_space(data, at, end)
    start, found = at, 0
    while at < end and 48 <= data[at] <= 57 and at - start <= _DIGITS:
        found = 10 * found + int(data[at]) - 48
        at += 1
    size = at - start
    if size == 0 or size > _DIGITS or (size > 1 and data[start] == 48):
        return end + 1
    numbers[row, place] = found
    return at


@block
def _string(
    data: Data, at: int, end: int, longest: int, numbers: Counts, row: int, place: int
) -> int:
    if at >= end:
        return end + 1
    at = _past_space(data, at, end)
    if at >= end or (data[at] != 34 and data[at] != 39):
        return end + 1
    quote = data[at]
    at += 1
    start = at
    while at < end and data[at] != quote:
        if data[at] < 32 or data[at] == 92:
            return end + 1
        at += 1
    if at >= end or at - start > longest:
        return end + 1
    numbers[row, place], numbers[row, place + 1] = start, at
    return at + 1


@leaf
def _past_space(data: Data, at: int, end: int) -> int:
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 13):
        at += 1
    return at


@leaf
def _stands(data: Data, at: int, end: int, word: bytes) -> bool:
    if at + len(word) > end:
        return False
    place = 0
    while place < len(word) and data[at + place] == word[place]:
        place += 1
    return place == len(word)
