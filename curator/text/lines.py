"""Counts over the lines and paragraphs of one text, each in the sense its filter means.

A line is, for Gopher's bullets and ellipses, what `str.splitlines` gives; for repetition, what
stands between runs of newlines; for FineWeb, what stands between newlines and is not blank. A
paragraph is what stands between two or more newlines of the stripped text. These are datatrove's
readings of the papers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.affixes import STOP
from curator.text.compile import inlined
from curator.text.edges import characters_in, next_break, skip_blank, strip_end
from curator.text.hashing import FNV_PRIME, FNV_START, mixed
from curator.text.seen import Seen, add, cleared
from curator.text.unicode import LIMIT, decode

SHORT_LINE: Final = 30  # characters (Penedo et al. 2024, arXiv:2406.17557, section 3.6)

_NEWLINE, _HASH, _DOT, _BULLET, _DASH, _ELLIPSIS = 10, 35, 46, 0x2022, 45, 0x2026

Data = npt.NDArray[np.uint8]
Affixes = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.int64]


@inlined
def marked_lines(data: Data, at: int, end: int, affixes: Affixes, out: Counts) -> None:
    """Fill `out` (5,): hashes, ellipses, lines, bullet lines, lines that end in an ellipsis."""
    out[:] = 0
    dots = 0
    for place in range(at, end):
        byte = data[place]
        dots = dots + 1 if byte == _DOT else 0
        if dots == 3:  # as str.count does: three dots each, none counted twice
            out[1] += 1
            dots = 0
        out[0] += 1 if byte == _HASH else 0
        if byte == 0xA6 and place >= at + 2 and data[place - 1] == 0x80:
            out[1] += 1 if data[place - 2] == 0xE2 else 0
    while at < end:
        stop, following = next_break(data, at, end)
        out[2] += 1
        first = skip_blank(data, at, stop, affixes)
        if first < stop:
            code, _ = decode(data, first, stop)
            out[3] += 1 if code in (_BULLET, _DASH) else 0
            out[4] += 1 if _ends_in_ellipsis(data, first, stop, affixes) else 0
        at = following


@inlined
def _ends_in_ellipsis(data: Data, at: int, end: int, affixes: Affixes) -> bool:
    end = strip_end(data, at, end, affixes)
    if end < at + 3:
        return False
    first, second, third = data[end - 3], data[end - 2], data[end - 1]
    dots = first == _DOT and second == _DOT and third == _DOT
    return bool(dots or (first == 0xE2 and second == 0x80 and third == 0xA6))


@inlined
def newline_lines(data: Data, at: int, end: int, affixes: Affixes, seen: Seen, out: Counts) -> Seen:
    """Fill `out` (8,) over the stretches between newlines.

    The counts: newlines; for repetition lines, repeated lines, characters in those; for FineWeb
    lines, lines that end a sentence, short lines, characters in repeated lines. Returns the set,
    which may have grown.
    """
    out[:] = 0
    for place in range(at, end):
        out[0] += 1 if data[place] == _NEWLINE else 0
    seen, mask = cleared(seen, out[0] + 1)
    # Splitting at runs of newlines leaves an empty first and last piece where newlines stand there.
    edges = int(data[at] == _NEWLINE) + int(data[end - 1] == _NEWLINE) if at < end else 1
    out[1] = edges
    out[2] = 1 if edges == 2 else 0
    while at < end:
        stop, hashed = at, FNV_START
        while stop < end and data[stop] != _NEWLINE:
            hashed = (hashed ^ np.uint64(data[stop])) * FNV_PRIME
            stop += 1
        if stop > at:
            size = characters_in(data, at, stop)
            repeated = seen.counts[add(seen, mask, mixed(hashed))] > 1
            out[1] += 1
            if repeated:
                out[2] += 1
                out[3] += size
            if skip_blank(data, at, stop, affixes) < stop:
                out[4] += 1
                out[5] += 1 if _ends_sentence(data, at, stop, affixes) else 0
                out[6] += 1 if size <= SHORT_LINE else 0
                out[7] += size if repeated else 0
        at = stop + 1
    return seen


@inlined
def _ends_sentence(data: Data, at: int, end: int, affixes: Affixes) -> bool:
    last = end - 1
    while last > at and data[last] & 0xC0 == 0x80:
        last -= 1
    code, _ = decode(data, last, end)
    return bool(code < LIMIT and affixes[code] & STOP != 0)


@inlined
def paragraphs(data: Data, at: int, end: int, affixes: Affixes, seen: Seen, out: Counts) -> Seen:
    """Fill `out` (3,): paragraphs, repeated ones, characters in those. Returns the set."""
    out[:] = 0
    at = skip_blank(data, at, end, affixes)
    end = strip_end(data, at, end, affixes)
    if at >= end:
        out[0] = 1  # splitting nothing leaves one empty piece
        return seen
    borders = 1
    for place in range(at + 1, end):
        borders += 1 if data[place] == _NEWLINE and data[place - 1] == _NEWLINE else 0
    seen, mask = cleared(seen, borders)
    while at < end:
        stop, hashed = at, FNV_START
        while stop < end and not (
            data[stop] == _NEWLINE and stop + 1 < end and data[stop + 1] == _NEWLINE
        ):
            hashed = (hashed ^ np.uint64(data[stop])) * FNV_PRIME
            stop += 1
        out[0] += 1
        if seen.counts[add(seen, mask, mixed(hashed))] > 1:
            out[1] += 1
            out[2] += characters_in(data, at, stop)
        at = stop
        while at < end and data[at] == _NEWLINE:
            at += 1
    return seen
