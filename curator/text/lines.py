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
from curator.text.compile import block, leaf
from curator.text.edges import strip_end
from curator.text.hashing import STEP, hash_bytes, mixed
from curator.text.masks import Masks, count_continued, next_one, next_zero
from curator.text.seen import Seen, emptied, seen_again
from curator.text.tokens import Lines
from curator.text.unicode import LIMIT, decode

SHORT_LINE: Final = 30  # characters (Penedo et al. 2024, arXiv:2406.17557, section 3.6)
MARKED: Final = ("lines", "bullet_lines", "ellipsis_lines")
# The first ones are those of `curator.text.masks.SCANNED`.
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
_SCANNED: Final = 4  # counts that scanning the text has given

_NEWLINE, _DOT, _BULLET, _DASH = 10, 46, 0x2022, 45

Data = npt.NDArray[np.uint8]
Affixes = npt.NDArray[np.uint16]
Counts = npt.NDArray[np.int64]


class Rooms(NamedTuple):
    """Room for what was seen in one text: its lines and its paragraphs."""

    lines: Seen
    paragraphs: Seen


@block
def mark_lines(data: Data, lines: Lines, rows: int, out: Counts) -> None:
    """Count the lines of a text, as `str.splitlines` parts them, into `out` (as `MARKED`)."""
    bullets, ellipses = 0, 0
    for row in range(rows):
        first, last = lines.firsts[row], lines.lasts[row]
        if first < last:
            code, _ = decode(data, first, last)
            bullets += 1 if code in (_BULLET, _DASH) else 0
            ellipses += 1 if _trails_off(data, first, last) else 0
    out[0], out[1], out[2] = rows, bullets, ellipses


@leaf
def _trails_off(data: Data, first: int, last: int) -> bool:
    """True for three dots at the end, or U+2026."""
    if last < first + 3:
        return False
    final = data[last - 1]
    if final == _DOT:
        return bool(data[last - 3] == _DOT and data[last - 2] == _DOT)
    return bool(final == 0xA6 and data[last - 3] == 0xE2 and data[last - 2] == 0x80)


@block
def count_stretches(
    data: Data,
    at: int,
    end: int,
    masks: Masks,
    affixes: Affixes,
    scanned: Counts,
    rooms: Rooms,
    out: Counts,
) -> None:
    """Fill `out` in the order of `STRETCHES`.

    `masks` and `scanned` are what `curator.text.masks.scan` found in `data[at:end]`. Each of the
    rooms must hold one entry more than the text has newlines.
    """
    newlines, wide = scanned[_NEWLINES], scanned[-1] != 0
    lines, paragraphs = rooms.lines, rooms.paragraphs
    mask, paragraph_mask = emptied(lines, newlines + 1), emptied(paragraphs, newlines + 1)
    _begin(data, at, end, scanned, out)
    base = at
    first = base + next_zero(masks.blank, 0) if at < end else end
    last = strip_end(data, first, end, affixes) if first < end else first
    out[_PARAGRAPHS] = 1 if first >= last else 0  # splitting nothing leaves one empty piece
    opened, paragraph, size = False, np.uint64(0), 0
    while at < end:
        stop = base + next_one(masks.newlines, at - base)
        if stop > at:
            hashed = hash_bytes(data, at, stop - at)
            characters = stop - at - (count_continued(data, at, stop) if wide else 0)
            again = int(seen_again(lines, mask, hashed))
            visible = base + next_zero(masks.blank, at - base) < stop
            _count_line(data, at, stop, affixes, characters, again, visible, out)
            if first < stop and at < last:
                if at < first or stop > last:
                    low, high = max(at, first), min(stop, last)
                    hashed = hash_bytes(data, low, high - low)
                    characters = high - low - (count_continued(data, low, high) if wide else 0)
                paragraph = mixed(paragraph * STEP + hashed) if opened else hashed
                size = size + 1 + characters if opened else characters
                opened = True
        if opened and (stop == at or stop >= last):
            out[_PARAGRAPHS] += 1
            if seen_again(paragraphs, paragraph_mask, paragraph):
                out[_PARAGRAPHS + 1] += 1
                out[_PARAGRAPHS + 2] += size
            opened = False
        at = stop + 1


@leaf
def _begin(data: Data, at: int, end: int, scanned: Counts, out: Counts) -> None:
    """Take over what scanning counted; count the empty pieces at the text's ends."""
    out[:] = 0
    for place in range(_SCANNED):
        out[place] = scanned[place]
    # Splitting at runs of newlines leaves an empty piece where the text begins or ends with one.
    edges = 1
    if at < end:
        edges = int(data[at] == _NEWLINE) + int(data[end - 1] == _NEWLINE)
    out[_LINES] = edges
    out[_REPEATED] = 1 if edges == 2 else 0


@leaf
def _count_line(
    data: Data,
    at: int,
    end: int,
    affixes: Affixes,
    characters: int,
    again: int,
    visible: bool,  # noqa: FBT001 - kernels take no keywords
    out: Counts,
) -> None:
    out[_LINES] += 1
    out[_REPEATED] += again
    out[_REPEATED_CHARACTERS] += again * characters
    if visible:
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
