"""The words that published filters count: English tokens, punctuation apart.

The thresholds of Gopher, C4 and FineWeb are meant for these tokens, as datatrove counts them with
spaCy's blank English tokenizer: text is parted at white space; prefixes and suffixes (quotation
marks, brackets, commas, a closing dot, `'s`, units after figures) are cut off until none is left;
what remains stays whole when it is a known exception (`curator.text.contractions`) or an address,
and is else cut at infixes (hyphens between letters, `word,word`, `lower.Upper`, `a/b`, `...`).
Neighbors that spell an emoticon or an abbreviation are joined again (`curator.text.together`).

Known differences, with examples in docs/agreement.md: a run without white space of more than
`LONGEST_RUN` characters is one token; letters are Unicode's, not spaCy's list of scripts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.affixes import BEFORE_DOT, FIGURE, LARGE, LETTERED, SMALL, SUFFIX
from curator.text.compile import block, leaf, part
from curator.text.contractions import LONGEST, Exceptions, cuts_of
from curator.text.hashing import hash_bytes
from curator.text.masks import Masks, count_continued, has_one, is_set, next_one, next_zero
from curator.text.memo import LONGEST as SHORT
from curator.text.memo import Memo, knows, read_run, recall, remember
from curator.text.runs import (
    ALPHABETIC,
    LONGEST_RUN,
    WORDLIKE,
    Run,
    Tokens,
    add_pieces,
    fill,
    kind_of,
    split_run,
    store,
)
from curator.text.together import keep_together
from curator.text.unicode import LIMIT, decode

_NOT_LETTERS: Final = 0xFFFF ^ (LETTERED | SMALL | LARGE | BEFORE_DOT)
_NOT_FIGURES: Final = 0xFFFF ^ (FIGURE | BEFORE_DOT)
_NEWLINE, _RETURN, _DOT = 10, 13, 46

Data = npt.NDArray[np.uint8]


class Language(NamedTuple):
    """What the tokenizer knows: `curator.text.affixes.affixes()` and the exceptions."""

    affixes: npt.NDArray[np.uint16]
    exceptions: Exceptions


class Lines(NamedTuple):
    """Room for what is known of the lines of one text, as `str.splitlines` parts them.

    Attributes:
        firsts: int64, the first byte that is no white space; `lasts` where there is none.
        lasts: int64, the byte past the last that is no white space.
        tokens: int64, how many tokens there are up to the line's end.
        runs: int32, how many words white space parts.
        longest: int32, the characters of the longest of them.
    """

    firsts: npt.NDArray[np.int64]
    lasts: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    runs: npt.NDArray[np.int32]
    longest: npt.NDArray[np.int32]


@part
def line_room(lines: int) -> Lines:
    """Room for this many lines."""
    return Lines(
        np.empty(lines, np.int64),
        np.empty(lines, np.int64),
        np.empty(lines, np.int64),
        np.empty(lines, np.int32),
        np.empty(lines, np.int32),
    )


@block
def tokenize(
    data: Data,
    at: int,
    end: int,
    masks: Masks,
    language: Language,
    run: Run,
    memo: Memo,
    tokens: Tokens,
    count: int,
    lines: Lines,
) -> tuple[int, int]:
    """Append the tokens of `data[at:end]`, scanned into `masks`, after the first `count`.

    Fills `lines`, which must have room for them. Returns how many tokens and lines there are.
    """
    base, row = at, 0
    while at < end:
        stop = base + next_one(masks.breaks, at - base)
        runs, longest = 0, 0
        at = base + next_zero(masks.blank, at - base)
        first = last = min(at, stop)
        while at < stop:
            mark = base + next_one(masks.other, at - base)
            if is_set(masks.blank, mark - base):  # nothing but letters of ASCII: most runs
                last, size = mark, mark - at
                count = _add_letters(data, at, mark, size, language, run, tokens, count)
            else:
                last = base + next_one(masks.blank, mark - base)
                size = last - at
                wide = has_one(masks.wide, mark - base, last - base)
                if wide:
                    size -= count_continued(data, mark, last)
                if at < mark and last == mark + 1 and _comes_off(data, at, mark, language):
                    count = _add_letters(data, at, mark, size - 1, language, run, tokens, count)
                    count = _add_one(data, mark, language.affixes, tokens, count)
                else:
                    count = _add_known(data, at, last, size, language, run, memo, tokens, count)
            runs += 1
            longest = max(longest, size)
            at = base + next_zero(masks.blank, last - base)
        lines.firsts[row], lines.lasts[row], lines.tokens[row] = first, last, count
        lines.runs[row], lines.longest[row] = runs, longest
        row += 1
        at = stop + _break_width(data, stop, end)
    return count, row


@leaf
def _break_width(data: Data, at: int, end: int) -> int:
    """The bytes of the line break at `at`; 1 at the text's end, where there is none."""
    byte = data[at]
    if at >= end or byte == _NEWLINE:
        return 1
    if byte == _RETURN:
        return 2 if at + 1 < end and data[at + 1] == _NEWLINE else 1
    return 1 if byte < 0x80 else 2 if byte < 0xE0 else 3


