"""Text as the n-gram language model reads it: words and signs, line by line.

After the normalization of CCNet (Wenzek et al. 2020, arXiv:1911.00359; cc_net's
`text_normalizer.py`): lower case, accents off, every digit 0, punctuation by families. In place of
SentencePiece pieces:

- a word is a maximal run of letters, numbers and marks (`curator.text.words`);
- a letter of a script written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) is a word of
  its own, with the marks that follow it;
- a punctuation mark or symbol is a word of its own, and a run of one and the same is one word: a
  row of dashes would otherwise be a long text that is easy to foretell;
- white space, controls and format characters part words; a line ends at a newline.

A word is known by a 63-bit hash of its normalized characters: two of a million words share one
with a chance of 5e-8, and then count as the same word.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf
from curator.text.hashing import FNV_PRIME, FNV_START, mixed
from curator.text.unicode import (
    DIGIT,
    LETTER,
    LIMIT,
    MARK,
    NUMBER,
    PUNCTUATION,
    SOLO,
    SYMBOL,
    characters,
    decode,
)

NEWLINE: Final = 10
# What a character does, in the bits above its normalized code point.
_SHIFT: Final = 24
_CODE: Final = (1 << _SHIFT) - 1
_PART: Final = 1  # goes on with a word, or begins one
_ALONE: Final = 2  # a word of its own, with the marks that follow
_SIGN: Final = 3  # a word of its own, with its repetitions
_MARK: Final = 4  # goes on with a word; alone it is nothing
HASHED: Final = np.uint64(0x7FFFFFFFFFFFFFFF)
# Families of punctuation that are read as one sign: quotes, apostrophes, dashes, dots, bullets.
_FAMILIES: Final = {
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u300a\u300b\u300c\u300d\u300e\u300f",
    "'": "\u2018\u2019\u201a\u201b\u2039\u203a\u00b4\u0060\u2032",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2501\u25ba\u2022\u00b7",
    ".": "\u2026\u3002\u2025\uff61",
    ",": "\u3001\uff64\u060c",
    "<": "\u3008",
    ">": "\u3009",
    "[": "\u3010",
    "]": "\u3011",
    "?": "\u061f",
    ";": "\u061b",
    ":": "\u2236",
}

Data = npt.NDArray[np.uint8]
Readings = npt.NDArray[np.int32]


@cache
def readings() -> Readings:
    """(LIMIT,) int32: what each character does and is read as (0: it parts words)."""
    tables = characters()
    classes, folded = tables.classes, tables.folded
    kinds = np.zeros(LIMIT, np.int32)
    kinds[classes & (SYMBOL | PUNCTUATION) != 0] = _SIGN
    kinds[classes & MARK != 0] = _MARK
    kinds[classes & (LETTER | NUMBER) != 0] = _PART
    kinds[classes & SOLO != 0] = _ALONE
    codes = folded.copy()
    for sign, family in _FAMILIES.items():
        codes[[ord(character) for character in family]] = ord(sign)
    # A cedilla by itself would be read as a space: what changes its kind stays as it is.
    own = np.arange(LIMIT, dtype=np.int32)
    codes = np.where((codes == 0) | (kinds[codes] == kinds), codes, own)
    codes[classes[codes] & DIGIT != 0] = ord("0")
    codes = codes[codes]  # a wide sign is a plain one, which may belong to a family
    found: Readings = np.where(kinds > 0, kinds << _SHIFT | codes, 0).astype(np.int32)
    found.flags.writeable = False
    return found


@leaf
def _reading(data: Data, at: int, end: int, table: Readings) -> tuple[np.int32, int]:
    """What the character at byte `at` is read as, and its width."""
    first = data[at]
    if first < 128:
        return table[first], 1
    code, width = decode(data, at, end)
    return table[code] if code < LIMIT else np.int32(0), width


@leaf
def next_word(data: Data, at: int, end: int, table: Readings) -> tuple[np.uint64, int, int]:
    """The hash, first byte and end byte of the first word at or after byte `at`.

    The first byte is `end` when no word is left. `end` is the end of a line.
    """
    hashed = FNV_START
    kind = np.int32(0)
    while at < end:  # to the first character of a word
        read, width = _reading(data, at, end, table)
        kind = read >> _SHIFT
        if kind and kind != _MARK:
            break
        at += width
    start = at
    if at >= end:
        return hashed, end, end
    code = read & _CODE
    hashed = (hashed ^ np.uint64(code)) * FNV_PRIME
    at += width
    while at < end:
        read, width = _reading(data, at, end, table)
        following = read >> _SHIFT
        if kind == _SIGN:
            if read & _CODE != code or following != _SIGN:
                break
        elif following == _MARK or (following == _PART and kind == _PART):
            if read & _CODE:  # an accent is read as nothing
                hashed = (hashed ^ np.uint64(read & _CODE)) * FNV_PRIME
        else:
            break
        at += width
    return mixed(hashed) & HASHED, start, at


@leaf
def line_end(data: Data, at: int, end: int) -> int:
    """The place of the first newline at or after byte `at`; `end` if there is none."""
    while at < end and data[at] != NEWLINE:
        at += 1
    return at


@leaf
def spell(data: Data, start: int, stop: int, table: Readings, out: Data, to: int) -> int:
    """Write the normalized word as UTF-8 from `out[to]` on; the place after it.

    At most 2 bytes are written for each byte read: every character below U+0800 that is read as
    one of three bytes has two itself.
    """
    first = np.int32(0)
    at = start
    while at < stop:
        read, width = _reading(data, at, stop, table)
        at += width
        code = read & _CODE
        if read >> _SHIFT == _SIGN and first:
            break  # its repetitions
        first = code
        if code == 0:
            continue
        if code < 0x80:
            out[to] = code
            to += 1
        elif code < 0x800:
            out[to] = 0xC0 | (code >> 6)
            out[to + 1] = 0x80 | (code & 0x3F)
            to += 2
        elif code < 0x10000:
            out[to] = 0xE0 | (code >> 12)
            out[to + 1] = 0x80 | ((code >> 6) & 0x3F)
            out[to + 2] = 0x80 | (code & 0x3F)
            to += 3
        else:
            out[to] = 0xF0 | (code >> 18)
            out[to + 1] = 0x80 | ((code >> 12) & 0x3F)
            out[to + 2] = 0x80 | ((code >> 6) & 0x3F)
            out[to + 3] = 0x80 | (code & 0x3F)
            to += 4
    return to
