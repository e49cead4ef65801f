"""Hashed n-gram counts of each text: the features of importance resampling.

Xie et al. 2023, "Data Selection for Language Models via Importance Resampling" (arXiv:2302.03169),
section 3: counts of hashed unigrams and bigrams, 10,000 buckets by default. Tokens are those of
the paper's code: the lower-cased text cut into runs of word characters (`\\w`: letters, numbers,
underscore) and runs of anything else that is not white space.

Buckets are named by a hash of our own, or, to meet the buckets of the paper's code, by SHA-256:
the n-gram's tokens joined by spaces, the digest as one number, modulo the number of buckets
(`data_selection` 1.0.3, hashed_ngram_dsir.py). SHA-256 is looked up where it was taken before.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.text.buffers import Texts, Utf8, utf8
from curator.text.compile import compiled, leaf, part
from curator.text.hashing import FNV_PRIME, FNV_START, STEP, mixed
from curator.text.sha256 import ROOM, Room, begin, finish, put
from curator.text.unicode import LETTER, LIMIT, NUMBER, SPACE, Characters, characters, decode

Naming = Literal["own", "sha256"]
MOST_SHA_BUCKETS: Final = 1 << 20  # a bucket takes 20 bits of an entry of the memory below

_UNDERSCORE: Final = 95
_32: Final = np.uint64(32)
_BUCKET_BITS: Final = np.uint64(20)
_BUCKET: Final = np.uint64(MOST_SHA_BUCKETS - 1)
# 32 MiB: entries are the upper 44 bits of an n-gram's own hash and its bucket; the newest stays.
_SLOTS: Final = 1 << 22
Memory = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


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


class NgramBuckets(NamedTuple):
    """The bucket of every n-gram.

    Attributes:
        offsets: (texts + 1,) int64; the n-grams of text i are `offsets[i]:offsets[i + 1]`.
        buckets: int32, in the order in which n-grams end, shorter ones first.
    """

    offsets: npt.NDArray[np.int64]
    buckets: npt.NDArray[np.int32]


def bucket_counts(texts: Texts, buckets: int, max_n: int = 2) -> BucketCounts:
    """How many 1- to max_n-grams of each text fall into each bucket.

    `bucket_counts(texts: pa.Array | pa.ChunkedArray, buckets: int, max_n: int = 2) ->
    BucketCounts(indptr, indices, counts)`. A text without tokens has no entries.

    Raises:
        ValueError: `buckets` or `max_n` is below 1.
    """
    found = ngram_buckets(texts, buckets, max_n)
    room = np.minimum(np.diff(found.offsets), buckets)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(room)])
    index, count, used = _tallied(found.offsets, found.buckets, starts, buckets)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(used)])
    filled = np.arange(starts[-1]) < np.repeat(starts[:-1] + used, room)
    return BucketCounts(indptr, index[filled], count[filled])


def bucket_totals(
    texts: Texts, buckets: int, max_n: int = 2, naming: Naming = "own"
) -> npt.NDArray[np.int64]:
    """(buckets,) int64: how many 1- to max_n-grams of all texts fall into each bucket."""
    return _totaled(ngram_buckets(texts, buckets, max_n, naming).buckets, buckets)


def bucket_sums(
    texts: Texts, weights: npt.NDArray[np.float64], max_n: int = 2, naming: Naming = "own"
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(n,) float64: the weights of each text's n-grams added up; (n,) int64: how many they are.

    Added in the order of the text, so that a sum depends on its text alone.
    """
    found = ngram_buckets(texts, len(weights), max_n, naming)
    return _summed(found.offsets, found.buckets, weights), np.diff(found.offsets)


def ngram_buckets(
    texts: Texts, buckets: int, max_n: int = 2, naming: Naming = "own"
) -> NgramBuckets:
    """The buckets of all 1- to max_n-grams of each text.

    Raises:
        ValueError: `buckets` or `max_n` is below 1, or there are too many buckets for SHA-256.
    """
    if buckets < 1 or max_n < 1:
        raise ValueError(f"buckets = {buckets}, max_n = {max_n}: both start at 1")
    if naming == "sha256" and buckets > MOST_SHA_BUCKETS:
        raise ValueError(f"buckets = {buckets}: of SHA-256 at most {MOST_SHA_BUCKETS}")
    column = utf8(texts) if naming == "own" else _lower(texts)
    memory = np.zeros(0, np.uint64) if naming == "own" else _memory(buckets)
    # No more tokens than bytes: room that is never touched takes no memory.
    size = int(column.offsets[-1] - column.offsets[0]) * max_n
    found = np.empty(size, np.int32)
    offsets = _walked(column.offsets, column.data, found, buckets, max_n, memory, characters())
    return NgramBuckets(offsets, found[: offsets[-1]])


