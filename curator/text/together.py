"""Emoticons and abbreviations that stay one token although marks are cut off on their way.

spaCy, whose tokens datatrove counts, looks at a text's tokens again when it has cut all of them:
neighbors without white space between them that spell one of its exceptions become one token. So
`f(x):` ends in `):`, a sad face, and `**Why:**` has `:*`, a kiss; `z.B.` is `z.` and `B.`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.affixes import LETTERED
from curator.text.compile import block, leaf
from curator.text.contractions import LONGEST, Exceptions, cuts_of
from curator.text.hashing import hash_bytes
from curator.text.runs import Run, Tokens, add

LONGEST_FACE: Final = 5  # characters of the longest emoticon that other marks may touch
_DOT, _SLASH = 46, 47


@block
def keep_together(
    data: npt.NDArray[np.uint8],
    run: Run,
    table: Exceptions,
    tokens: Tokens,
    first: int,
    count: int,
) -> int:
    """Join the run's tokens, those from `first` on, where they spell an exception; the new count.

    Longer ones go first, and of equally long ones the first. Where the room was too small for the
    tokens nothing is joined: the text is read again with more.
    """
    if count > len(tokens.hashes):
        return count
    place, written, at = 0, first, first
    while at < count:
        size, joined = tokens.lengths[at], 1
        if at + 1 < count and _may_begin(run, place, size):
            joined = _joined(data, run, table, tokens, at, count, place)
        if joined > 1:
            size = 0
            for number in range(at, at + joined):
                size += tokens.lengths[number]
            add(data, run, place, place + size, tokens, written)
        elif written < at:
            tokens.hashes[written] = tokens.hashes[at]
            tokens.lengths[written] = size
            tokens.kinds[written] = tokens.kinds[at]
        place += size
        at += joined
        written += 1
    return written


@leaf
def _may_begin(run: Run, place: int, size: int) -> bool:
    """False for nearly all tokens: an exception of several has another look."""
    code = run.codes[place]
    if run.flags[place] & LETTERED:
        return run.codes[place + size] in (_DOT, _SLASH)
    # ' ( ) - / 0 3 8 : ; < = > @ [ \ ] ^ _ | }
    return size <= 3 and code in (
        39, 40, 41, 45, 47, 48, 51, 56, 58, 59, 60, 61, 62, 64, 91, 92, 93, 94, 95, 124, 125
    )  # fmt: skip


@leaf
def _joined(
    data: npt.NDArray[np.uint8],
    run: Run,
    table: Exceptions,
    tokens: Tokens,
    at: int,
    count: int,
    place: int,
) -> int:
    """How many tokens from `at` on spell the longest exception; 1 if they spell none."""
    longest = LONGEST if run.flags[place] & LETTERED else LONGEST_FACE
    size, best = int(tokens.lengths[at]), 1
    for number in range(at + 1, count):
        size += tokens.lengths[number]
        if size > longest:
            break
        start = run.places[place]
        hashed = hash_bytes(data, start, run.places[place + size] - start)
        if cuts_of(table, hashed) == np.uint32(1):
            best = number + 1 - at
    return best
