"""Text as exact matching reads it: pieces, compared character by character.

A piece is a maximal run of anything but white space; a letter of a script written without spaces
(`curator.text.words`), with the marks that follow it, is a piece of its own. Case, punctuation and
accents count, white space does not: a passage is the same passage when its lines are broken
elsewhere.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf
from curator.text.hashing import FNV_PRIME, FNV_START, OTHER, mixed
from curator.text.unicode import LIMIT, MARK, SOLO, SPACE, Characters, decode

_BLANK: Final = 32  # in ASCII, white space is 9 to 13 and 28 to 32 (`str.isspace`)


@leaf
def is_blank(byte: np.uint8) -> bool:
    """True for white space in ASCII."""
    return bool(byte <= _BLANK and (byte >= 28 or (byte >= 9 and byte <= 13)))


@leaf
def skip_space(data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters) -> int:
    """The first byte at or after `at` that is no white space, `end` if there is none."""
    while at < end:
        byte = data[at]
        if byte < 128:
            if not is_blank(byte):
                break
            at += 1
        else:
            code, width = decode(data, at, end)
            if code >= LIMIT or not tables.classes[code] & SPACE:
                break
            at += width
    return at


@leaf
def next_piece(
    data: npt.NDArray[np.uint8], start: int, end: int, tables: Characters
) -> tuple[np.uint64, np.uint64, int]:
    """Two hashes of the piece that begins at byte `start`, and its end byte.

    `start` comes from `skip_space`. A hash that a kernel does not use costs it nothing.
    """
    first, second = FNV_START, OTHER
    at = start
    alone = False  # a letter that is a piece of its own: only marks go on with it
    while at < end:
        byte = data[at]
        if byte < 128:
            if alone or is_blank(byte):
                break
            code, width = np.int32(byte), 1
        else:
            code, width = decode(data, at, end)
            flags = tables.classes[code] if code < LIMIT else np.uint16(0)
            if flags & SPACE or (flags & SOLO and at > start) or (alone and not flags & MARK):
                break
            alone = alone or flags & SOLO != 0
        first = (first ^ np.uint64(code)) * FNV_PRIME
        second = (second ^ np.uint64(code)) * OTHER
        at += width
    return mixed(first), mixed(second), at
