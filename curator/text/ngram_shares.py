"""Repeated n-grams as Dolma and RedPajama-V2 weigh them: in characters of words, without spaces.

Dolma (allenai/dolma, python/dolma/taggers/gopher.py): the characters of the most frequent n-gram
times its frequency, for n = 2 to 4; and for n = 5 to 10 the characters of all n-grams that occur
more than once, each occurrence counted, of the characters of all n-grams. RedPajama-V2
(togethercomputer/RedPajama-Data, app/src/core/quality_signals/repetitions.py): the most frequent
2-gram counts only if it repeats.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import leaf, part
from curator.text.hashing import STEP, mixed
from curator.text.seen import Seen, add, cleared

TOP: Final = (2, 3, 4)
COPIED: Final = (5, 6, 7, 8, 9, 10)
COUNTS: Final = (
    *(f"white_top_{n}_gram" for n in TOP),
    *(f"white_copied_{n}_grams" for n in COPIED),
    *(f"white_all_{n}_grams" for n in COPIED),
)


class Grams(NamedTuple):
    """Room for the n-grams of one text that may still repeat.

    Attributes:
        starts: int64, the place of the first word.
        rolling: uint64, the hash so far.
        slots: int64, where the set has it.
        ends: int64, one more: characters of all words before each.
    """

    starts: npt.NDArray[np.int64]
    rolling: npt.NDArray[np.uint64]
    slots: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]


@part
def gram_room(words: int) -> Grams:
    """Room for the n-grams of this many words."""
    return Grams(
        np.empty(words, np.int64),
        np.empty(words, np.uint64),
        np.empty(words, np.int64),
        np.empty(words + 1, np.int64),
    )


@part
def gram_shares(
    hashes: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int32],
    words: int,
    grams: Grams,
    seen: Seen,
    out: npt.NDArray[np.int64],
) -> Seen:
    """Fill `out` in the order of `COUNTS`; returns the set, which may have grown."""
    out[:] = 0
    active = _begin(hashes, lengths, words, grams)
    for n in range(2, COPIED[-1] + 1):
        active = _lengthen(hashes, words, n, active, grams)
        if words >= n and n >= COPIED[0]:
            out[n + 4] = _all_characters(words, n, grams)
        seen, mask = cleared(seen, active)
        for place in range(active):
            grams.slots[place] = add(seen, mask, mixed(grams.rolling[place]))
        if n <= TOP[-1]:
            start, most = _most_frequent(active, grams, seen)
            if words >= n:
                out[n - 2] = (grams.ends[start + n] - grams.ends[start]) * most
        active = _keep_repeated(active, grams, seen)
        if n >= COPIED[0]:
            for place in range(active):
                start = grams.starts[place]
                out[n - 2] += grams.ends[start + n] - grams.ends[start]
    return seen


@part
def top_bigram(
    hashes: npt.NDArray[np.uint64],
    lengths: npt.NDArray[np.int32],
    words: int,
    grams: Grams,
    seen: Seen,
) -> tuple[Seen, int]:
    """The set, and the characters of the most frequent 2-gram times its frequency; 0 if once."""
    active = _lengthen(hashes, words, 2, _begin(hashes, lengths, words, grams), grams)
    seen, mask = cleared(seen, active)
    for place in range(active):
        grams.slots[place] = add(seen, mask, mixed(grams.rolling[place]))
    start, most = _most_frequent(active, grams, seen)
    if most < 2:
        return seen, 0
    return seen, int((grams.ends[start + 2] - grams.ends[start]) * most)


@leaf
def _begin(
    hashes: npt.NDArray[np.uint64], lengths: npt.NDArray[np.int32], words: int, grams: Grams
) -> int:
    grams.ends[0] = 0
    for place in range(words):
        grams.ends[place + 1] = grams.ends[place] + lengths[place]
        grams.starts[place] = place
        grams.rolling[place] = hashes[place]
    return words


@leaf
def _lengthen(hashes: npt.NDArray[np.uint64], words: int, n: int, active: int, grams: Grams) -> int:
    """Make each (n - 1)-gram an n-gram; those at the end of the text fall away."""
    while active and grams.starts[active - 1] + n > words:
        active -= 1
    for place in range(active):
        following = hashes[grams.starts[place] + n - 1]
        grams.rolling[place] = grams.rolling[place] * STEP + following
    return active


@leaf
def _most_frequent(active: int, grams: Grams, seen: Seen) -> tuple[int, int]:
    """Where the most frequent n-gram first begins and how often it occurs; of equals the first."""
    start, most = 0, 1  # where nothing repeats, the first n-gram is as frequent as any
    for place in range(active):
        count = seen.counts[grams.slots[place]]
        if count > most:
            start, most = int(grams.starts[place]), int(count)
    return start, most


@leaf
def _keep_repeated(active: int, grams: Grams, seen: Seen) -> int:
    """Leave only n-grams that occur more than once: longer ones that repeat begin with one."""
    kept = 0
    for place in range(active):
        if seen.counts[grams.slots[place]] > 1:
            grams.starts[kept] = grams.starts[place]
            grams.rolling[kept] = grams.rolling[place]
            kept += 1
    return kept


@leaf
def _all_characters(words: int, n: int, grams: Grams) -> int:
    characters = 0
    for place in range(words - n + 1):
        characters += grams.ends[place + n] - grams.ends[place]
    return characters
