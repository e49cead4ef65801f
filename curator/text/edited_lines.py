"""What programs that edit lines are run with: where lines end, words, replacements, what is left.

The texts of `curator.text.program_edits` and `curator.text.legacy_edits` lie in arrays with
`curator.text.blocks.SLACK` bytes after them. Words here are what `str.split` gives.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.blocks import SLACK, between, copy, lowest, ones, same
from curator.text.compile import block, leaf, part

# What became of a document.
ACCEPTED, DROPPED_SHARE, DROPPED_SHORT = 0, 1, 2
ERRORS, WORDLESS, REFUSED, LINES, GROWTH = 3, 4, 5, 6, 7  # it stays as it was
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_0, _1, _64 = np.uint64(0), np.uint64(1), np.uint64(64)

Data = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]


class Edits(NamedTuple):
    """Programs for documents.

    Attributes:
        documents: (documents + 1,) int64; document i has programs `documents[i]:documents[i + 1]`.
        firsts: (programs,) int64, the first line of the document that each is about.
        lasts: (programs,) int64, the last line; before the first: the program is refused.
        programs: (programs + 1,) int64; program i has calls `programs[i]:programs[i + 1]`.
        kinds: (calls,) int8, as `curator.text.program_lines`; `UNREAD` is a fault.
        numbers: (calls, 4) int64, likewise.
        strings: uint8, what the strings' numbers point into.
    """

    documents: Counts
    firsts: Counts
    lasts: Counts
    programs: Counts
    kinds: npt.NDArray[np.int8]
    numbers: Counts
    strings: Data


class Rules(NamedTuple):
    """When an edit is accepted.

    Attributes:
        most_errors: that a document's programs may have.
        least_share: of words left; at or below it the document is dropped.
        least_words: at or below so many left the document is dropped.
        most_lines: of a document; one with more stays as it was.
        most_replacements: of one call in one chunk.
        most_replaced: share of a chunk's bytes that replacements may touch.
        least_replaced: bytes that they may touch at least.
        most_growth: times a document's size that it may grow to (a megabyte at least).
    """

    most_errors: int
    least_share: float
    least_words: int
    most_lines: int
    most_replacements: int
    most_replaced: float
    least_replaced: int
    most_growth: int


class Edited(NamedTuple):
    """What became of documents.

    Attributes:
        offsets: (documents + 1,) int64, of `data`.
        data: uint8, the new texts; of a document that stays as it was, its old one.
        counts: (documents, 7) int64: verdict, errors, misread calls, lines removed, replacements,
            words before, words after.
    """

    offsets: Counts
    data: Data
    counts: Counts


@block
def scan_lines(text: Data, at: int, end: int, breaks: Counts, words_at: Counts) -> tuple[int, int]:
    """How many newlines and how many words stand from `at` to `end`.

    Where each newline stands goes into `breaks`, and how many words before it into `words_at`, as
    far as there is room.
    """
    lines, words, before, spilled, place = 0, 0, _1, _0, at
    while place < end:
        width = min(64, end - place)
        mask = _ALL >> (_64 - np.uint64(width))
        blank = between(text, place, 9, 5) | between(text, place, 28, 5) | spilled
        spilled = _0
        if (same(text, place, 0xC2) | between(text, place, 0xE1, 3)) & mask != _0:
            two, three = _wide_spaces(text, place)
            blank |= two | (two << _1) | three | (three << _1) | (three << np.uint64(2))
            # What a space that begins in the last bytes of a block covers of the next one.
            spilled = (two | three | (three << _1)) >> np.uint64(63)
            spilled |= (three >> np.uint64(63)) << _1
        blank &= mask
        begins = ~blank & mask & ((blank << _1) | before)
        before = (blank >> np.uint64(width - 1)) & _1
        found = same(text, place, 10) & mask
        while found != _0:
            if lines < len(breaks):
                breaks[lines] = place + lowest(found)
                words_at[lines] = words + ones(begins & ((found & (~found + _1)) - _1))
            lines += 1
            found &= found - _1
        words += ones(begins)
        place += width
    return lines, words


@leaf
def _wide_spaces(text: Data, place: int) -> tuple[np.uint64, np.uint64]:
    """Where white space beyond ASCII begins in a block: that of two bytes, that of three.

    U+0085, U+00A0; U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000.
    """
    two = same(text, place, 0xC2) & (same(text, place + 1, 0x85) | same(text, place + 1, 0xA0))
    second = same(text, place + 1, 0x80)
    third = between(text, place + 2, 0x80, 11) | between(text, place + 2, 0xA8, 2)
    general = second & (third | same(text, place + 2, 0xAF))
    general |= same(text, place + 1, 0x81) & same(text, place + 2, 0x9F)
    three = same(text, place, 0xE2) & general
    if between(text, place, 0xE1, 3) != _0:
        null = same(text, place + 2, 0x80)
        three |= same(text, place, 0xE1) & same(text, place + 1, 0x9A) & null
        three |= same(text, place, 0xE3) & second & null
    return two, three


@leaf
def line_start(breaks: Counts, line: int) -> int:
    """The first byte of a line."""
    return breaks[line - 1] + 1 if line else 0


@block
def find(text: Data, at: int, end: int, strings: Data, low: int, high: int) -> int:
    """Where `strings[low:high]` stands next in `text[at:end]`; `end` if it does not."""
    size = high - low
    first, last = strings[low], strings[high - 1]
    while at + size <= end:
        # Places at which both its first and its last byte stand: few of 64.
        found = same(text, at, first) & same(text, at + size - 1, last)
        while found != _0:
            place = at + lowest(found)
            if place + size > end:
                return end
            if _equal(text, place, strings, low, size):
                return place
            found &= found - _1
        at += 64
    return end


@leaf
def _equal(text: Data, place: int, strings: Data, low: int, size: int) -> bool:
    step = 1
    while step < size - 1 and text[place + step] == strings[low + step]:
        step += 1
    return step >= size - 1


@block
def count_found(text: Data, end: int, strings: Data, low: int, high: int, most: int) -> int:
    """How often `strings[low:high]` stands in `text[:end]`, as `str.count` counts; `most` stops."""
    count, at = 0, find(text, 0, end, strings, low, high)
    while at < end and count < most:
        count += 1
        at = find(text, at + high - low, end, strings, low, high)
    return count


@block
def replace(
    text: Data, end: int, strings: Data, op: Counts, most: int, out: Data
) -> tuple[int, int]:
    """Write `text[:end]` into `out` with a source replaced `most` times; where it ends, how often.

    `op`: where source and target begin and end in `strings`. `out` has room.
    """
    at = to = count = 0
    place = find(text, 0, end, strings, op[0], op[1])
    while place < end and count < most:
        copy(out, to, text, at, place - at)
        to += place - at
        for byte in range(op[2], op[3]):
            out[to] = strings[byte]
            to += 1
        at = place + op[1] - op[0]
        count += 1
        place = find(text, at, end, strings, op[0], op[1])
    copy(out, to, text, at, end - at)
    return to + end - at, count


@block
def mark_lines(gone: Data, first: int, last: int) -> None:
    """Mark lines as gone."""
    for line in range(first, last + 1):
        gone[line] = 1


@block
def words_gone(words_at: Counts, lines: int, gone: Data) -> tuple[int, int]:
    """How many lines are gone, and how many words with them."""
    count = words = before = 0
    for line in range(lines):
        if gone[line]:
            count += 1
            words += words_at[line] - before
        before = words_at[line]
    return count, words


@block
def write_kept(
    text: Data, breaks: Counts, first: int, last: int, gone: Data, out: Data, to: int, some: int
) -> tuple[int, int]:
    """Write the lines from `first` to `last` that are not gone, joined by newlines, from `to` on.

    `breaks` holds the text's end after its newlines. `some`: 1 if a line stands before. Returns
    where it ends, and 1 if a line stands there now.
    """
    line = first
    while line <= last:
        if gone[line]:
            line += 1
            continue
        begin = line_start(breaks, line)
        while line <= last and not gone[line]:
            line += 1
        if some:
            out[to] = 10
            to += 1
        size = breaks[line - 1] - begin
        copy(out, to, text, begin, size)
        to, some = to + size, 1
    return to, some


@leaf
def verdict_of(told: Counts, rules: Rules) -> int:
    """What becomes of a document by ProX's rules of acceptance, in their order."""
    errors, before, after = told[1], told[5], told[6]
    if before == 0:
        return WORDLESS
    if after / before <= rules.least_share and errors <= rules.most_errors:
        return DROPPED_SHARE
    if after <= rules.least_words:
        return DROPPED_SHORT
    return ACCEPTED if errors <= rules.most_errors else ERRORS


@leaf
def is_refused(edits: Edits, row: int) -> bool:
    """Whether one of a document's programs is refused."""
    for program in range(edits.documents[row], edits.documents[row + 1]):
        if edits.lasts[program] < edits.firsts[program]:
            return True
    return False


@leaf
def longest_of(offsets: Counts) -> int:
    """The bytes of the longest text."""
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@part
def with_room(out: Data, to: int, size: int) -> Data:
    """`out`, or a larger array that begins with its first `to` bytes, with room for `size` more."""
    if to + size + SLACK <= len(out):
        return out
    larger = np.empty(2 * (to + size + SLACK), np.uint8)
    copy(larger, 0, out, 0, to)
    return larger
