"""64-bit hashing inside kernels: public constants, the same on every machine, not cryptographic."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curator.text.blocks import word_at
from curator.text.compile import leaf

# FNV-1a, 64 bits (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
FNV_START: Final = np.uint64(0xCBF29CE484222325)
FNV_PRIME: Final = np.uint64(0x100000001B3)
# The step of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): odd, near 2**64 / golden ratio.
# As the base of polynomials modulo 2**64 any odd number would do.
STEP: Final = np.uint64(0x9E3779B97F4A7C15)
OTHER: Final = np.uint64(0xD1B54A32D192ED03)  # an odd base for the second 64 bits of a hash
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_ALL: Final = np.uint64(0xFFFFFFFFFFFFFFFF)


@leaf
def mixed(value: np.uint64) -> np.uint64:
    """The number with every bit depending on every other: the finalizer of SplitMix64."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


@leaf
def take_token(recent: npt.NDArray[np.uint64], seen: int, hashed: np.uint64) -> None:
    """Let a token end the 1-, 2-, ... grams whose hashes `recent` holds; `seen` tokens count."""
    for n in range(seen - 1, 0, -1):
        recent[n] = mixed(recent[n - 1] * STEP + hashed)
    recent[0] = hashed


@leaf
def power(base: np.uint64, exponent: int) -> np.uint64:
    """`base ** exponent` modulo 2**64."""
    result = np.uint64(1)
    for _ in range(exponent):
        result *= base
    return result


@leaf
def hash_bytes(data: npt.NDArray[np.uint8], at: int, size: int) -> np.uint64:
    """A hash of `size` bytes from `at` on, eight at a time; unequal bytes of eight never collide.

    Up to seven bytes past the last are read (and do not count): see `curator.text.blocks.SLACK`.
    """
    hashed = FNV_START + np.uint64(size) * STEP
    while size > 8:
        hashed = (hashed ^ word_at(data, at)) * _FIRST
        hashed ^= hashed >> _32
        at += 8
        size -= 8
    if size > 0:
        word = word_at(data, at) & (_ALL >> np.uint64(64 - 8 * size))
        hashed = (hashed ^ word) * _FIRST
        hashed ^= hashed >> _32
    return hashed


def hash_of_bytes(written: bytes) -> np.uint64:
    """What `hash_bytes` gives, in plain Python: for tables, made once a process."""
    value = (int(FNV_START) + len(written) * int(STEP)) % 2**64
    for at in range(0, len(written), 8):
        value = (value ^ int.from_bytes(written[at : at + 8], "little")) * int(_FIRST) % 2**64
        value ^= value >> 32
    return np.uint64(value)
