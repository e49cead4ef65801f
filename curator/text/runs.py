"""The tokens of one run of characters without white space: prefixes, the middle, suffixes.

The rules are those of `curator.text.tokens`; the classes of characters are in
`curator.text.affixes`. A run is cut from both ends until nothing comes off any more or what is
left is a known exception; then it is cut at infixes, unless it is an address.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.addresses import is_address
from curator.text.affixes import (
    BEFORE_DOT,
    CURRENCY,
    DASH,
    FIGURE,
    ICON,
    INFIX,
    LARGE,
    LETTERED,
    PREFIX,
    PUNCTUAL,
    SMALL,
    STOP,
    SUFFIX,
    SYMBOLIC,
)
from curator.text.compile import block, leaf, part
from curator.text.contractions import LONGEST, UNIT, Exceptions, cuts_of
from curator.text.hashing import hash_bytes
from curator.text.unicode import LIMIT, decode

LONGEST_RUN: Final = 4096
ALPHABETIC: Final = 1  # has a letter
WORDLIKE: Final = 2  # has a character that is no punctuation
PUNCTUATIONAL: Final = 4  # all of Unicode category P
SENTENCE_END: Final = 8  # one character that ends a sentence

_DOT, _PLUS, _DOLLAR = 46, 43, 36
_APOSTROPHE, _CURLY, _DEGREE = 39, 0x2019, 0xB0


Data = npt.NDArray[np.uint8]


class Run(NamedTuple):
    """Room for one run of characters without white space.

    Attributes:
        codes: (LONGEST_RUN,) int32 code points.
        flags: (LONGEST_RUN,) uint16, their affix flags.
        places: (LONGEST_RUN + 1,) int64, the byte that each begins at, and where the last ends.
        cut: (LONGEST_RUN,) int32, where suffixes begin, in the order they were cut off.
    """

    codes: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint16]
    places: npt.NDArray[np.int64]
    cut: npt.NDArray[np.int32]


class Tokens(NamedTuple):
    """Room for the tokens of one text. What does not fit is counted but not stored.

    Attributes:
        hashes: uint64, `curator.text.hashing.hash_bytes` of the token (case counts).
        lengths: int32, in code points.
        kinds: uint8, a sum of ALPHABETIC, WORDLIKE, PUNCTUATIONAL, SENTENCE_END.
    """

    hashes: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]


@part
def run_room() -> Run:
    """Room for any run."""
    codes, flags = np.empty(LONGEST_RUN, np.int32), np.empty(LONGEST_RUN, np.uint16)
    places = np.empty(LONGEST_RUN + 1, np.int64)
    return Run(codes, flags, places, np.empty(LONGEST_RUN, np.int32))


@part
def token_room(size: int) -> Tokens:
    """Room for this many tokens."""
    return Tokens(np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.uint8))


@leaf
def store(tokens: Tokens, count: int, hashed: np.uint64, size: int, kind: int) -> int:
    """Append one token; returns the new count."""
    if count < len(tokens.hashes):
        tokens.hashes[count] = hashed
        tokens.lengths[count] = size
        tokens.kinds[count] = kind
    return count + 1


@leaf
def kind_of(union: np.uint16, shared: np.uint16, size: int) -> int:
    """The kind of a token from the flags that any and that all of its characters have."""
    kind = ALPHABETIC if union & LETTERED else 0
    if not shared & SYMBOLIC:
        kind |= WORDLIKE
    if shared & PUNCTUAL:
        kind |= PUNCTUATIONAL
    if size == 1 and shared & STOP:
        kind |= SENTENCE_END
    return kind


@leaf
def fill(
    data: Data, at: int, end: int, affixes: npt.NDArray[np.uint16], run: Run
) -> tuple[int, np.uint16]:
    """Lay out the characters of `data[at:end]`: how many they are, and all their flags."""
    codes, flags, places = run.codes, run.flags, run.places
    union, size = np.uint16(0), 0
    while at < end and size < LONGEST_RUN:
        code, width = decode(data, at, end)
        flag = affixes[code] if code < LIMIT else np.uint16(0)
        codes[size], flags[size], places[size] = code, flag, at
        union |= flag
        size += 1
        at += width
    places[size] = at
    return size, union


@leaf
def add(data: Data, run: Run, low: int, high: int, tokens: Tokens, count: int) -> int:
    """Append the characters from `low` to `high` as one token."""
    union, shared = np.uint16(0), np.uint16(0xFFFF)
    for place in range(low, high):
        union |= run.flags[place]
        shared &= run.flags[place]
    hashed = hash_bytes(data, run.places[low], run.places[high] - run.places[low])
    return store(tokens, count, hashed, high - low, kind_of(union, shared, high - low))


@leaf
def add_pieces(
    data: Data, run: Run, low: int, high: int, cuts: np.uint32, tokens: Tokens, count: int
) -> int:
    """Append the pieces that `cuts` makes of the characters from `low` to `high`."""
    start = low
    for place in range(low + 1, high + 1):
        if place == high or (cuts >> np.uint32(place - low)) & np.uint32(1):
            count = add(data, run, start, place, tokens, count)
            start = place
    return count


@leaf
def _cuts(data: Data, run: Run, low: int, high: int, table: Exceptions) -> np.uint32:
    """The cuts of these characters if they are an exception (`UNIT` for a unit), else 0."""
    if high - low > LONGEST or high <= low:
        return np.uint32(0)
    start = run.places[low]
    return cuts_of(table, hash_bytes(data, start, run.places[high] - start))


@leaf
def _exception(data: Data, run: Run, low: int, high: int, table: Exceptions) -> np.uint32:
    cuts = _cuts(data, run, low, high, table)
    return cuts if cuts & np.uint32(1) else np.uint32(0)


@block
def split_run(
    data: Data,
    run: Run,
    size: int,
    union: np.uint16,
    table: Exceptions,
    tokens: Tokens,
    count: int,
) -> int:
    """Append the tokens of a run: prefixes, what is between, suffixes."""
    low, high, suffixes = 0, size, 0
    cuts = _exception(data, run, low, high, table)
    while low < high and not cuts:
        prefix = _prefix(run, low, high)
        if prefix:
            cuts = _exception(data, run, low + prefix, high, table)
            if cuts:
                count = add(data, run, low, low + prefix, tokens, count)
                low += prefix
                break
        suffix = _suffix(data, run, low + prefix, high, table)
        if not prefix and not suffix:
            break
        if suffix:
            run.cut[suffixes] = high - suffix
            suffixes += 1
            cuts = _exception(data, run, low, high - suffix, table)
        if prefix and not cuts:
            count = add(data, run, low, low + prefix, tokens, count)
            low += prefix
        high -= suffix
        if not cuts:
            cuts = _exception(data, run, low, high, table)
    end = high
    if cuts:
        count = add_pieces(data, run, low, high, cuts, tokens, count)
    elif low < high and union & INFIX and not is_address(run.codes, run.flags, low, high):
        count = _cut_inside(data, run, low, high, tokens, count)
    elif low < high:
        count = add(data, run, low, high, tokens, count)
    for place in range(suffixes - 1, -1, -1):
        stop = run.cut[place - 1] if place else size
        count = add(data, run, end, stop, tokens, count)
        end = stop
    return count


@leaf
def _prefix(run: Run, low: int, high: int) -> int:
    """How many characters a prefix at `low` has; 0 for none."""
    code = run.codes[low]
    if run.flags[low] & PREFIX:
        return 1
    if code == _DOT:
        dots = _dots(run, low, high)
        return dots if dots > 1 else 0
    following = run.codes[low + 1] if low + 1 < high else 0
    if code == _PLUS:
        return 0 if following and run.flags[low + 1] & FIGURE else 1
    if following == _DOLLAR and code in (65, 67):  # A$ and C$
        return 2
    if code == 85 and following == 83 and low + 2 < high and run.codes[low + 2] == _DOLLAR:  # US$
        return 3
    return 0


@leaf
def _dots(run: Run, low: int, high: int) -> int:
    place = low
    while place < high and run.codes[place] == _DOT:
        place += 1
    return place - low


@leaf
def _suffix(data: Data, run: Run, low: int, high: int, table: Exceptions) -> int:
    """How many characters a suffix before `high` has; 0 for none. Nothing before `low` is seen."""
    if low >= high:
        return 0
    last = run.codes[high - 1]
    before = run.codes[high - 2] if high - 2 >= low else 0
    flags_before = run.flags[high - 2] if high - 2 >= low else np.uint16(0)
    if last == _DOT:
        return _closing_dots(run, low, high, before, flags_before)
    if run.flags[high - 1] & SUFFIX:
        return 1
    if last in (83, 115) and before in (_APOSTROPHE, _CURLY):  # S, s
        return 2
    if flags_before & FIGURE and (last == _PLUS or run.flags[high - 1] & CURRENCY):
        return 1
    for size in range(1, 5):
        if high - size - 1 < low:
            break
        if run.flags[high - size - 1] & FIGURE:
            return size if _cuts(data, run, high - size, high, table) == np.uint32(UNIT) else 0
    return 0


@leaf
def _closing_dots(run: Run, low: int, high: int, before: int, flags_before: np.uint16) -> int:
    if before == _DOT:
        place = high - 1
        while place > low and run.codes[place - 1] == _DOT:
            place -= 1
        return high - place
    if flags_before & BEFORE_DOT:
        return 1
    upper = LARGE | LETTERED
    if high - 3 < low or (flags_before & upper) != upper:
        return 0
    temperature = run.codes[high - 3] == _DEGREE and before in (67, 70, 75)  # C, F, K
    return 1 if temperature or (run.flags[high - 3] & upper) == upper else 0


@block
def _cut_inside(data: Data, run: Run, low: int, high: int, tokens: Tokens, count: int) -> int:
    """Append the tokens between infixes, and the infixes; one at the very front is left on."""
    start, place = low, low
    while place < high:
        size = _infix(run, low, place, high) if run.flags[place] & INFIX else 0
        if not size or place == low:
            place += max(size, 1)
            continue
        if place > start:
            count = add(data, run, start, place, tokens, count)
        count = add(data, run, place, place + size, tokens, count)
        place += size
        start = place
    return add(data, run, start, high, tokens, count) if start < high else count


@leaf
def _infix(run: Run, low: int, place: int, high: int) -> int:
    """How many characters an infix at `place` has; 0 for none."""
    code, flags = run.codes[place], run.flags[place]
    if flags & ICON:
        return 1
    if code == _DOT:
        dots = _dots(run, place, high)
        if dots > 1:
            return dots
    if place == low or place + 1 >= high:
        return 0
    before, after = run.flags[place - 1], run.flags[place + 1]
    if code == _DOT:
        return 1 if before & SMALL and after & LARGE else 0
    if code == 44:  # comma
        return 1 if before & LETTERED and after & LETTERED else 0
    if (
        code in (43, 45, 42, 94)
        and before & FIGURE
        and (after & FIGURE or run.codes[place + 1] == 45)
    ):
        return 1
    if not before & (LETTERED | FIGURE):
        return 0
    if flags & DASH:
        return _dash(run, place, high)
    splits = code in (58, 60, 62, 61, 47)  # : < > = /
    return 1 if splits and after & LETTERED else 0


@leaf
def _dash(run: Run, place: int, high: int) -> int:
    """The length of a dash before a letter: `-`, `--`, `---`, the long ones once or twice."""
    code = run.codes[place]
    most = 3 if code == 45 else (2 if code == 0x2014 else 1)
    size = 1
    while size < most and place + size < high and run.codes[place + size] == code:
        size += 1
    following = place + size
    return size if following < high and run.flags[following] & LETTERED else 0
