"""Sums of weights over the words and word n-grams that fastText finds in a text.

The reading is that of fastText 0.9 (facebookresearch/fastText, src/dictionary.cc): `readWord` cuts
at six white-space bytes and NUL; `hash` is FNV-1a in 32 bits over *signed* bytes; `getLine` ends a
text at the word `</s>`, which also stands after every line, and skips words that begin with the
label prefix; `addWordNgrams` hashes n-grams of all words, known or not, into the buckets. A line
break is white space here: fastText's Python door refuses texts that have one.

Where fastText adds up a hundred numbers a word, `weights` has one a word and label: the product of
the two layers, made once. The sums are those of 64-bit floats, in reading order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from curator.text.blocks import word_at
from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled, leaf

Index: TypeAlias = int | np.int64  # a place in an array; both are 64 bits in a kernel
END_OF_LINE: Final = b"</s>"  # Dictionary::EOS
LABEL_PREFIX: Final = b"__label__"  # Args::label: a saved model does not say another
# FNV-1a, 32 bits (Fowler, Noll, Vo), and the multiplier of fastText's word n-grams.
_FNV_START: Final = np.uint64(2166136261)
_FNV_PRIME: Final = np.uint64(16777619)
_NGRAM_STEP: Final = np.uint64(116049371)
_NOTHING: Final = np.uint64(0)
_LOW: Final = np.uint64(0xFFFFFFFF)
_SIGN: Final = np.uint64(0xFFFFFF00)  # what a byte of 128 or more brings when it is signed
_WIDE: Final = np.uint64(0xFFFFFFFF00000000)  # and what a hash of 2**31 or more brings
_HALF: Final = np.uint64(1 << 31)
_32: Final = np.uint64(32)
_SPACES: Final = np.isin(np.arange(256), list(b" \n\r\t\v\f\0"))
_END: Final = np.frombuffer(END_OF_LINE, np.uint8)
_PREFIX: Final = np.frombuffer(LABEL_PREFIX, np.uint8)
_END_HASH: Final = np.uint64(
    reduce(lambda hashed, byte: (hashed ^ byte) * 16777619 % 2**32, END_OF_LINE, 2166136261)
)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)
_EIGHT: Final = 8
_WORDS: Final = 512  # at once: what is known of them stays in the first cache


class Vocabulary(NamedTuple):
    """A model's words and labels as the kernel looks them up.

    Attributes:
        slots: uint64, a power of two of them: an entry's hash above, its place + 1 below; 0: free.
        entries: (entries, 3) uint64: the first eight bytes, how many bytes there are, and where
            in `spelled` they stand. Most words end within eight: one load decides.
        spelled: uint8.
        words: how many entries are words; the labels come after them.
        end_of_line: the place of `</s>`, -1 if the model has not met it.
    """

    slots: npt.NDArray[np.uint64]
    entries: npt.NDArray[np.uint64]
    spelled: npt.NDArray[np.uint8]
    words: int
    end_of_line: int


class Sums(NamedTuple):
    """What was added up over each text.

    Attributes:
        totals: (texts, columns of the weights) float64.
        counts: (texts,) int64, words and n-grams that have a row, `</s>` included.
        words: (texts,) int64, words of the text itself, known or not, without labels.
    """

    totals: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]


def vocabulary(words: Sequence[bytes], labels: Sequence[bytes] = ()) -> Vocabulary:
    """The words of a model, in the order of its rows, and the labels that its texts may hold."""
    given = [*words, *labels]
    spelled = np.frombuffer(b"".join(given) + bytes(_EIGHT), np.uint8)
    slots = np.zeros(1 << max(4, (2 * len(given)).bit_length()), np.uint64)
    entries = np.zeros((len(given), 3), np.uint64)
    entries[:, 1] = [len(entry) for entry in given]
    entries[1:, 2] = np.cumsum(entries[:-1, 1])
    _enter(entries, spelled, slots)
    place = words.index(END_OF_LINE) if END_OF_LINE in words else -1
    for array in (slots, entries, spelled):
        array.flags.writeable = False
    return Vocabulary(slots, entries, spelled, len(words), place)


def weight_sums(
    texts: Texts,
    known: Vocabulary,
    weights: npt.NDArray[np.float32],
    *,
    buckets: int,
    word_ngrams: int,
) -> Sums:
    """The weights of all words and n-grams of each text added up, column by column.

    Args:
        texts: a text column; null reads as empty.
        known: from `vocabulary`.
        weights: (words + buckets, c) float32; the rows of the buckets come after the words'.
        buckets: of the word n-grams.
        word_ngrams: the longest n-gram, in words; 1: none are made.

    Raises:
        ValueError: `weights` has too few rows, or n-grams have no buckets.
    """
    if word_ngrams < 1 or (word_ngrams > 1 and buckets < 1):
        raise ValueError(f"n-grams of up to {word_ngrams} words in {buckets} buckets")
    rows = known.words + (buckets if word_ngrams > 1 else 0)
    if weights.ndim != 2 or len(weights) < rows:
        raise ValueError(f"weights are {weights.shape}; wanted {rows} rows and a column a label")
    column = utf8(texts)
    totals = np.zeros((len(column), weights.shape[1]))
    counts, words = np.zeros(len(column), np.int64), np.zeros(len(column), np.int64)
    given = np.ascontiguousarray(weights, np.float32)
    given.flags.writeable = False
    _add_up(column.offsets, column.data, known, given, buckets, word_ngrams, totals, counts, words)
    return Sums(totals, counts, words)


@compiled
def _enter(
    entries: npt.NDArray[np.uint64],
    spelled: npt.NDArray[np.uint8],
    slots: npt.NDArray[np.uint64],
) -> None:
    """Put every entry into its slot, the first free one from the place of its hash on."""
    mask = len(slots) - 1
    for place in range(len(entries)):
        start = np.int64(entries[place, 2])
        end = start + np.int64(entries[place, 1])
        hashed = _FNV_START
        for at in range(start, end):
            hashed = _step(hashed, spelled[at])
        entries[place, 0] = _first_eight(spelled, start, end)
        slot = np.int64(hashed) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = hashed << _32 | np.uint64(place + 1)


@compiled
def _add_up(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    known: Vocabulary,
    weights: npt.NDArray[np.float32],
    buckets: int,
    word_ngrams: int,
    totals: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    words: npt.NDArray[np.int64],
) -> None:
    """Cut, look up and gather some hundreds of words at a time, each in a loop of its own: a
    processor then waits for many of the scattered loads at once."""
    spans, hashes = np.empty((_WORDS, 2), np.int64), np.empty(_WORDS, np.uint64)
    rows = np.empty(_WORDS * word_ngrams, np.int64)
    recent = np.zeros(word_ngrams, np.uint64)
    divisor, width = np.uint64(max(buckets, 1)), weights.shape[1]
    for text in range(len(offsets) - 1):
        at, end, met = offsets[text], offsets[text + 1], 0
        while at <= end:
            found, at = _read_words(data, at, end, spans, hashes)
            made, met, ended = _find_rows(
                data, spans, hashes, found, known, divisor, recent, met, rows
            )
            counts[text] += made
            for label in range(width):
                total = 0.0
                for place in range(made):
                    total += weights[rows[place], label]
                totals[text, label] += total
            if ended:
                break
        words[text] = met - 1  # the end of the line is a word to fastText


@block
def _read_words(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    spans: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
) -> tuple[int, int]:
    """How many words were cut, and the next byte; past `end` if the end of the line is the last."""
    found = 0
    while found < len(hashes) and at <= end:
        while at < end and _SPACES[data[at]]:
            at += 1
        hashed = _FNV_START
        spans[found, 0] = at
        while at < end and not _SPACES[data[at]]:
            hashed = _step(hashed, data[at])
            at += 1
        spans[found, 1] = at
        if spans[found, 0] == end:
            hashed, at = _END_HASH, end + 1
        hashes[found] = hashed
        found += 1
    return found, at


@block
def _find_rows(
    data: npt.NDArray[np.uint8],
    spans: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    found: int,
    known: Vocabulary,
    buckets: np.uint64,
    recent: npt.NDArray[np.uint64],
    met: int,
    rows: npt.NDArray[np.int64],
) -> tuple[int, int, bool]:
    """How many rows the words have, how many words the text has so far, and whether it has ended.

    `recent[k]` is the hash of the k + 1 words before this one, as fastText has it before the
    division by the number of buckets.
    """
    made = 0
    for word in range(found):
        start, end, hashed = spans[word, 0], spans[word, 1], hashes[word]
        place: Index = known.end_of_line
        ended = hashed == _END_HASH and (
            start == end or (end - start == len(_END) and _begins(data, start, end, _END))
        )
        if not ended:
            place = _find(data, start, end, hashed, known)
            if place >= known.words or (place < 0 and _begins(data, start, end, _PREFIX)):
                continue
        if place >= 0:
            rows[made] = place
            made += 1
        signed = hashed | (_WIDE if hashed >= _HALF else _NOTHING)
        for size in range(min(met, len(recent) - 1), 0, -1):
            recent[size] = recent[size - 1] * _NGRAM_STEP + signed
            rows[made] = known.words + np.int64(recent[size] % buckets)
            made += 1
        recent[0] = signed
        met += 1
        if ended:
            return made, met, True
    return made, met, False


@leaf
def _step(hashed: np.uint64, byte: np.uint8) -> np.uint64:
    """The hash with one more byte, read as signed."""
    signed = np.uint64(byte) | (_SIGN if byte >= 128 else _NOTHING)
    return ((hashed ^ signed) * _FNV_PRIME) & _LOW


@leaf
def _find(
    data: npt.NDArray[np.uint8], start: Index, end: Index, hashed: np.uint64, known: Vocabulary
) -> Index:
    """The place of the word `data[start:end]`, -1 if it is not known."""
    mask = len(known.slots) - 1
    slot = np.int64(hashed) & mask
    first, size = _first_eight(data, start, end), np.uint64(end - start)
    found = known.slots[slot]
    while found:
        place = np.int64(found & _LOW) - 1
        if (
            found >> _32 == hashed
            and known.entries[place, 0] == first
            and known.entries[place, 1] == size
        ):
            at, other = start + _EIGHT, np.int64(known.entries[place, 2]) + _EIGHT
            while at < end and data[at] == known.spelled[other]:
                at += 1
                other += 1
            if at >= end:
                return place
        slot = (slot + 1) & mask
        found = known.slots[slot]
    return -1


@leaf
def _first_eight(data: npt.NDArray[np.uint8], start: Index, end: Index) -> np.uint64:
    """The first eight bytes of a word as a number, zeros after a shorter one (none holds NUL)."""
    size = min(end - start, _EIGHT)
    if start + _EIGHT <= len(data):
        return word_at(data, start) & (_ALL >> np.uint64(64 - 8 * size))
    first = _NOTHING
    for at in range(size):
        first |= np.uint64(data[start + at]) << np.uint64(8 * at)
    return first


@leaf
def _begins(
    data: npt.NDArray[np.uint8], start: int, end: int, with_this: npt.NDArray[np.uint8]
) -> bool:
    """Whether the word begins with these bytes."""
    size, alike = len(with_this), 0
    if end - start < size:
        return False
    while alike < size and data[start + alike] == with_this[alike]:
        alike += 1
    return alike == size
