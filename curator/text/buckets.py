"""Hashed n-gram counts of each text: the features of importance resampling.

Xie et al. 2023, "Data Selection for Language Models via Importance Resampling" (arXiv:2302.03169),
section 3: counts of hashed unigrams and bigrams, 10,000 buckets by default. Tokens are those of
the paper's code: the lower-cased text cut into runs of word characters (`\\w`: letters, numbers,
underscore) and runs of anything else that is not white space.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import compiled, leaf
from curator.text.hashing import FNV_PRIME, FNV_START, STEP, mixed
from curator.text.unicode import LETTER, LIMIT, NUMBER, SPACE, Characters, characters, decode

_UNDERSCORE = 95
_32 = np.uint64(32)


class BucketCounts(NamedTuple):
    """A sparse matrix (texts x buckets) by rows, as `scipy.sparse.csr_matrix` takes it.

    Attributes:
        indptr: (texts + 1,) int64; the entries of text i are `indptr[i]:indptr[i + 1]`.
        indices: int32, the bucket, rising within a text.
        counts: int32, how many n-grams of the text fell into the bucket.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]


def bucket_counts(texts: Texts, buckets: int, max_n: int = 2) -> BucketCounts:
    """How many 1- to max_n-grams of each text fall into each bucket.

    `bucket_counts(texts: pa.Array | pa.ChunkedArray, buckets: int, max_n: int = 2) ->
    BucketCounts(indptr, indices, counts)`. A text without tokens has no entries.

    Raises:
        ValueError: `buckets` or `max_n` is below 1.
    """
    if buckets < 1 or max_n < 1:
        raise ValueError(f"buckets = {buckets}, max_n = {max_n}: both start at 1")
    column = utf8(texts)
    tables = characters()
    tokens = _count_tokens(column.offsets, column.data, tables)
    room = np.minimum(tokens * max_n, buckets)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(room)])
    index, count, used = _fill(column.offsets, column.data, starts, buckets, max_n, tables)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(used)])
    filled = np.arange(starts[-1]) < np.repeat(starts[:-1] + used, room)
    return BucketCounts(indptr, index[filled], count[filled])


@leaf
def next_token(
    data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters
) -> tuple[np.uint64, int]:
    """The hash of the first token at or after byte `at`, and its end byte; end byte -1: none."""
    hashed = FNV_START
    kind = 0  # 0: not begun, 1: word characters, 2: others
    while at < end:
        code, width = decode(data, at, end)
        flags = tables.classes[code] if code < LIMIT else 0
        if flags & SPACE:
            if kind:
                break
            at += width
            continue
        this = 1 if flags & (LETTER | NUMBER) or code == _UNDERSCORE else 2
        if kind and this != kind:
            break
        kind = this
        lowered = tables.lower[code] if code < LIMIT else code
        hashed = (hashed ^ np.uint64(lowered)) * FNV_PRIME
        at += width
    return mixed(hashed), at if kind else -1


@compiled
def _count_tokens(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], tables: Characters
) -> npt.NDArray[np.int64]:
    counts = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(counts)):
        _, at = next_token(data, offsets[row], offsets[row + 1], tables)
        while at >= 0:
            counts[row] += 1
            _, at = next_token(data, at, offsets[row + 1], tables)
    return counts


@compiled
def _fill(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    buckets: int,
    max_n: int,
    tables: Characters,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    index = np.empty(starts[-1], np.int32)
    count = np.empty(starts[-1], np.int32)
    used = np.zeros(len(offsets) - 1, np.int64)
    tally = np.zeros(buckets, np.int32)
    recent = np.zeros(max_n, np.uint64)  # hashes of the 1-, 2-, ... grams that end at this token
    for row in range(len(used)):
        begin = starts[row]
        seen, touched = 0, 0
        hashed, at = next_token(data, offsets[row], offsets[row + 1], tables)
        while at >= 0:
            seen = min(seen + 1, max_n)
            for n in range(seen - 1, 0, -1):
                recent[n] = mixed(recent[n - 1] * STEP + hashed)
            recent[0] = hashed
            for n in range(seen):
                # The upper half of the hash, spread over the buckets without a division.
                bucket = np.int64(((recent[n] >> _32) * np.uint64(buckets)) >> _32)
                if tally[bucket] == 0:
                    index[begin + touched] = bucket
                    touched += 1
                tally[bucket] += 1
            hashed, at = next_token(data, at, offsets[row + 1], tables)
        if touched * 8 > buckets:  # reading all buckets is cheaper than sorting
            touched = 0
            for number in range(buckets):
                if tally[number]:
                    index[begin + touched] = number
                    touched += 1
        else:
            index[begin : begin + touched].sort()
        for place in range(begin, begin + touched):
            count[place] = tally[index[place]]
            tally[index[place]] = 0
        used[row] = touched
    return index, count, used
