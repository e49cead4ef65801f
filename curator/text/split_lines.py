"""Lines parted by newlines, as Dolma, RedPajama-V2 and CCNet count them.

Dolma (allenai/dolma, python/dolma/taggers/gopher.py and c4.py): `text.split("\\n")`, so empty lines
count, also as copies of each other; every copy of a line counts, the first too. RedPajama-V2
(togethercomputer/RedPajama-Data, app/src/core/quality_signals/lines.py and natural_language.py):
what ends with a newline is a line, and so is what is left after the last.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import block, leaf, part
from curator.text.edges import skip_blank, strip_end
from curator.text.hashing import FNV_PRIME, FNV_START, mixed
from curator.text.seen import Seen, add, cleared
from curator.text.unicode import decode

COUNTS: Final = (
    "split_lines",
    "star_lines",
    "trailing_lines",
    "copied_lines",
    "copied_line_characters",
    "open_braces",
    "lorem_ipsums",
    "whole_lines",
    "listed_lines",
    "closed_lines",
    "dotted_lines",
)
_SPLIT, _STAR, _TRAILING, _COPIED, _COPIED_CHARACTERS, _BRACES, _LOREM = range(7)
_WHOLE, _LISTED, _CLOSED, _DOTTED = range(7, 11)
_NEWLINE, _BRACE, _L = 10, 123, 108

Data = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


class LineRoom(NamedTuple):
    """Room for the lines of one text: where the set has each, and its characters."""

    slots: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


@part
def line_room(lines: int) -> LineRoom:
    """Room for this many lines."""
    return LineRoom(np.empty(lines, np.int64), np.empty(lines, np.int64))


@block
def newlines(data: Data, at: int, end: int) -> int:
    """How many newlines the text `data[at:end]` has."""
    found = 0
    for place in range(at, end):
        found += 1 if data[place] == _NEWLINE else 0
    return found


@part
def count_split_lines(
    data: Data,
    at: int,
    end: int,
    affixes: npt.NDArray[np.uint16],
    lines: LineRoom,
    seen: Seen,
    out: Counts,
) -> Seen:
    """Fill `out` in the order of `COUNTS`; returns the set, which may have grown.

    `lines` has room for a line more than the text has newlines.
    """
    out[:] = 0
    seen, mask = cleared(seen, len(lines.slots))
    number = 0
    while True:
        stop, hashed, characters = _read(data, at, end, out)
        lines.slots[number] = add(seen, mask, mixed(hashed))
        lines.lengths[number] = characters
        number += 1
        _look_at(data, at, stop, affixes, out)
        out[_WHOLE] += 1 if stop < end or stop > at else 0
        if stop == end:
            break
        at = stop + 1
    out[_SPLIT] = number
    for place in range(number):
        if seen.counts[lines.slots[place]] > 1:
            out[_COPIED] += 1
            out[_COPIED_CHARACTERS] += lines.lengths[place]
    return seen


@block
def _read(data: Data, at: int, end: int, out: Counts) -> tuple[int, np.uint64, int]:
    """Where the line that begins at `at` ends, the hash of its bytes, its characters."""
    hashed, continued, place = FNV_START, 0, at
    while place < end:
        byte = data[place]
        if byte == _NEWLINE:
            break
        hashed = (hashed ^ np.uint64(byte)) * FNV_PRIME
        continued += 1 if byte & 0xC0 == 0x80 else 0
        if byte == _BRACE:
            out[_BRACES] += 1
        elif byte | 32 == _L and _is_lorem(data, place, end):
            out[_LOREM] += 1
        place += 1
    return place, hashed, place - at - continued


@leaf
def _is_lorem(data: Data, at: int, end: int) -> bool:
    letters = b"lorem ipsum"
    if at + len(letters) > end:
        return False
    for place in range(len(letters)):
        byte = data[at + place]
        lowered = byte + 32 if 65 <= byte <= 90 else byte
        if lowered != letters[place]:
            return False
    return True


@block
def _look_at(data: Data, at: int, stop: int, affixes: npt.NDArray[np.uint16], out: Counts) -> None:
    """Count one line by how it begins and ends."""
    if at == stop:
        return
    out[_STAR] += 1 if data[at] in (42, 45) else 0  # * and -
    out[_TRAILING] += 1 if _last(data, at, stop) == 0x2026 else 0
    first = skip_blank(data, at, stop, affixes)
    last = strip_end(data, first, stop, affixes)
    if first == last:
        return
    out[_LISTED] += 1 if _is_bullet(decode(data, first, last)[0]) else 0
    closing = _last(data, first, last)
    out[_CLOSED] += 1 if closing in (46, 33, 63, 0x201D) else 0  # . ! ? and ”
    dots = last - first >= 3 and data[last - 1] == 46 and data[last - 2] == 46
    out[_DOTTED] += 1 if closing == 0x2026 or (dots and data[last - 3] == 46) else 0


@leaf
def _last(data: Data, at: int, end: int) -> np.int32:
    place = end - 1
    while place > at and data[place] & 0xC0 == 0x80:
        place -= 1
    return decode(data, place, end)[0]


@leaf
def _is_bullet(code: np.int32) -> bool:
    """One of RedPajama-V2's ten bullets: • ‣ ▶ ◀ ◦ ■ □ ▪ ▫ –."""
    if code == 0x2013 or code == 0x2022 or code == 0x2023 or code == 0x25E6:
        return True
    return bool(
        code == 0x25B6 or code == 0x25C0 or code in (0x25A0, 0x25A1) or code in (0x25AA, 0x25AB)
    )
