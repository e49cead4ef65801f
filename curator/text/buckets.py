"""Hashed n-gram counts of each text: the features of importance resampling.

Xie et al. 2023, "Data Selection for Language Models via Importance Resampling" (arXiv:2302.03169),
section 3: counts of hashed unigrams and bigrams, 10,000 buckets by default. Tokens are those of
the paper's code: the lower-cased text cut into runs of word characters (`\\w`: letters, numbers,
underscore) and runs of anything else that is not white space.

Buckets are named by a hash of our own, or, to meet the buckets of the paper's code, by SHA-256
(`curator.text.sha_buckets`).
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.text.buffers import Texts, Utf8, utf8
from curator.text.compile import compiled
from curator.text.hashing import take_token
from curator.text.sha_buckets import MOST_BUCKETS, memory_of, walk_by_sha
from curator.text.unicode import Characters, characters
from curator.text.word_runs import next_token

Naming = Literal["own", "sha256"]
_32: Final = np.uint64(32)


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
    if naming == "sha256" and buckets > MOST_BUCKETS:
        raise ValueError(f"buckets = {buckets}: of SHA-256 at most {MOST_BUCKETS}")
    column = utf8(texts) if naming == "own" else _lower(texts)
    # No more tokens than bytes: room that is never touched takes no memory.
    found = np.empty(int(column.offsets[-1] - column.offsets[0]) * max_n, np.int32)
    if naming == "own":
        offsets = _walked(column.offsets, column.data, found, buckets, max_n, characters())
    else:
        memory = memory_of(buckets)
        offsets = walk_by_sha(
            column.offsets, column.data, found, buckets, max_n, memory, characters()
        )
    return NgramBuckets(offsets, found[: offsets[-1]])


def _lower(texts: Texts) -> Utf8:
    """The texts as `str.lower` writes them, wherever a table of single letters cannot.

    A capital sigma depends on its neighbors, and a dotted capital I becomes two characters.
    """
    column = pl.Series(pl.from_arrow(texts), dtype=pl.String)
    odd = column.str.contains("\u03a3", literal=True) | column.str.contains("\u0130", literal=True)
    rows = odd.fill_null(value=False).arg_true()
    if rows.is_empty():
        return utf8(texts)
    places = np.arange(len(column))
    places[rows.to_numpy()] = len(column) + np.arange(len(rows))
    both = pl.concat([column, column.gather(rows).str.to_lowercase()])
    return utf8(both.gather(places).to_arrow().cast(pa.large_string()))


@compiled
def _walked(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int32],
    buckets: int,
    max_n: int,
    tables: Characters,
) -> npt.NDArray[np.int64]:
    ends = np.zeros(len(offsets), np.int64)
    recent = np.zeros(max_n, np.uint64)  # hashes of the 1-, 2-, ... grams that end at this token
    count = 0
    for row in range(len(offsets) - 1):
        seen = 0
        hashed, _, at = next_token(data, offsets[row], offsets[row + 1], tables)
        while at >= 0:
            seen = min(seen + 1, max_n)
            take_token(recent, seen, hashed)
            for n in range(seen):
                # The upper half of the hash, spread over the buckets without a division.
                found[count] = ((recent[n] >> _32) * np.uint64(buckets)) >> _32
                count += 1
            hashed, _, at = next_token(data, at, offsets[row + 1], tables)
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
