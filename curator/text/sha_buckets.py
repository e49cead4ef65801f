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

from curator.text.compile import block, compiled
from curator.text.hashing import take_token
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
from curator.text.unicode import LIMIT, Characters, decode
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
    """Sixteen messages being hashed, whose they are, and room to write one of any length."""

    block: Words
    state: Words
    owner: Ints
    message: npt.NDArray[np.uint8]


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
    """Write the bucket of every n-gram; where each text's end in `found`.

    Letters are put in lower case one by one: a capital sigma and a dotted capital I, which need
    more than that, must be in lower case already.
    """
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
        np.zeros(BLOCK_SIZE, np.uint32),
        np.zeros(STATE_SIZE, np.uint32),
        np.zeros(LANES, np.int64),
        np.empty(2 * longest + max_n, np.uint8),  # in lower case two bytes can be three
    )
    done, token, gram = 0, 0, 0
    for row in range(len(offsets) - 1):
        seen = 0
        hashed, start, at = next_token(data, offsets[row], offsets[row + 1], tables)
        while at >= 0:
            seen = min(seen + 1, max_n)
            take_token(recent, seen, hashed)
            walked.starts[token], walked.ends[token] = start, at
            for n in range(seen):
                walked.hashes[gram] = recent[n]
                walked.places[gram] = token * max_n + n
                gram += 1
            token += 1
            hashed, start, at = next_token(data, at, offsets[row + 1], tables)
        if gram >= _AT_ONCE or row == len(offsets) - 2:
            _look_up(data, walked, gram, found[done:], buckets, max_n, memory, hashing, tables)
            done, token, gram = done + gram, 0, 0
        ends[row + 1] = done + gram
    return ends


@block
def _look_up(
    data: npt.NDArray[np.uint8],
    walked: Walked,
    grams: int,
    found: npt.NDArray[np.int32],
    buckets: int,
    max_n: int,
    memory: Memory,
    hashing: Hashing,
    tables: Characters,
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
        size = _write(data, walked, last - n, last, hashing.message, tables)
        if size > SHORT:
            _settle(hashing, used, walked, found, buckets, memory)
            _hash_long(hashing, size)
            hashing.owner[0] = gram
            _keep(hashing, 0, walked, found, buckets, memory)
            begin(hashing.block, hashing.state)
            used = 0
            continue
        for at in range(size):
            put(hashing.block, used, at, hashing.message[at])
        put(hashing.block, used, size, np.uint8(0x80))
        close(hashing.block, used, size)
        hashing.owner[used] = gram
        used += 1
        if used == LANES:
            _settle(hashing, used, walked, found, buckets, memory)
            used = 0
    _settle(hashing, used, walked, found, buckets, memory)


@block
def _write(
    data: npt.NDArray[np.uint8],
    walked: Walked,
    first: int,
    last: int,
    message: npt.NDArray[np.uint8],
    tables: Characters,
) -> int:
    """Write some tokens in lower case, joined by spaces; the bytes that they are."""
    size = 0
    for token in range(first, last + 1):
        if token > first:
            message[size] = 32
            size += 1
        place, end = walked.starts[token], walked.ends[token]
        while place < end:
            if data[place] < 128:
                message[size] = tables.lower[data[place]]
                size, place = size + 1, place + 1
                continue
            code, width = decode(data, place, end)
            lowered = tables.lower[code] if code < LIMIT else code
            if lowered == code:
                for _ in range(width):
                    message[size] = data[place]
                    size, place = size + 1, place + 1
            else:
                size = _encode(message, size, lowered)
                place += width
    return size


@block
def _encode(message: npt.NDArray[np.uint8], at: int, code: np.int32) -> int:
    """Append a character in UTF-8; where it ends."""
    if code < 0x80:
        message[at] = code
        return at + 1
    width = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    lead = 0xC0 if width == 2 else 0xE0 if width == 3 else 0xF0
    message[at] = lead | (code >> (6 * (width - 1)))
    for byte in range(1, width):
        message[at + byte] = 0x80 | ((code >> (6 * (width - 1 - byte))) & 0x3F)
    return at + width


@block
def _hash_long(hashing: Hashing, size: int) -> None:
    """Hash the message in the first lane, whatever its length."""
    for at in range(size):
        put(hashing.block, 0, at & 63, hashing.message[at])
        if at & 63 == 63:
            _next_block(hashing)
    put(hashing.block, 0, size & 63, np.uint8(0x80))
    if size & 63 > SHORT:
        _next_block(hashing)
    close(hashing.block, 0, size)
    compress(hashing.block, hashing.state)


@block
def _next_block(hashing: Hashing) -> None:
    compress(hashing.block, hashing.state)
    for place in range(BLOCK_SIZE):
        hashing.block[place] = 0


@block
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


@block
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