@leaf
def _add_letters(
    data: Data,
    start: int,
    end: int,
    size: int,
    language: Language,
    run: Run,
    tokens: Tokens,
    count: int,
) -> int:
    """Append a run of nothing but letters: one token, unless it is an exception."""
    hashed = hash_bytes(data, start, end - start)
    cuts = cuts_of(language.exceptions, hashed) if size <= LONGEST else np.uint32(0)
    if cuts & np.uint32(1) and cuts != np.uint32(1):
        return _add_exception(data, start, end, cuts, language.affixes, run, tokens, count)
    return store(tokens, count, hashed, size, ALPHABETIC | WORDLIKE)


@block
def _add_exception(
    data: Data,
    start: int,
    end: int,
    cuts: np.uint32,
    affixes: npt.NDArray[np.uint16],
    run: Run,
    tokens: Tokens,
    count: int,
) -> int:
    size, _ = fill(data, start, end, affixes, run)
    return add_pieces(data, run, 0, size, cuts, tokens, count)


@leaf
def _comes_off(data: Data, start: int, mark: int, language: Language) -> bool:
    """True if the one ASCII character after letters is cut off for certain: `word,` not `Mr.`"""
    byte = data[mark]
    if byte >= 0x80:
        return False
    closing = byte == _DOT and language.affixes[data[mark - 1]] & BEFORE_DOT
    if not (language.affixes[byte] & SUFFIX or closing):
        return False
    size = mark + 1 - start
    return size > LONGEST or not cuts_of(language.exceptions, hash_bytes(data, start, size))


@leaf
def _add_one(
    data: Data, at: int, affixes: npt.NDArray[np.uint16], tokens: Tokens, count: int
) -> int:
    """Append one ASCII character."""
    flags = affixes[data[at]]
    return store(tokens, count, hash_bytes(data, at, 1), 1, kind_of(flags, flags, 1))


@leaf
def _add_known(
    data: Data,
    start: int,
    end: int,
    size: int,
    language: Language,
    run: Run,
    memo: Memo,
    tokens: Tokens,
    count: int,
) -> int:
    """Append the tokens of any run, from memory if it was cut before."""
    short = end - start <= SHORT
    first, second, line = np.uint64(0), np.uint64(0), 0
    if short:
        first, second, line = read_run(data, start, end - start)
        if knows(memo, line, first, second, end - start):
            return recall(memo, line, tokens, count)
    before = count
    count = _add_run(data, start, end, size, language, run, tokens, count)
    if short:
        remember(memo, line, first, second, end - start, tokens, before, count)
    return count


@leaf
def _add_run(
    data: Data,
    start: int,
    end: int,
    size: int,
    language: Language,
    run: Run,
    tokens: Tokens,
    count: int,
) -> int:
    """Append the tokens of any run; one too long to look into is one token."""
    if end == start + 1:
        return _add_one(data, start, language.affixes, tokens, count)
    if size > LONGEST_RUN:
        return _add_long(data, start, end, size, language.affixes, tokens, count)
    size, union = fill(data, start, end, language.affixes, run)
    if union & LETTERED and not union & _NOT_LETTERS:
        return _add_letters(data, start, end, size, language, run, tokens, count)
    if not union & _NOT_FIGURES:
        return store(tokens, count, hash_bytes(data, start, end - start), size, WORDLIKE)
    first = count
    count = split_run(data, run, size, union, language.exceptions, tokens, count)
    if count - first < 2:
        return count
    return keep_together(data, run, language.exceptions, tokens, first, count)


@block
def _add_long(
    data: Data,
    start: int,
    end: int,
    size: int,
    affixes: npt.NDArray[np.uint16],
    tokens: Tokens,
    count: int,
) -> int:
    """Append a run of more characters than there is room for."""
    union = np.uint16(0)
    at = start
    while at < end:
        code, width = decode(data, at, end)
        union |= affixes[code] if code < LIMIT else np.uint16(0)
        at += width
    kind = ALPHABETIC if union & LETTERED else 0
    if union & LETTERED and not union & _NOT_LETTERS:
        kind = ALPHABETIC | WORDLIKE
    elif not union & _NOT_FIGURES or union & (LETTERED | FIGURE):
        kind |= WORDLIKE
    return store(tokens, count, hash_bytes(data, start, end - start), size, kind)
