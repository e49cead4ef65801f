"""Words parted by white space, as Dolma counts them, and as RedPajama-V2 does without punctuation.

Dolma (allenai/dolma, python/dolma/taggers/gopher.py): the words are those of `str.split`, case and
punctuation kept. RedPajama-V2 (togethercomputer/RedPajama-Data, app/src/core/document.py and
app/src/utilities/text/normalization.py): ASCII punctuation taken out, lower case, then `str.split`;
lengths are counted in NFD. Two readings differ: characters are lowered one by one (a final sigma
stays a sigma), and words that are equal only in NFD are two words here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import block, part
from curator.text.hashing import FNV_PRIME, FNV_START
from curator.text.kinds import ALPHA, BLANK, STRIPPED, SYMBOLIC, Kinds
from curator.text.unicode import LIMIT, decode

COUNTS: Final = (
    "white_words",
    "white_characters",
    "symbol_words",
    "lettered_words",
    "required_words",
    "median_length_doubled",
    "javascript_words",
    "plain_words",
    "plain_characters",
)
# The eight words that Dolma requires two of (its gopher.py): those of Rae et al. 2021.
REQUIRED: Final = ("the", "be", "to", "of", "and", "that", "have", "with")
_JAVASCRIPT: Final = "javascript"
_LONGEST: Final = 64  # medians are exact below; no rule looks further

Data = npt.NDArray[np.uint8]


class WhiteWords(NamedTuple):
    """Room for the words of one text.

    Attributes:
        hashes: uint64, of the words as they stand.
        lengths: int32, in code points.
        plain: uint64, of the words without punctuation, in lower case; one for each that is left.
        plain_lengths: int32, in code points of NFD.
        tally: (_LONGEST + 1,) int64, how many words have each length.
    """

    hashes: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.int32]
    plain: npt.NDArray[np.uint64]
    plain_lengths: npt.NDArray[np.int32]
    tally: npt.NDArray[np.int64]


@part
def white_room(words: int) -> WhiteWords:
    """Room for this many words."""
    return WhiteWords(
        np.empty(words, np.uint64),
        np.empty(words, np.int32),
        np.empty(words, np.uint64),
        np.empty(words, np.int32),
        np.zeros(_LONGEST + 1, np.int64),
    )


def known_hashes() -> npt.NDArray[np.uint64]:
    """(9,) uint64: hashes of the words of `REQUIRED`, then of javascript."""
    return np.array([_hash(word) for word in (*REQUIRED, _JAVASCRIPT)], np.uint64)


def _hash(word: str) -> np.uint64:
    """FNV-1a over the code points, as `read_words` hashes a word."""
    value = int(FNV_START)
    for character in word:
        value = (value ^ ord(character)) * int(FNV_PRIME) % 2**64
    return np.uint64(value)


@block
def read_words(
    data: Data,
    at: int,
    end: int,
    kinds: Kinds,
    known: npt.NDArray[np.uint64],
    words: WhiteWords,
    out: npt.NDArray[np.int64],
) -> None:
    """Fill `words`, and `out` in the order of `COUNTS`, from the text `data[at:end]`."""
    out[:] = 0
    words.tally[:] = 0
    count, plain = 0, 0
    while at < end:
        hashed, bare = FNV_START, FNV_START
        size, bare_size, union = 0, 0, np.uint8(0)
        while at < end:
            byte = data[at]
            if byte < 128:
                code, width = np.int32(byte), 1
            else:
                code, width = decode(data, at, end)
            flags = kinds.flags[code] if code < LIMIT else np.uint8(0)
            if flags & BLANK:
                at += width
                break
            hashed = (hashed ^ np.uint64(code)) * FNV_PRIME
            if not flags & STRIPPED:
                lowered = kinds.lower[code] if code < LIMIT else code
                bare = (bare ^ np.uint64(lowered)) * FNV_PRIME
                bare_size += kinds.sizes[code] if code < LIMIT else 1
            union |= flags
            size += 1
            at += width
        if not size:
            continue
        words.hashes[count], words.lengths[count] = hashed, size
        count += 1
        words.tally[min(size, _LONGEST)] += 1
        _count_word(hashed, bare, size, bare_size, union, known, out)
        if bare_size:
            words.plain[plain], words.plain_lengths[plain] = bare, bare_size
            plain += 1
    out[0], out[7] = count, plain
    out[5] = _median_doubled(words.tally, count)


@block
def _count_word(
    hashed: np.uint64,
    bare: np.uint64,
    size: int,
    bare_size: int,
    union: np.uint8,
    known: npt.NDArray[np.uint64],
    out: npt.NDArray[np.int64],
) -> None:
    out[1] += size
    out[2] += 1 if union & SYMBOLIC else 0
    out[3] += 1 if union & ALPHA else 0
    out[8] += bare_size
    last = len(known) - 1
    if 2 <= size <= 4:
        for place in range(last):
            out[4] += 1 if hashed == known[place] else 0
    if size == 10 and bare_size == size and bare == known[last]:
        out[6] += 1


@block
def _median_doubled(tally: npt.NDArray[np.int64], count: int) -> int:
    """Twice the median of the lengths tallied; 0 of nothing."""
    if not count:
        return 0
    low, high, below = -1, -1, 0
    for size in range(len(tally)):
        below += tally[size]
        if low < 0 and below > (count - 1) // 2:
            low = size
        if high < 0 and below > count // 2:
            high = size
    return low + high
