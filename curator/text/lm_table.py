"""An n-gram model as one open-addressing table, and the kernel that asks it.

An n-gram stands under the n-gram without its first word: its key is (slot of that shorter one + 1)
<< 32 | slot of the first word; a word's own key is its hash with the top bit set. So the keys of
n-grams are exact, whatever the order; only two words can be mistaken for each other
(`curator.text.lm_words`). A query walks to the left, word by word, until an n-gram is missing,
and the n-grams it met on the way are the contexts of the next word: one look-up an order, one line
of the processor's cache each.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import mixed
from curator.text.lm_words import Data, Readings, line_end, next_word, readings, spell

# log10 of probability and of backoff weight, as in ARPA files and in KenLM.
RECORD: Final = np.dtype([("key", "<u8"), ("prob", "<f4"), ("backoff", "<f4")])
MOST_SLOTS: Final = 1 << 31
MOST_ORDER: Final = 8
_WORD: Final = np.uint64(1 << 63)
_32 = np.uint64(32)
# Keys of <unk>, <s> and </s>; a word hashes to one of them with a chance of 2**-61.
SPECIAL: Final = np.array([1, 2, 3], np.uint64)
_UNKNOWN, _BEGIN, _END = (np.uint64(1), np.uint64(2), np.uint64(3))

Table = npt.NDArray[np.void]  # of RECORD
Slots = npt.NDArray[np.int64]


class Tally(NamedTuple):
    """What the model says of each text, all (n,).

    Attributes:
        log10: float64, the sum over words and line ends.
        words: int64, words without line ends.
        lines: int64, lines with words.
        unknown: int64, words that the model does not know.
        spelling: float64, bits to spell the unknown words letter by letter.
    """

    log10: npt.NDArray[np.float64]
    words: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    spelling: npt.NDArray[np.float64]


def empty_table(entries: int) -> Table:
    """Return room for so many n-grams, at most two thirds filled.

    Raises:
        ValueError: a slot would not fit into 31 bits.
    """
    slots = 1 << max(4, int(1.5 * entries).bit_length())
    if slots > MOST_SLOTS:
        raise ValueError(f"{entries} n-grams take {slots} slots; wanted at most {MOST_SLOTS}")
    return np.zeros(slots, RECORD)


@leaf
def _find(table: Table, mask: np.uint64, key: np.uint64) -> int:
    """The slot of a key, or -1."""
    slot = mixed(key) & mask
    while True:
        found = table[slot].key
        if found == key:
            return int(np.int64(slot))
        if found == np.uint64(0):
            return -1
        slot = (slot + np.uint64(1)) & mask


@leaf
def _free(table: Table, mask: np.uint64, key: np.uint64) -> int:
    """The slot of a key, or the free one where it belongs."""
    slot = mixed(key) & mask
    while table[slot].key != np.uint64(0) and table[slot].key != key:
        slot = (slot + np.uint64(1)) & mask
    return int(np.int64(slot))


@leaf
def _fill(
    table: Table, mask: np.uint64, key: np.uint64, prob: np.float32, backoff: np.float32
) -> int:
    """Write a record where its key belongs; its slot, -1 if the key was there already."""
    slot = _free(table, mask, key)
    known = table[slot].key == key
    table[slot].key = key
    table[slot].prob = prob
    table[slot].backoff = backoff
    return -1 if known else slot


@leaf
def _key(shorter: int, first: int) -> np.uint64:
    return (np.uint64(shorter + 1) << _32) | np.uint64(first)


@compiled
def enter_words(
    table: Table,
    hashes: npt.NDArray[np.uint64],
    prob: npt.NDArray[np.float32],
    backoff: npt.NDArray[np.float32],
) -> Slots:
    """Enter words; their slots, -1 for one whose hash is there already."""
    mask = np.uint64(len(table) - 1)
    slots = np.empty(len(hashes), np.int64)
    for row in range(len(hashes)):
        slots[row] = _fill(table, mask, hashes[row] | _WORD, prob[row], backoff[row])
    return slots


@compiled
def enter_ngrams(
    table: Table,
    shorter: Slots,
    first: Slots,
    prob: npt.NDArray[np.float32],
    backoff: npt.NDArray[np.float32],
) -> Slots:
    """Enter n-grams by the slots of the n-gram without the first word and of that word.

    Their slots; -1 for one that is there already.
    """
    mask = np.uint64(len(table) - 1)
    slots = np.empty(len(shorter), np.int64)
    for row in range(len(shorter)):
        key = _key(shorter[row], first[row])
        slots[row] = _fill(table, mask, key, prob[row], backoff[row])
    return slots


@compiled
def slots_of(table: Table, hashes: npt.NDArray[np.uint64]) -> Slots:
    """The slots of words, -1 for one that is not there."""
    mask = np.uint64(len(table) - 1)
    slots = np.empty(len(hashes), np.int64)
    for row in range(len(hashes)):
        slots[row] = _find(table, mask, hashes[row] | _WORD)
    return slots


def tally(texts: Texts, table: Table, order: int, letter_bits: npt.NDArray[np.float64]) -> Tally:
    """Return what the model says of each text.

    Args:
        texts: a text column; each line is a sentence of its own.
        table: made by `enter_words` and `enter_ngrams`, with the three `SPECIAL` words.
        order: words of the longest n-grams.
        letter_bits: (257,) bits of each byte in the spelling of a word, and of its end.
    """
    column = utf8(texts)
    sizes = np.diff(column.offsets)
    room = np.empty(2 * int(sizes.max(initial=0)) + 8, np.uint8)
    return Tally(*_tally(column.offsets, column.data, readings(), table, order, letter_bits, room))


def compile_kernels() -> None:
    """Have every kernel of this file compiled, on the smallest model there is."""
    table = empty_table(4)
    one = np.zeros(len(SPECIAL), np.float32)
    slots = enter_words(table, SPECIAL, one, one)
    enter_ngrams(table, slots[:1], slots[1:2], one[:1], one[:1])
    slots_of(table, SPECIAL)
    table.flags.writeable = False
    tally(pa.array(["a b"], pa.large_string()), table, 2, np.zeros(257))


@leaf
def _step(
    table: Table,
    mask: np.uint64,
    order: int,
    word: int,
    known: int,
    left: Slots,
    weights: npt.NDArray[np.float64],
) -> tuple[float, int]:
    """log10 of the probability of a word after `known` words of context; the next `known`.

    `left` are the slots of the words before, the latest first; `weights[j]` the backoff weight of
    the j + 1 latest words. Both are brought up to date.
    """
    longest = word
    prob = np.float64(table[word].prob)
    matched = 1
    carried = np.float64(table[word].backoff)
    while matched <= known:
        found = _find(table, mask, _key(longest, left[matched - 1]))
        if found < 0:
            break
        weights[matched - 1] = carried
        longest = found
        prob = np.float64(table[found].prob)
        carried = np.float64(table[found].backoff)
        matched += 1
    for length in range(matched, known + 1):  # contexts in which the word was not seen
        prob += weights[length - 1]
    if matched < order:
        weights[matched - 1] = carried
    for place in range(order - 2, 0, -1):
        left[place] = left[place - 1]
    if order > 1:
        left[0] = word
    return prob, min(matched, order - 1)


@compiled
def _tally(
    offsets: npt.NDArray[np.int64],
    data: Data,
    readings_: Readings,
    table: Table,
    order: int,
    letter_bits: npt.NDArray[np.float64],
    room: Data,
) -> tuple[
    npt.NDArray[np.float64],
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.int64],
    npt.NDArray[np.float64],
]:
    rows = len(offsets) - 1
    sums, spelling = np.zeros(rows), np.zeros(rows)
    words, lines = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    unknown = np.zeros(rows, np.int64)
    mask = np.uint64(len(table) - 1)
    nobody = _find(table, mask, _UNKNOWN | _WORD)
    begin = _find(table, mask, _BEGIN | _WORD)
    stop_word = _find(table, mask, _END | _WORD)
    left = np.zeros(max(order, 2), np.int64)
    weights = np.zeros(max(order, 2))
    for row in range(rows):
        at, end = offsets[row], offsets[row + 1]
        while at < end:
            stop = line_end(data, at, end)
            hashed, start, at = next_word(data, at, stop, readings_)
            if start < stop:
                left[0] = begin
                weights[0] = np.float64(table[begin].backoff)
                known = min(1, order - 1)
                while start < stop:
                    word = _find(table, mask, hashed | _WORD)
                    if word < 0:
                        word = nobody
                        unknown[row] += 1
                        size = spell(data, start, at, readings_, room, 0)
                        spelling[row] += letter_bits[256]
                        for place in range(size):
                            spelling[row] += letter_bits[room[place]]
                    log10, known = _step(table, mask, order, word, known, left, weights)
                    sums[row] += log10
                    words[row] += 1
                    hashed, start, at = next_word(data, at, stop, readings_)
                log10, known = _step(table, mask, order, stop_word, known, left, weights)
                sums[row] += log10
                lines[row] += 1
            at = stop + 1
    return sums, words, lines, unknown, spelling
