"""Hashes of words, many a call: the words of `curator.text.words`, found 64 bytes at a time.

Most bytes of most texts are ASCII, and there a word ends where a bit of `word_bits` changes: no
branch a byte. A word with other characters, and the last words of a column, go byte by byte and
get the hash that their folded characters would have. Not the hash of `next_word`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curator.text.buffers import Texts, utf8
from curator.text.compile import block, compiled, leaf
from curator.text.hashing import STEP, mixed, power
from curator.text.lanes import BLOCK, eight_bytes, trailing_zeros, word_bits
from curator.text.ngrams import slide
from curator.text.unicode import LETTER, LIMIT, MARK, NUMBER, SOLO, Characters, characters, decode

SPARE = BLOCK  # `hash_words` stops when fewer places than this are free
_LOWER = np.uint64(0x2020202020202020)  # makes ASCII letters small and leaves digits alone
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_0, _1, _8, _64 = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(64)
_PAST_ASCII = np.uint64(0x800000)  # three bytes, of which the last is no ASCII
_WORDS = 1024 + SPARE  # hashed at once: 8 KiB stay in the first cache


def shingle_hashes(texts: Texts, n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """(texts + 1,) offsets and the hashes of each text's n-word shingles, in reading order.

    `shingle_hashes(texts: pa.Array | pa.ChunkedArray, n: int)`. A text of fewer than n words has
    one place, 0. Hashes of two columns compare; they are not those of `ngram_hashes`.
    """
    column = utf8(texts)
    sizes = np.diff(column.offsets)
    hashes = np.empty(int(((sizes + 1) // 2 + 1).sum()), np.uint64)
    offsets = np.zeros(len(column) + 1, np.int64)
    _shingles(column.offsets, column.data, n, characters(), offsets, hashes)
    return offsets, hashes[: offsets[-1]]


@compiled
def _shingles(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    n: int,
    tables: Characters,
    ends: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint64],
) -> None:
    ring = np.zeros(n, np.uint64)
    top = power(STEP, n)
    hashes = np.empty(_WORDS, np.uint64)
    made = 0
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        ring[:] = 0
        rolling = np.uint64(0)
        words, slot = 0, 0
        while at < end:
            found, at = hash_words(data, at, end, tables, hashes)
            for place in range(found):
                rolling = slide(rolling, hashes[place], ring[slot], top)
                ring[slot] = hashes[place]
                slot = slot + 1 if slot + 1 < n else 0
                words += 1
                if words >= n:
                    out[made] = mixed(rolling)
                    made += 1
        if words < n:
            out[made] = 0
            made += 1
        ends[row + 1] = made


@block
def hash_words(
    data: npt.NDArray[np.uint8],
    at: int,
    end: int,
    tables: Characters,
    out: npt.NDArray[np.uint64],
) -> tuple[int, int]:
    """How many words of `data[at:end]` were hashed into `out`, and the byte to go on from.

    That byte is `end` or more when no word is left. `out` has more than `SPARE` places; `at` is
    where a text begins or what an earlier call returned.
    """
    found = 0
    whole = len(data) - BLOCK - 16  # `_of_ascii` reads up to 16 bytes from where a word begins
    while at < end and found < len(out) - SPARE:
        if at <= whole:
            bits, longer = word_bits(data, at)
            left = end - at
            if left < BLOCK:
                inside = (_1 << np.uint64(left)) - _1
                bits &= inside
                longer &= inside
            known = min(trailing_zeros(longer), left)  # ASCII bytes, at most 64
            starts, ends = bits & ~(bits << _1), ~bits & (bits << _1)
            if known < BLOCK:
                starts &= (_1 << np.uint64(known)) - _1
                # At the text's end a word ends; at a longer character it may go on.
                seen = np.uint64(known) + (_1 if known == left else _0)
                if seen < _64:
                    ends &= (_1 << seen) - _1
            while ends:
                first = trailing_zeros(starts)
                length = trailing_zeros(ends) - first
                out[found] = _of_ascii(data, at + first, length)
                found += 1
                starts &= starts - _1
                ends &= ends - _1
            # Without a word that is still open, all that is known is done.
            done = trailing_zeros(starts) if starts else known
            at += done
            if done and (known == BLOCK or at >= end):
                continue
        hashed, start, stop = _next(data, at, end, tables)
        if start < end:
            out[found] = hashed
            found += 1
        at = stop
    return found, at


@leaf
def _of_ascii(data: npt.NDArray[np.uint8], at: int, length: int) -> np.uint64:
    """The hash of a word of 64 bytes at most that has only ASCII letters and digits."""
    # Both pieces are always read: a branch on the length would be guessed wrong too often.
    rest = min(max(length - 8, 0), 8)
    first = (eight_bytes(data, at) | _LOWER) & (_ALL >> np.uint64(64 - 8 * min(length, 8)))
    kept = _ALL >> np.uint64((64 - 8 * rest) & 63) if rest else _0
    hashed = mixed(first ^ mixed((eight_bytes(data, at + 8) | _LOWER) & kept))
    for done in range(16, length, 8):
        kept = _ALL >> np.uint64(64 - 8 * min(length - done, 8))
        hashed = mixed(hashed ^ ((eight_bytes(data, at + done) | _LOWER) & kept))
    return hashed


@block
def _next(
    data: npt.NDArray[np.uint8], at: int, end: int, tables: Characters
) -> tuple[np.uint64, int, int]:
    """The hash, first byte and end byte of the first word at or after byte `at`, any characters.

    The first byte is `end` when no word is left.
    """
    start, stop = -1, end
    chunks, held = 0, 0  # whole pieces of 8 bytes so far, bytes in the piece that is being filled
    first, hashed, piece = np.uint64(0), np.uint64(0), np.uint64(0)
    alone = False  # a character that is a word by itself: only marks may follow
    while at < end:
        code, width = decode(data, at, end)
        flags = tables.classes[code] if code < LIMIT else np.uint16(0)
        inside = flags & (LETTER | NUMBER | MARK)
        if start >= 0 and (not flags & MARK if alone else not inside or flags & SOLO):
            break
        if inside and (start >= 0 or flags & (LETTER | NUMBER)):
            if start < 0:
                start = at
            alone = alone or (flags & SOLO) != 0
            stop = at + width
            folded = np.uint64(tables.folded[code] if code < LIMIT else code)
            if folded >= np.uint64(128):
                folded |= _PAST_ASCII
            while folded:
                piece |= (folded & np.uint64(255)) << np.uint64(8 * held)
                folded >>= _8
                held += 1
                if held == 8:
                    first, hashed = _with_piece(first, hashed, piece, chunks)
                    chunks, held, piece = chunks + 1, 0, np.uint64(0)
        at += width
    if start < 0:
        return hashed, end, end
    if held or chunks < 2:
        first, hashed = _with_piece(first, hashed, piece, chunks)
        if chunks == 0:
            hashed = mixed(first ^ mixed(np.uint64(0)))
    return hashed, start, stop


@leaf
def _with_piece(
    first: np.uint64, hashed: np.uint64, piece: np.uint64, chunks: int
) -> tuple[np.uint64, np.uint64]:
    """The first piece and the hash so far, after one more piece; with `chunks` before it."""
    if chunks == 0:
        return piece, hashed
    if chunks == 1:
        return first, mixed(first ^ mixed(piece))
    return first, mixed(hashed ^ piece)