def _lower(texts: Texts) -> Utf8:
    """The texts as `str.lower` writes them: a capital sigma depends on its neighbors."""
    column = pl.Series(pl.from_arrow(texts), dtype=pl.String).str.to_lowercase()
    return utf8(column.to_arrow().cast(pa.large_string()))


@lru_cache(maxsize=1)
def _memory(buckets: int) -> Memory:
    """Where SHA-256 buckets of this process stand; threads may write it at once, word by word."""
    return np.zeros(_SLOTS, np.uint64)


@leaf
def next_token(
    data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters
) -> tuple[np.uint64, int, int]:
    """The hash of the first token at or after byte `at`, its first byte and its end byte.

    The end byte is -1 when no token is left.
    """
    hashed = FNV_START
    start = at
    kind = 0  # 0: not begun, 1: word characters, 2: others
    while at < end:
        code, width = np.int32(data[at]), 1
        if code >= 128:
            code, width = decode(data, at, end)
        flags = tables.classes[code] if code < LIMIT else np.uint16(0)
        if flags & SPACE:
            if kind:
                break
            at += width
            start = at
            continue
        this = 1 if flags & (LETTER | NUMBER) or code == _UNDERSCORE else 2
        if kind and this != kind:
            break
        kind = this
        lowered = tables.lower[code] if code < LIMIT else code
        hashed = (hashed ^ np.uint64(lowered)) * FNV_PRIME
        at += width
    return mixed(hashed), start, at if kind else -1


@part
def _sha_bucket(
    data: npt.NDArray[np.uint8], spans: Places, n: int, buckets: int, room: Room
) -> np.uint64:
    """The bucket of the last n tokens; the last but k stands at `spans[2 * k]:spans[2 * k + 1]`."""
    begin(room)
    size = 0
    for back in range(n - 1, -1, -1):
        for place in range(spans[2 * back], spans[2 * back + 1]):
            size = put(room, size, data[place])
        if back:
            size = put(room, size, np.uint8(32))
    return finish(room, size, np.uint64(buckets))


@compiled
def _walked(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int32],
    buckets: int,
    max_n: int,
    memory: Memory,
    tables: Characters,
) -> npt.NDArray[np.int64]:
    ends = np.zeros(len(offsets), np.int64)
    recent = np.zeros(max_n, np.uint64)  # hashes of the 1-, 2-, ... grams that end at this token
    spans = np.zeros(2 * max_n, np.int64)  # bytes of the last tokens, the last first
    room = np.zeros(ROOM, np.uint32)
    named = len(memory) > 0
    count = 0
    for row in range(len(offsets) - 1):
        seen = 0
        end = offsets[row + 1]
        hashed, start, at = next_token(data, offsets[row], end, tables)
        while at >= 0:
            seen = min(seen + 1, max_n)
            for n in range(seen - 1, 0, -1):
                recent[n] = mixed(recent[n - 1] * STEP + hashed)
                spans[2 * n], spans[2 * n + 1] = spans[2 * n - 2], spans[2 * n - 1]
            recent[0], spans[0], spans[1] = hashed, start, at
            for n in range(seen):
                if not named:
                    # The upper half of the hash, spread over the buckets without a division.
                    bucket = ((recent[n] >> _32) * np.uint64(buckets)) >> _32
                else:
                    slot = recent[n] & np.uint64(_SLOTS - 1)
                    bucket = memory[slot]
                    if bucket >> _BUCKET_BITS != recent[n] >> _BUCKET_BITS:
                        bucket = _sha_bucket(data, spans, n + 1, buckets, room)
                        memory[slot] = (recent[n] & ~_BUCKET) | bucket
                    bucket &= _BUCKET
                found[count] = bucket
                count += 1
            hashed, start, at = next_token(data, at, end, tables)
        ends[row + 1] = count
    return ends


@compiled
def _totaled(buckets_of: npt.NDArray[np.int32], buckets: int) -> npt.NDArray[np.int64]:
    totals = np.zeros(buckets, np.int64)
    for bucket in buckets_of:
        totals[bucket] += 1
    return totals


@compiled
def _summed(
    offsets: npt.NDArray[np.int64],
    buckets: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    sums = np.zeros(len(offsets) - 1, np.float64)
    for row in range(len(sums)):
        total = 0.0
        for place in range(offsets[row], offsets[row + 1]):
            total += weights[buckets[place]]
        sums[row] = total
    return sums


@compiled
def _tallied(
    offsets: npt.NDArray[np.int64],
    buckets_of: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    buckets: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    index = np.empty(starts[-1], np.int32)
    count = np.empty(starts[-1], np.int32)
    used = np.zeros(len(offsets) - 1, np.int64)
    tally = np.zeros(buckets, np.int32)
    for row in range(len(used)):
        begin = starts[row]
        touched = 0
        for place in range(offsets[row], offsets[row + 1]):
            bucket = buckets_of[place]
            if tally[bucket] == 0:
                index[begin + touched] = bucket
                touched += 1
            tally[bucket] += 1
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
