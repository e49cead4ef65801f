"""Where lines end and where their visible part begins and ends; how many characters bytes hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.affixes import BLANK
from curator.text.compile import inlined
from curator.text.unicode import LIMIT, decode

Data = npt.NDArray[np.uint8]
Affixes = npt.NDArray[np.uint16]


@inlined
def characters_in(data: Data, at: int, end: int) -> int:
    """The number of code points: bytes that do not continue one."""
    count = 0
    for place in range(at, end):
        count += 1 if data[place] & 0xC0 != 0x80 else 0
    return count


@inlined
def next_break(data: Data, at: int, end: int) -> tuple[int, int]:
    """Where the line that begins at `at` stops, and where the next begins, as str.splitlines."""
    while at < end:
        byte = data[at]
        if byte < 0x20:
            if byte == 13 and at + 1 < end and data[at + 1] == 10:
                return at, at + 2
            if 10 <= byte <= 13 or 28 <= byte <= 30:
                return at, at + 1
        elif byte == 0xC2:
            if at + 1 < end and data[at + 1] == 0x85:
                return at, at + 2
        elif byte == 0xE2 and at + 2 < end and data[at + 1] == 0x80:
            last = data[at + 2]
            if last == 0xA8 or last == 0xA9:
                return at, at + 3
        at += 1
    return end, end


@inlined
def skip_blank(data: Data, at: int, end: int, affixes: Affixes) -> int:
    """The first byte at or after `at` that is no white space; `end` if there is none."""
    while at < end:
        code, width = decode(data, at, end)
        if code >= LIMIT or not affixes[code] & BLANK:
            break
        at += width
    return at


@inlined
def strip_end(data: Data, at: int, end: int, affixes: Affixes) -> int:
    """The byte past the last character that is no white space; `at` if there is none."""
    while end > at:
        last = end - 1
        while last > at and data[last] & 0xC0 == 0x80:
            last -= 1
        code, _ = decode(data, last, end)
        if code >= LIMIT or not affixes[code] & BLANK:
            break
        end = last
    return end
