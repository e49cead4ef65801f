"""What every byte of a text is, a bit a byte: found 64 bytes at a time, searched by bit counting.

Kernels that go through a text then jump from boundary to boundary instead of looking at each byte.
Bit k of word w of a mask is byte `64 w + k` of the text; past the text's end all bits are set, so
that every search ends there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.blocks import between, lowest, ones, same
from curator.text.compile import block, leaf, part

Data = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.uint64]
_1, _2, _62, _63 = np.uint64(1), np.uint64(2), np.uint64(62), np.uint64(63)
_NONE, _ALL = np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)
SCANNED: Final = ("characters", "hashes", "ellipses", "newlines", "breaks", "wide")


class Masks(NamedTuple):
    """Room for the masks of one text, each uint64.

    Attributes:
        blank: white space (`str.isspace`), all bytes of it.
        other: all but the 52 letters of ASCII.
        wide: bytes of characters beyond ASCII.
        breaks: the first byte of what `str.splitlines` cuts at.
        newlines: `\\n`.
    """

    blank: Bits
    other: Bits
    wide: Bits
    breaks: Bits
    newlines: Bits


@part
def mask_room(size: int) -> Masks:
    """Room for a text of this many bytes."""
    words = size // 64 + 2
    return Masks(
        np.empty(words, np.uint64),
        np.empty(words, np.uint64),
        np.empty(words, np.uint64),
        np.empty(words, np.uint64),
        np.empty(words, np.uint64),
    )


@block
def scan(data: Data, at: int, end: int, masks: Masks, out: npt.NDArray[np.int64]) -> None:
    """Make the masks of the text `data[at:end]`, and count into `out` (6,) as `SCANNED` says.

    An ellipsis is three dots, none counted twice, or U+2026; wide: 1 if a byte is beyond ASCII.
    """
    characters, hashes, ellipses, newlines, breaks = end - at, 0, 0, 0, 0
    any_wide, carried, dotted = _NONE, _NONE, at
    words = ((end - at) >> 6) + 1
    for word in range(words):
        place = at + (word << 6)
        left = end - place
        inside = _ALL if left >= 64 else (_1 << np.uint64(left)) - _1
        outside = ~inside
        newline = same(data, place, 10) & inside
        broken = (between(data, place, 10, 4) | between(data, place, 28, 3)) & inside
        blank = between(data, place, 9, 5) | between(data, place, 28, 5) | carried
        letters = between(data, place, 97, 26) | between(data, place, 65, 26)
        wide = between(data, place, 128, 128) & inside
        three = same(data, place, 46) & same(data, place + 1, 46) & same(data, place + 2, 46)
        three &= inside
        if three:
            found, dotted = _ellipses(three, place, end, dotted)
            ellipses += found
        carried = _NONE
        if wide:
            any_wide |= wide
            characters -= ones(between(data, place, 128, 64) & inside)
            two, three, cut, dots = _wide_blanks(data, place)
            ellipses += ones(dots & inside)
            blank |= two | (two << _1) | three | (three << _1) | (three << _2)
            carried = (two >> _63) | (three >> _62) | (three >> _63)
            broken |= cut & inside
        newlines += ones(newline)
        breaks += ones(broken)
        hashes += ones(same(data, place, 35) & inside)
        masks.blank[word] = blank | outside
        masks.other[word] = ~letters | outside
        masks.wide[word] = wide | outside
        masks.breaks[word] = broken | outside
        masks.newlines[word] = newline | outside
    masks.blank[words] = _NONE  # ends the search for what is not blank
    out[0], out[1], out[2] = characters, hashes, ellipses
    out[3], out[4], out[5] = newlines, breaks, 1 if any_wide else 0


@leaf
def _ellipses(three: np.uint64, place: int, end: int, dotted: int) -> tuple[int, int]:
    """How many of the dots that two more follow begin an ellipsis; past which byte the last is."""
    found = 0
    while three:
        start = place + lowest(three)
        three &= three - _1
        if start >= dotted and start + 3 <= end:
            found += 1
            dotted = start + 3
    return found, dotted


@leaf
def _wide_blanks(data: Data, place: int) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """First bytes of white space of two bytes, of three, of line breaks among them, of U+2026."""
    first = same(data, place, 0xC2)
    next_line = first & same(data, place + 1, 0x85)
    two = next_line | (first & same(data, place + 1, 0xA0))
    three, cut, dots = _NONE, next_line, _NONE
    general = same(data, place, 0xE2)
    if general:
        quads = general & same(data, place + 1, 0x80)  # U+2000 to U+203F
        separators = quads & between(data, place + 2, 0xA8, 2)
        cut |= separators
        dots = quads & same(data, place + 2, 0xA6)
        three = separators | (quads & (between(data, place + 2, 0x80, 11)))
        three |= quads & same(data, place + 2, 0xAF)
        three |= general & same(data, place + 1, 0x81) & same(data, place + 2, 0x9F)
    ogham = same(data, place, 0xE1) & same(data, place + 1, 0x9A) & same(data, place + 2, 0x80)
    ideal = same(data, place, 0xE3) & same(data, place + 1, 0x80) & same(data, place + 2, 0x80)
    return two, three | ogham | ideal, cut, dots


@leaf
def next_one(bits: Bits, place: int) -> int:
    """The first place at or after `place` whose bit is set; there must be one."""
    word = place >> 6
    found = bits[word] >> np.uint64(place & 63)
    if found:
        return place + lowest(found)
    while True:
        word += 1
        found = bits[word]
        if found:
            return (word << 6) + lowest(found)


@leaf
def next_zero(bits: Bits, place: int) -> int:
    """The first place at or after `place` whose bit is not set; there must be one."""
    word = place >> 6
    found = ~bits[word] >> np.uint64(place & 63)
    if found:
        return place + lowest(found)
    while True:
        word += 1
        found = ~bits[word]
        if found:
            return (word << 6) + lowest(found)


@leaf
def has_one(bits: Bits, place: int, end: int) -> bool:
    """True if a bit from `place` on and before `end` is set."""
    word = place >> 6
    found = bits[word] >> np.uint64(place & 63)
    if found:
        return place + lowest(found) < end
    while (word + 1) << 6 < end:
        word += 1
        found = bits[word]
        if found:
            return (word << 6) + lowest(found) < end
    return False


@leaf
def is_set(bits: Bits, place: int) -> bool:
    """True if the bit at `place` is set."""
    return bool((bits[place >> 6] >> np.uint64(place & 63)) & _1)


@leaf
def count_continued(data: Data, at: int, end: int) -> int:
    """How many bytes go on a character that began before them."""
    continued = 0
    while at < end:
        left = end - at
        inside = _ALL if left >= 64 else (_1 << np.uint64(left)) - _1
        continued += ones(between(data, at, 128, 64) & inside)
        at += 64
    return continued
