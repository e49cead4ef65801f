"""The words that published filters count: English tokens, punctuation apart.

The thresholds of Gopher, C4 and FineWeb are meant for these tokens, as datatrove counts them with
spaCy's blank English tokenizer: text is parted at white space; prefixes and suffixes (quotation
marks, brackets, commas, a closing dot, `'s`, units after figures) are cut off until none is left;
what remains stays whole when it is a known exception (`curator.text.contractions`) or an address,
and is else cut at infixes (hyphens between letters, `word,word`, `lower.Upper`, `a/b`, `...`).

Known differences: emoticons are not kept together; a run without white space of more than
`LONGEST_RUN` characters is one token; letters are Unicode's, not spaCy's list of scripts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.affixes import BEFORE_DOT, BLANK, BREAK, FIGURE, LARGE, LETTERED, SMALL, SUFFIX
from curator.text.compile import block, leaf
from curator.text.contractions import LONGEST, Exceptions, cuts_of
from curator.text.hashing import FNV_PRIME, FNV_START
from curator.text.runs import (
    ALPHABETIC,
    LONGEST_RUN,
    WORDLIKE,
    Run,
    Tokens,
    add,
    add_pieces,
    split_run,
    store,
)
from curator.text.unicode import LIMIT, decode

_NOT_LETTERS: Final = 0xFFFF ^ (LETTERED | SMALL | LARGE | BEFORE_DOT)
_NOT_FIGURES: Final = 0xFFFF ^ (FIGURE | BEFORE_DOT)
_DOT: Final = 46


class Language(NamedTuple):
    """What the tokenizer knows: `curator.text.affixes.affixes()` and the exceptions."""

    affixes: npt.NDArray[np.uint16]
    exceptions: Exceptions


class Line(NamedTuple):
    """What `tokenize_line` saw.

    Attributes:
        tokens: how many there are, those before the line included.
        runs: how many words white space parts.
        longest: the characters of the longest of them.
        stop: the byte where the line ends, its break not included.
        following: the byte where the next line begins.
    """

    tokens: int
    runs: int
    longest: int
    stop: int
    following: int


@block
def tokenize_line(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    language: Language,
    run: Run,
    tokens: Tokens,
    count: int,
) -> Line:
    """Append the tokens of the line that begins at `at` after the first `count`.

    Lines end where `str.splitlines` ends them, at `end` at the latest.
    """
    affixes = language.affixes
    runs, longest = 0, 0
    while at < end:
        start = at
        hashed, hashed_before = FNV_START, FNV_START
        union, union_before = np.uint16(0), np.uint16(0)
        flags, byte = np.uint16(0), np.uint8(0)
        while at < end:  # ASCII, which is nearly all of English
            byte = data[at]
            if byte >= 128:
                break
            flags = affixes[byte]
            if flags & BLANK:
                break
            hashed_before, union_before = hashed, union
            hashed = (hashed ^ np.uint64(byte)) * FNV_PRIME
            union |= flags
            at += 1
        size = at - start
        if at < end and byte >= 128:
            at, size, union, hashed = _rest_of_run(data, at, end, affixes, size, union, hashed)
            union_before = np.uint16(0xFFFF)  # the shortcut below is for ASCII
        if size:
            runs += 1
            longest = max(longest, size)
            if union & LETTERED and not union & _NOT_LETTERS:
                count = _add_letters(data, start, at, size, hashed, language, run, tokens, count)
            elif not union & _NOT_FIGURES:
                count = store(tokens, count, hashed, size, WORDLIKE)
            elif size > 1 and _is_marked(data, at, union_before, hashed, language):
                count = _add_letters(
                    data, start, at - 1, size - 1, hashed_before, language, run, tokens, count
                )
                run.codes[0], run.flags[0] = data[at - 1], affixes[data[at - 1]]
                count = add(run, 0, 1, tokens, count)
            else:
                count = _add_run(data, start, at, size, union, hashed, language, run, tokens, count)
        if at < end:
            code, width = decode(data, at, end)
            if affixes[code] & BREAK:
                paired = code == 13 and at + 1 < end and data[at + 1] == 10
                return Line(count, runs, longest, at, at + width + (1 if paired else 0))
            at += width
    return Line(count, runs, longest, end, end)


@leaf
def _rest_of_run(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    affixes: npt.NDArray[np.uint16],
    size: int,
    union: np.uint16,
    hashed: np.uint64,
) -> tuple[int, int, np.uint16, np.uint64]:
    """Go on with a run that is not all ASCII, to where it ends."""
    while at < end:
        code, width = decode(data, at, end)
        flags = affixes[code] if code < LIMIT else np.uint16(0)
        if flags & BLANK:
            break
        hashed = (hashed ^ np.uint64(code)) * FNV_PRIME
        union |= flags
        size += 1
        at += width
    return at, size, union, hashed


@leaf
def _is_marked(
    data: npt.NDArray[np.uint8],
    end: int,
    union_before: np.uint16,
    hashed: np.uint64,
    language: Language,
) -> bool:
    """True for letters and one mark that comes off for certain: `word,` but not `Mr.`"""
    if union_before & _NOT_LETTERS:
        return False
    last = data[end - 1]
    flags = language.affixes[last]
    closing = last == _DOT and language.affixes[data[end - 2]] & BEFORE_DOT
    if not (flags & SUFFIX or closing):
        return False
    return not cuts_of(language.exceptions, hashed)


@leaf
def _add_letters(
    data: npt.NDArray[np.uint8],
    start: int,
    end: int,
    size: int,
    hashed: np.uint64,
    language: Language,
    run: Run,
    tokens: Tokens,
    count: int,
) -> int:
    """Append a run of nothing but letters: one token, unless it is an exception."""
    cuts = cuts_of(language.exceptions, hashed) if size <= LONGEST else np.uint32(0)
    if cuts & np.uint32(1) and cuts != np.uint32(1):
        _fill(data, start, end, size, language.affixes, run)
        return add_pieces(run, 0, size, cuts, tokens, count)
    return store(tokens, count, hashed, size, ALPHABETIC | WORDLIKE)


@leaf
def _add_run(
    data: npt.NDArray[np.uint8],
    start: int,
    end: int,
    size: int,
    union: np.uint16,
    hashed: np.uint64,
    language: Language,
    run: Run,
    tokens: Tokens,
    count: int,
) -> int:
    """Append the tokens of any run; one too long to look into is one token."""
    if size > LONGEST_RUN:
        kind = ALPHABETIC if union & LETTERED else 0
        kind |= WORDLIKE if union & (LETTERED | FIGURE) else 0
        return store(tokens, count, hashed, size, kind)
    _fill(data, start, end, size, language.affixes, run)
    return split_run(run, size, union, language.exceptions, tokens, count)


@leaf
def _fill(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    size: int,
    affixes: npt.NDArray[np.uint16],
    run: Run,
) -> None:
    """Lay out `size` characters from byte `at` on; none reaches past `end`."""
    codes, flags = run.codes, run.flags
    for place in range(size):
        code, width = decode(data, at, end)
        codes[place] = code
        flags[place] = affixes[code] if code < LIMIT else np.uint16(0)
        at += width
