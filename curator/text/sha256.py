"""SHA-256 inside kernels (FIPS 180-4), for buckets that other programs name by it.

A compiled function of a short message takes a fraction of a microsecond, where a call from Python
takes one or more. Not hardened against timing: nothing here is secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.compile import block, leaf

# 64 words being hashed, then 8 of state: one array, so that one reference is passed.
Room = npt.NDArray[np.uint32]
ROOM: Final = 72
_STATE: Final = 64


def _primes(count: int) -> Iterator[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % prime for prime in found):
            found.append(number)
            yield number
        number += 1


def _fractions(count: int, root: int) -> npt.NDArray[np.uint32]:
    """The first 32 bits of the fractions of roots of the first primes (4.2.2 and 5.3.3)."""
    bits = []
    for prime in _primes(count):
        low, high = 0, prime << 32
        while low < high:  # the largest whole number whose power is not above prime << 32 * root
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**root <= prime << 32 * root else (low, middle - 1)
        bits.append(low & 0xFFFFFFFF)
    return np.array(bits, np.uint32)


_START: Final = _fractions(8, 2)
_ROUNDS: Final = _fractions(64, 3)


@leaf
def _turned(word: np.uint32, bits: int) -> np.uint32:
    """The word rotated to the right."""
    return np.uint32((word >> np.uint32(bits)) | (word << np.uint32(32 - bits)))


@leaf
def begin(room: Room) -> None:
    """Make ready for a message: no byte of it stands in the room."""
    for place in range(8):
        room[_STATE + place] = _START[place]
    for place in range(16):
        room[place] = 0


@block
def compress(room: Room) -> None:
    """Take in the 16 words at the start of the room, and blank them."""
    for place in range(16, 64):
        w15, w2 = room[place - 15], room[place - 2]
        s0 = _turned(w15, 7) ^ _turned(w15, 18) ^ np.uint32(w15 >> np.uint32(3))
        s1 = _turned(w2, 17) ^ _turned(w2, 19) ^ np.uint32(w2 >> np.uint32(10))
        room[place] = np.uint32(room[place - 16] + s0 + room[place - 7] + s1)
    a, b, c, d = room[_STATE], room[_STATE + 1], room[_STATE + 2], room[_STATE + 3]
    e, f, g, h = room[_STATE + 4], room[_STATE + 5], room[_STATE + 6], room[_STATE + 7]
    for place in range(64):
        s1 = _turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)
        chosen = np.uint32((e & f) ^ (~e & g))
        one = np.uint32(h + s1 + chosen + _ROUNDS[place] + room[place])
        s0 = _turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)
        most = np.uint32((a & b) ^ (a & c) ^ (b & c))
        h, g, f, e = g, f, e, np.uint32(d + one)
        d, c, b, a = c, b, a, np.uint32(one + s0 + most)
    room[_STATE] += a
    room[_STATE + 1] += b
    room[_STATE + 2] += c
    room[_STATE + 3] += d
    room[_STATE + 4] += e
    room[_STATE + 5] += f
    room[_STATE + 6] += g
    room[_STATE + 7] += h
    for place in range(16):
        room[place] = 0


@leaf
def put(room: Room, size: int, byte: np.uint8) -> int:
    """Append a byte to a message of `size` bytes so far; its new size."""
    at = size & 63
    room[at >> 2] |= np.uint32(byte) << np.uint32(24 - 8 * (at & 3))
    if at == 63:
        compress(room)
    return size + 1


@block
def finish(room: Room, size: int, modulus: np.uint64) -> np.uint64:
    """The hash of the message as one number of 256 bits, modulo a number below 2**32."""
    put(room, size, np.uint8(0x80))
    if 56 <= (size & 63) < 63:  # no room for the size; at 63 `put` has taken the block in
        compress(room)
    room[14] = np.uint32(np.uint64(size) >> np.uint64(29))
    room[15] = np.uint32((np.uint64(size) << np.uint64(3)) & np.uint64(0xFFFFFFFF))
    compress(room)
    rest = np.uint64(0)
    for place in range(8):
        rest = ((rest << np.uint64(32)) | np.uint64(room[_STATE + place])) % modulus
    return rest
