"""Buckets of n-grams by SHA-256, as the paper's code of DSIR names them.

The n-gram's tokens joined by spaces, the digest as one number, modulo the number of buckets
(`hash_buckets` in `data_selection` 1.0.3). What was hashed before is looked up by a hash of 64 bits
of our own, in a memory of 32 MiB a process: two n-grams that share it, one pair in 2**64, share a
bucket. A text is walked first and looked up then, so that the processor waits for many places of
that memory at once; what is not there is hashed sixteen at a time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curator.text.compile import compiled, part
from curator.text.hashing import STEP, mixed
from curator.text.sha256 import (
    BLOCK_SIZE,
    LANES,
    SHORT,
    STATE_SIZE,
    Words,
    begin,
    close,
    compress,
    factors,
    put,
    rest,
)
from curator.text.unicode import Characters
from curator.text.word_runs import next_token

MOST_BUCKETS: Final = 1 << 20  # a bucket takes 20 bits of an entry of the memory

_SLOTS: Final = 1 << 22
_BUCKET_BITS: Final = np.uint64(20)
_BUCKET: Final = np.uint64(MOST_BUCKETS - 1)
_AT_ONCE: Final = 4096  # n-grams that are looked up together, at the end of a text
Ints = npt.NDArray[np.int64]


class Memory(NamedTuple):
    """What is known of n-grams, and how to know more.

    Attributes:
        entries: (_SLOTS,) uint64: the upper 44 bits of an n-gram's own hash, and its bucket. The
            newest stays. Threads may write at once: an entry is one word.
        factors: (8,) of `curator.text.sha256`.
    """

    entries: npt.NDArray[np.uint64]
    factors: npt.NDArray[np.uint64]


class Walked(NamedTuple):
    """Tokens and n-grams that wait for their buckets.

    Attributes:
        starts, ends: bytes of each token.
        hashes: of each n-gram.
        places: of each n-gram, its last token times the longest n-gram, plus n - 1.
        absent: room for the n-grams that are not in the memory.
    """

    starts: Ints
    ends: Ints
    hashes: npt.NDArray[np.uint64]
    places: Ints
    absent: Ints


class Hashing(NamedTuple):
    """Sixteen messages being hashed, and whose they are."""

    block: Words
    state: Words
    owner: Ints


@lru_cache(maxsize=1)
def memory_of(buckets: int) -> Memory:
    """The memory of this process, for this number of buckets."""
    return Memory(np.zeros(_SLOTS, np.uint64), factors(buckets))


@compiled
def walk_by_sha(
    offsets: Ints,
    data: npt.NDArray[np.uint8],
    found: npt.NDArray[np.int32],
    buckets: int,
    max_n: int,
    memory: Memory,
    tables: Characters,
) -> Ints:
    """Write the bucket of every n-gram of lower-cased texts; where each text's end in `found`."""
    ends = np.zeros(len(offsets), np.int64)
    longest = 0
    for row in range(len(offsets) - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    tokens = longest + _AT_ONCE  # no more tokens than bytes; room that is not touched costs nothing
    grams = tokens * max_n
    walked = Walked(
        np.empty(tokens, np.int64),
        np.empty(tokens, np.int64),
        np.empty(grams, np.uint64),
        np.empty(grams, np.int64),
        np.empty(grams, np.int64),
    )
    recent = np.zeros(max_n, np.uint64)  # hashes of the 1-, 2-, ... grams that end at this token
    hashing = Hashing(
        np.zeros(BLOCK_SIZE, np.uint32), np.zeros(STATE_SIZE, np.uint32), np.zeros(LANES, np.int64)
    )
    done, token, gram = 0, 0, 0
    for row in range(len(offsets) - 1):
        seen = 0
        hashed, start, at = next_token(data, offsets[row], offsets[row + 1], tables)
        while at >= 0:
            seen = min(seen + 1, max_n)
            for n in range(seen - 1, 0, -1):
                recent[n] = mixed(recent[n - 1] * STEP + hashed)
            recent[0] = hashed
            walked.starts[token], walked.ends[token] = start, at
            for n in range(seen):
                walked.hashes[gram] = recent[n]
                walked.places[gram] = token * max_n + n
                gram += 1
            token += 1
            hashed, start, at = next_token(data, at, offsets[row + 1], tables)
        if gram >= _AT_ONCE or row == len(offsets) - 2:
            _look_up(data, walked, gram, found[done:], buckets, max_n, memory, hashing)
            done, token, gram = done + gram, 0, 0
        ends[row + 1] = done + gram
    return ends


@part
def _look_up(
    data: npt.NDArray[np.uint8],
    walked: Walked,
    grams: int,
    found: npt.NDArray[np.int32],
    buckets: int,
    max_n: int,
    memory: Memory,
    hashing: Hashing,
) -> None:
    """Write the buckets of so many n-grams, and remember those that were not known."""
    missing = 0
    for gram in range(grams):
        hashed = walked.hashes[gram]
        entry = memory.entries[hashed & np.uint64(_SLOTS - 1)]
        found[gram] = entry & _BUCKET
        walked.absent[missing] = gram
        missing += (entry >> _BUCKET_BITS) != (hashed >> _BUCKET_BITS)
    used = 0
    begin(hashing.block, hashing.state)
    for number in range(missing):
        gram = walked.absent[number]
        last, n = walked.places[gram] // max_n, walked.places[gram] % max_n
        size = n
        for token in range(last - n, last + 1):
            size += walked.ends[token] - walked.starts[token]
        if size > SHORT:
            _settle(hashing, used, walked, found, buckets, memory)
            _hash_long(data, walked, last - n, last, hashing)
            hashing.owner[0] = gram
            _keep(hashing, 0, walked, found, buckets, memory)
            begin(hashing.block, hashing.state)
            used = 0
            continue
        _write(data, walked, last - n, last, hashing.block, used, size)
        hashing.owner[used] = gram
        used += 1
        if used == LANES:
            _settle(hashing, used, walked, found, buckets, memory)
            used = 0
    _settle(hashing, used, walked, found, buckets, memory)


@part
def _write(
    data: npt.NDArray[np.uint8],
    walked: Walked,
    first: int,
    last: int,
    block: Words,
    lane: int,
    size: int,
) -> None:
    """Write some tokens, joined by spaces, as the message of a lane."""
    at = 0
    for token in range(first, last + 1):
        if token > first:
            put(block, lane, at, np.uint8(32))
            at += 1
        for place in range(walked.starts[token], walked.ends[token]):
            put(block, lane, at, data[place])
            at += 1
    put(block, lane, at, np.uint8(0x80))
    close(block, lane, size)


@part
def _hash_long(
    data: npt.NDArray[np.uint8], walked: Walked, first: int, last: int, hashing: Hashing
) -> None:
    """Hash some tokens, joined by spaces, in the first lane, whatever their length."""
    block, state = hashing.block, hashing.state
    size = 0
    for token in range(first, last + 1):
        for place in range(walked.starts[token] - (token > first), walked.ends[token]):
            byte = np.uint8(32) if place < walked.starts[token] else data[place]
            put(block, 0, size & 63, byte)
            size += 1
            if size & 63 == 0:
                compress(block, state)
                block[:] = 0
    put(block, 0, size & 63, np.uint8(0x80))
    if size & 63 > SHORT:
        compress(block, state)
        block[:] = 0
    close(block, 0, size)
    compress(block, state)


@part
def _settle(
    hashing: Hashing,
    used: int,
    walked: Walked,
    found: npt.NDArray[np.int32],
    buckets: int,
    memory: Memory,
) -> None:
    """Hash the messages of the first lanes, keep what they give, and begin anew."""
    if used:
        compress(hashing.block, hashing.state)
        for lane in range(used):
            _keep(hashing, lane, walked, found, buckets, memory)
        begin(hashing.block, hashing.state)


@part
def _keep(
    hashing: Hashing,
    lane: int,
    walked: Walked,
    found: npt.NDArray[np.int32],
    buckets: int,
    memory: Memory,
) -> None:
    """Write the bucket of a lane's n-gram where it is asked for, and into the memory."""
    gram = hashing.owner[lane]
    bucket = rest(hashing.state, lane, np.uint64(buckets), memory.factors)
    hashed = walked.hashes[gram]
    found[gram] = bucket
    memory.entries[hashed & np.uint64(_SLOTS - 1)] = (hashed & ~_BUCKET) | bucket
