"""Counts over the lines and paragraphs of one text, each in the sense its filter means.

A line is, for Gopher's bullets and ellipses, what `str.splitlines` gives; for repetition, what
stands between runs of newlines; for FineWeb, what stands between newlines and is not blank. A
paragraph is what stands between two or more newlines of the stripped text. These are datatrove's
readings of the papers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.affixes import STOP
from curator.text.compile import block, leaf, part
from curator.text.edges import skip_blank, strip_end
from curator.text.hashing import FNV_PRIME, FNV_START, STEP, mixed
from curator.text.seen import Seen, cleared, seen_again
from curator.text.unicode import LIMIT, decode

SHORT_LINE: Final = 30  # characters (Penedo et al. 2024, arXiv:2406.17557, section 3.6)
MARKED: Final = ("lines", "bullet_lines", "ellipsis_lines")
STRETCHES: Final = (
    "characters",
    "hashes",
    "ellipses",
    "newlines",
    "repetition_lines",
    "repeated_lines",
    "repeated_line_characters",
    "visible_lines",
    "ended_lines",
    "short_lines",
    "repeated_visible_characters",
    "paragraphs",
    "repeated_paragraphs",
    "repeated_paragraph_characters",
)
_CHARACTERS, _HASHES, _ELLIPSES, _NEWLINES, _LINES, _REPEATED, _REPEATED_CHARACTERS = range(7)
_VISIBLE, _ENDED, _SHORT, _REPEATED_VISIBLE, _PARAGRAPHS = range(7, 12)

_NEWLINE, _HASH, _DOT, _BULLET, _DASH = 10, 35, 46, 0x2022, 45

Data = npt.NDArray[np.uint8]
Affixes = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.int64]


class Rooms(NamedTuple):
    """Room for what was seen in one text: its lines and its paragraphs."""

    lines: Seen
    paragraphs: Seen


@leaf
def mark_line(data: Data, first: int, last: int, out: Counts) -> None:
    """Count one line, whose visible part is `data[first:last]`, into `out` (as `MARKED`)."""
    out[0] += 1
    if first == last:
        return
    code, _ = decode(data, first, last)
    out[1] += 1 if code in (_BULLET, _DASH) else 0
    if last < first + 3:
        return
    dots = data[last - 3] == _DOT and data[last - 2] == _DOT and data[last - 1] == _DOT
    ellipsis = data[last - 3] == 0xE2 and data[last - 2] == 0x80 and data[last - 1] == 0xA6
    out[2] += 1 if dots or ellipsis else 0


@part
def count_stretches(
    data: Data, at: int, end: int, affixes: Affixes, rooms: Rooms, out: Counts
) -> Rooms:
    """Fill `out` in the order of `STRETCHES`; returns the rooms, which may have grown."""
    out[:] = 0
    _count_newlines(data, at, end, out)
    lines, mask = cleared(rooms.lines, out[_NEWLINES] + 1)
    paragraphs, paragraph_mask = cleared(rooms.paragraphs, out[_NEWLINES] + 1)
    first = skip_blank(data, at, end, affixes)
    last = strip_end(data, first, end, affixes)
    out[_PARAGRAPHS] = 1 if first == last else 0  # splitting nothing leaves one empty piece
    opened, paragraph, size = False, np.uint64(0), 0
    while at < end:
        stop, hashed, characters, hashes, ellipses = _read_line(data, at, end)
        out[_CHARACTERS] += characters
        out[_HASHES] += hashes
        out[_ELLIPSES] += ellipses
        if stop > at:
            again = int(seen_again(lines, mask, mixed(hashed)))
            _count_line(data, at, stop, affixes, characters, again, out)
            if first < stop and at < last:
                if at < first or stop > last:
                    low, high = max(at, first), min(stop, last)
                    _, hashed, characters, _, _ = _read_line(data, low, high)
                paragraph = mixed(paragraph * STEP + hashed) if opened else mixed(hashed)
                size = size + 1 + characters if opened else characters
                opened = True
        if opened and (stop == at or stop >= last):
            out[_PARAGRAPHS] += 1
            if seen_again(paragraphs, paragraph_mask, paragraph):
                out[_PARAGRAPHS + 1] += 1
                out[_PARAGRAPHS + 2] += size
            opened = False
        at = stop + 1
    return Rooms(lines, paragraphs)


@leaf
def _count_newlines(data: Data, at: int, end: int, out: Counts) -> None:
    newlines = 0
    for place in range(at, end):
        newlines += 1 if data[place] == _NEWLINE else 0
    out[_NEWLINES] = newlines
    out[_CHARACTERS] = newlines
    # Splitting at runs of newlines leaves an empty piece where the text begins or ends with one.
    edges = 1
    if at < end:
        edges = int(data[at] == _NEWLINE) + int(data[end - 1] == _NEWLINE)
    out[_LINES] = edges
    out[_REPEATED] = 1 if edges == 2 else 0


@block
def _read_line(data: Data, at: int, end: int) -> tuple[int, np.uint64, int, int, int]:
    """Read to the next newline: where it is, hash of the bytes, characters, `#`s, ellipses."""
    hashed = FNV_START
    continued, hashes, ellipses, dots, place = 0, 0, 0, 0, at
    while place < end:
        byte = data[place]
        if byte == _NEWLINE:
            break
        hashed = (hashed ^ np.uint64(byte)) * FNV_PRIME
        continued += 1 if byte & 0xC0 == 0x80 else 0
        hashes += 1 if byte == _HASH else 0
        if byte == _DOT:
            dots += 1
            if dots == 3:  # as str.count does: three dots each, none counted twice
                ellipses += 1
                dots = 0
        else:
            dots = 0
            if byte == 0xA6 and place >= at + 2 and data[place - 1] == 0x80:
                ellipses += 1 if data[place - 2] == 0xE2 else 0
        place += 1
    return place, hashed, place - at - continued, hashes, ellipses


@leaf
def _count_line(
    data: Data, at: int, end: int, affixes: Affixes, characters: int, again: int, out: Counts
) -> None:
    out[_LINES] += 1
    out[_REPEATED] += again
    out[_REPEATED_CHARACTERS] += again * characters
    if skip_blank(data, at, end, affixes) == end:
        return
    out[_VISIBLE] += 1
    out[_ENDED] += 1 if _ends_sentence(data, at, end, affixes) else 0
    out[_SHORT] += 1 if characters <= SHORT_LINE else 0
    out[_REPEATED_VISIBLE] += again * characters


@leaf
def _ends_sentence(data: Data, at: int, end: int, affixes: Affixes) -> bool:
    last = end - 1
    while last > at and data[last] & 0xC0 == 0x80:
        last -= 1
    code, _ = decode(data, last, end)
    return bool(code < LIMIT and affixes[code] & STOP != 0)
