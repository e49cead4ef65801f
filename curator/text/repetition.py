"""Repeated word n-grams, as Rae et al. 2021 (arXiv:2112.11446, appendix A.1.1) measure them.

For n of 2 to 4: the characters of the most frequent n-gram (the earlier of equals), times how often
it occurs. For n of 5 to 10: the characters in repeated n-grams, none counted twice. Both as
datatrove counts them (its gopher_repetition_filter.py): the first kind with the spaces between
words, the second without; reading left to right, a repeated n-gram is stepped over whole.

An n-gram occurs twice only where its first n - 1 words do and its last n - 1 words do, so each n
looks only at places that the n before left, side by side. Pairs that cannot repeat are told apart
first, by a table of one byte a slot: most pairs share theirs with no other.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import block, leaf, part
from curator.text.hashing import STEP, mixed
from curator.text.seen import Seen, add, emptied, room

TOP: Final = (2, 4)  # n of the most frequent n-gram, first and last
LONGEST: Final = 10
_SLOTS: Final = 4  # of the table of bytes, for each word
_32: Final = np.uint64(32)


class Places(NamedTuple):
    """Room for the n-grams under consideration in one text.

    Attributes:
        starts: int64, the first word of each, rising.
        keys: uint64, equal for equal n-grams.
        slots: int64, where it stands in the set.
        pairs: uint8, 0 where no pair of words fell, 1 where one did, more where several did.
        seen: a set that holds them all.
    """

    starts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.uint8]
    seen: Seen


@part
def places(words: int) -> Places:
    """Room for the n-grams of a text of this many words."""
    size = 64
    while size < _SLOTS * words:
        size *= 2
    return Places(
        np.empty(words, np.int64),
        np.empty(words, np.uint64),
        np.empty(words, np.int64),
        np.empty(size, np.uint8),
        room(words),
    )


@block
def repeated_ngrams(
    hashes: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int32],
    words: int,
    room: Places,
    out: npt.NDArray[np.int64],
) -> None:
    """Fill `out` (9,) for n = 2 to 10 with the characters described above."""
    active = _likely_pairs(hashes, words, room)
    seen = room.seen
    for n in range(2, LONGEST + 1):
        mask = emptied(seen, active)
        for place in range(active):
            room.slots[place] = add(seen, mask, mixed(room.keys[place]))
        if n <= TOP[1]:
            out[n - 2] = _top(lengths, words, n, active, room)
        else:
            out[n - 2] = _duplicated(lengths, n, active, room)
        active = _lengthen(active, room)


@leaf
def _likely_pairs(hashes: npt.NDArray[np.uint64], words: int, room: Places) -> int:
    """Lay out the pairs of words that may occur twice; how many there are."""
    size = 64
    while size < _SLOTS * words:
        size *= 2
    keys, pairs, mask = room.keys, room.pairs, np.uint64(size - 1)
    pairs[:size] = 0
    for place in range(words - 1):
        key = mixed(hashes[place] * STEP + hashes[place + 1])
        keys[place] = key
        slot = key & mask
        pairs[slot] = (pairs[slot] << np.uint8(1)) | np.uint8(1)  # 0, 1, 3, 7, ... 255, 255
    active = 0
    for place in range(words - 1):
        key = keys[place]
        room.starts[active] = place
        keys[active] = key
        active += 1 if pairs[key & mask] > 1 else 0
    return active


@leaf
def _lengthen(active: int, room: Places) -> int:
    """Join repeated n-grams that begin one word apart to those of one word more."""
    kept = 0
    counts = room.seen.counts
    for place in range(active - 1):
        start, slot, following = room.starts[place], room.slots[place], room.slots[place + 1]
        side_by_side = room.starts[place + 1] == start + 1
        room.starts[kept] = start
        room.keys[kept] = np.uint64(slot) << _32 | np.uint64(following)
        # Negative counts: `_duplicated` was here. No jumps: they could not be foreseen.
        repeated = (counts[slot] != 1) & (counts[following] != 1)
        kept += 1 if repeated & side_by_side else 0
    return kept


@leaf
def _top(lengths: npt.NDArray[np.int32], words: int, n: int, active: int, room: Places) -> int:
    """Characters of the most frequent n-gram, with its spaces, times its frequency."""
    if words < n:
        return 0
    start, most = 0, 1  # where nothing repeats, the first n-gram is as frequent as any
    for place in range(active):
        count = room.seen.counts[room.slots[place]]
        if count > most:
            start, most = room.starts[place], count
    return int((_characters(lengths, start, n) + n - 1) * most)


@leaf
def _duplicated(lengths: npt.NDArray[np.int32], n: int, active: int, room: Places) -> int:
    """Characters in n-grams that were read before; a count is turned negative once it was read."""
    characters, following = 0, 0
    counts = room.seen.counts
    for place in range(active):
        start, slot = room.starts[place], room.slots[place]
        if start < following or counts[slot] == 1:
            continue
        if counts[slot] < 0:
            characters += _characters(lengths, start, n)
            following = start + n
        else:
            counts[slot] = -counts[slot]
    return characters


@leaf
def _characters(lengths: npt.NDArray[np.int32], start: int, n: int) -> int:
    total = 0
    for place in range(start, start + n):
        total += lengths[place]
    return total
