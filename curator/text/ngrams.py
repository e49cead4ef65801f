"""Hashes of every run of n words, with the bytes they stand at: what overlap is looked up by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import STEP, mixed, power
from curator.text.unicode import Characters, characters
from curator.text.words import count_words, next_word


class NgramHashes(NamedTuple):
    """The n-grams of a text column, text after text, in reading order.

    Attributes:
        offsets: (texts + 1,) int64; the n-grams of text i are `offsets[i]:offsets[i + 1]`.
        hashes: uint64; equal words (see `curator.text.words`) in equal order, equal hash.
        byte_starts: int64, where the first word begins, in bytes from the text's own start.
        byte_ends: int64, past the last word's end, likewise.
    """

    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    byte_starts: npt.NDArray[np.int64]
    byte_ends: npt.NDArray[np.int64]


def ngram_hashes(texts: Texts, n: int) -> NgramHashes:
    """Every n-gram of every text; a text shorter than n words has none.

    `ngram_hashes(texts: pa.Array | pa.ChunkedArray, n: int) -> NgramHashes(offsets, hashes,
    byte_starts, byte_ends)`. Words: lower case, punctuation parts them (`curator.text.words`).
    The hash depends on the words and n only, so hashes of two columns compare.

    Raises:
        ValueError: n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: an n-gram has one word or more")
    column = utf8(texts)
    tables = characters()
    counts = np.maximum(count_words(column.offsets, column.data, tables) - n + 1, 0)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return NgramHashes(offsets, *_hash_all(column.offsets, column.data, offsets, n, tables))


@leaf
def slide(rolling: np.uint64, entering: np.uint64, leaving: np.uint64, top: np.uint64) -> np.uint64:
    """The polynomial hash of the window one word on; `top` is `STEP ** n`."""
    return rolling * STEP + entering - leaving * top


@compiled
def _hash_all(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    out: npt.NDArray[np.int64],
    n: int,
    tables: Characters,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    hashes = np.empty(out[-1], np.uint64)
    starts = np.empty(out[-1], np.int64)
    ends = np.empty(out[-1], np.int64)
    ring_hashes = np.zeros(n, np.uint64)
    ring_starts = np.zeros(n, np.int64)
    top = power(STEP, n)
    for row in range(len(offsets) - 1):
        begin, end = offsets[row], offsets[row + 1]
        ring_hashes[:] = 0
        rolling = np.uint64(0)
        words, slot = 0, 0
        at = out[row]
        hashed, start, stop = next_word(data, begin, end, tables)
        while start < end:
            rolling = slide(rolling, hashed, ring_hashes[slot], top)
            ring_hashes[slot] = hashed
            ring_starts[slot] = start
            words += 1
            slot = slot + 1 if slot + 1 < n else 0
            if words >= n:
                hashes[at] = mixed(rolling)
                starts[at] = ring_starts[slot] - begin
                ends[at] = stop - begin
                at += 1
            hashed, start, stop = next_word(data, stop, end, tables)
    return hashes, starts, ends
