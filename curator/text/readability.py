"""How hard a text is to read, by counting: Flesch's reading ease, and the diversity of its words.

Both are of English as it was when they were fitted: syllables are groups of vowel letters, and a
text in another language or in none gets a number that means little.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf, part
from curator.text.unicode import Characters, characters
from curator.text.words import next_word

# MTLD counts stretches of text whose share of different words falls below this (McCarthy and Jarvis
# 2010, "MTLD, vocd-D, and HD-D", Behavior Research Methods 42).
FACTOR: Final = 0.72
# Reading ease = 206.835 - 1.015 words a sentence - 84.6 syllables a word (Flesch 1948, "A new
# readability yardstick", Journal of Applied Psychology 32).
_FLESCH: Final = (206.835, 1.015, 84.6)
COLUMNS: Final = ("words", "sentences", "syllables", "mtld")
_A, _E, _L, _Z = ord("a"), ord("e"), ord("l"), ord("z")
_VOWELS: Final = np.zeros(256, np.bool_)
_VOWELS[[ord(letter) for letter in "aeiouyAEIOUY"]] = True
_ENDS: Final = np.zeros(256, np.bool_)
_ENDS[[ord(mark) for mark in ".!?"]] = True
_SPACES: Final = np.zeros(256, np.bool_)
_SPACES[[9, 10, 11, 12, 13, 32]] = True


def reading_ease(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n,) float64: Flesch's reading ease of `measures`, about 100 for easy text; nan: no words."""
    top, by_sentence, by_word = _FLESCH
    words, sentences, syllables = counts[:, 0], np.maximum(counts[:, 1], 1), counts[:, 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: npt.NDArray[np.float64] = (
            top - by_sentence * words / sentences - by_word * syllables / words
        )
    found[words == 0] = np.nan
    return found


def measures(texts: Texts) -> npt.NDArray[np.float64]:
    """(n, 4) float64: words, sentences, syllables and MTLD of each text, in the order of `COLUMNS`.

    MTLD is the mean length, in words, of stretches in which the share of different words stays at
    .72 or more, of both directions; as long as the text where no word comes twice, nan without any.
    """
    column = utf8(texts)
    return _measured(column.offsets, column.data, characters(), _VOWELS, _ENDS, _SPACES)


@compiled
def _measured(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    tables: Characters,
    vowels: npt.NDArray[np.bool_],
    ends: npt.NDArray[np.bool_],
    spaces: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    count = len(offsets) - 1
    found = np.zeros((count, 4))
    longest = 0
    for row in range(count):
        longest = max(longest, offsets[row + 1] - offsets[row])
    hashes = np.empty(longest, np.uint64)  # a word is a byte at least
    slots = 16
    while slots < 2 * longest:
        slots *= 2
    keys = np.empty(slots, np.uint64)
    stamps = np.zeros(slots, np.int64)
    stamp = 0
    for row in range(count):
        at, end, words, syllables = offsets[row], offsets[row + 1], 0, 0
        hashed, start, stop = next_word(data, at, end, tables)
        while start < end:
            hashes[words] = hashed
            words += 1
            syllables += _syllables(data, start, stop, vowels)
            hashed, start, stop = next_word(data, stop, end, tables)
        sentences = 0
        for place in range(at, end):
            last = place + 1 == end or spaces[data[place + 1]]
            if ends[data[place]] and last:
                sentences += 1
        forth, stamp = _factors(hashes, words, 1, keys, stamps, stamp)
        back, stamp = _factors(hashes, words, -1, keys, stamps, stamp)
        found[row, 0], found[row, 1], found[row, 2] = words, sentences, syllables
        found[row, 3] = (words / max(forth, 1.0) + words / max(back, 1.0)) / 2 if words else np.nan
    return found


@leaf
def _syllables(
    data: npt.NDArray[np.uint8], start: int, stop: int, vowels: npt.NDArray[np.bool_]
) -> int:
    """Groups of vowel letters, at least one; a last e that follows a consonant but l is silent."""
    found, inside = 0, False
    for place in range(start, stop):
        vowel = vowels[data[place]]
        if vowel and not inside:
            found += 1
        inside = vowel
    if found > 1 and stop - start > 2 and data[stop - 1] | 32 == _E:
        before = data[stop - 2] | 32
        if not vowels[data[stop - 2]] and before != _L and _A <= before <= _Z:
            found -= 1
    return max(found, 1)


@part
def _factors(
    hashes: npt.NDArray[np.uint64],
    words: int,
    way: int,
    keys: npt.NDArray[np.uint64],
    stamps: npt.NDArray[np.int64],
    stamp: int,
) -> tuple[float, int]:
    """How many stretches fall below the share, the last in part; and the last stamp used.

    A slot of the table holds a word of this stretch if it bears its stamp, so that nothing need be
    cleared between stretches.
    """
    mask = np.uint64(len(keys) - 1)
    found, seen, different = 0.0, 0, 0
    stamp += 1
    for number in range(words):
        word = hashes[number] if way > 0 else hashes[words - 1 - number]
        slot = word & mask
        while stamps[slot] == stamp and keys[slot] != word:
            slot = (slot + np.uint64(1)) & mask
        if stamps[slot] != stamp:
            stamps[slot], keys[slot] = stamp, word
            different += 1
        seen += 1
        if different < FACTOR * seen:
            found += 1.0
            seen, different = 0, 0
            stamp += 1
    if seen:
        found += (1 - different / seen) / (1 - FACTOR)
    return found, stamp
