"""Where the visible part of a stretch of text begins and ends, as `str.strip` sees it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.affixes import BLANK
from curator.text.compile import block
from curator.text.unicode import LIMIT, decode

Data = npt.NDArray[np.uint8]
Affixes = npt.NDArray[np.uint16]


@block
def skip_blank(data: Data, at: int, end: int, affixes: Affixes) -> int:
    """The first byte at or after `at` that is no white space; `end` if there is none."""
    while at < end:
        code, width = decode(data, at, end)
        if code >= LIMIT or not affixes[code] & BLANK:
            break
        at += width
    return at


@block
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
