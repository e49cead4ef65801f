"""Repeated word n-grams, as Rae et al. 2021 (arXiv:2112.11446, appendix A.1.1) measure them.

For n of 2 to 4: the characters of the most frequent n-gram (the earlier of equals), times how often
it occurs. For n of 5 to 10: the characters in repeated n-grams, none counted twice. Both as
datatrove counts them (its gopher_repetition_filter.py): the first kind with the spaces between
words, the second without; reading left to right, a repeated n-gram is stepped over whole.

An n-gram occurs twice only where its first n - 1 words do, so each n looks only at the places that
the n before it left: the work is close to that of two passes, not nine.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import block, leaf, part
from curator.text.hashing import STEP, mixed
from curator.text.seen import Seen, add, cleared

TOP: Final = (2, 4)  # n of the most frequent n-gram, first and last
LONGEST: Final = 10


class Places(NamedTuple):
    """Room for the n-grams under consideration in one text.

    Attributes:
        starts: int64, the first word of each, rising.
        rolling: uint64, the hash of its words, not yet mixed.
        slots: int64, where it stands in the set.
        ends: int64, the summed length of the text's words up to and with each word.
    """

    starts: npt.NDArray[np.int64]
    rolling: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


@part
def places(words: int) -> Places:
    """Room for the n-grams of a text of this many words."""
    return Places(
        np.empty(words, np.int64),
        np.empty(words, np.uint64),
        np.empty(words, np.int64),
        np.empty(words + 1, np.int64),
    )


@part
def repeated_ngrams(
    hashes: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int32],
    words: int,
    room: Places,
    seen: Seen,
    out: npt.NDArray[np.int64],
) -> Seen:
    """Fill `out` (9,) for n = 2 to 10 with the characters described above.

    Returns the set, which may have grown.
    """
    room.ends[0] = 0
    for place in range(words):
        room.ends[place + 1] = room.ends[place] + lengths[place]
        room.starts[place] = place
        room.rolling[place] = hashes[place]
    active = words
    for n in range(2, LONGEST + 1):
        out[n - 2] = 0
        active = _lengthen(hashes, words, n, active, room)
        seen, mask = cleared(seen, active)
        for place in range(active):
            room.slots[place] = add(seen, mask, mixed(room.rolling[place]))
        if n <= TOP[1]:
            out[n - 2] = _top(words, n, active, room, seen)
        else:
            out[n - 2] = _duplicated(n, active, room, seen)
        if n >= TOP[0]:
            active = _keep_repeated(active, room, seen)
    return seen


@leaf
def _lengthen(hashes: npt.NDArray[np.uint64], words: int, n: int, active: int, room: Places) -> int:
    """Make each (n - 1)-gram an n-gram; those at the end of the text fall away."""
    while active and room.starts[active - 1] + n > words:
        active -= 1
    for place in range(active):
        room.rolling[place] = room.rolling[place] * STEP + hashes[room.starts[place] + n - 1]
    return active


@leaf
def _keep_repeated(active: int, room: Places, seen: Seen) -> int:
    kept = 0
    for place in range(active):
        if seen.counts[room.slots[place]] != 1:  # negative: `_duplicated` was here
            room.starts[kept] = room.starts[place]
            room.rolling[kept] = room.rolling[place]
            kept += 1
    return kept


@block
def _top(words: int, n: int, active: int, room: Places, seen: Seen) -> int:
    """Characters of the most frequent n-gram, with its spaces, times its frequency."""
    if words < n:
        return 0
    start, most = 0, 1  # where nothing repeats, the first n-gram is as frequent as any
    for place in range(active):
        count = seen.counts[room.slots[place]]
        if count > most:
            start, most = room.starts[place], count
    return int((room.ends[start + n] - room.ends[start] + n - 1) * most)


@block
def _duplicated(n: int, active: int, room: Places, seen: Seen) -> int:
    """Characters in n-grams that were read before; a count is turned negative once it was read."""
    characters, following = 0, 0
    for place in range(active):
        start, slot = room.starts[place], room.slots[place]
        if start < following or seen.counts[slot] == 1:
            continue
        if seen.counts[slot] < 0:
            characters += room.ends[start + n] - room.ends[start]
            following = start + n
        else:
            seen.counts[slot] = -seen.counts[slot]
    return characters
