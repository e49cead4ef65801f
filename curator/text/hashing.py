"""64-bit hashing inside kernels: public constants, the same on every machine, not cryptographic."""

from __future__ import annotations

from typing import Final

import numpy as np

from curator.text.compile import leaf

# FNV-1a, 64 bits (Fowler, Noll, Vo; IETF draft-eastlake-fnv).
FNV_START: Final = np.uint64(0xCBF29CE484222325)
FNV_PRIME: Final = np.uint64(0x100000001B3)
# The step of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): odd, near 2**64 / golden ratio.
# As the base of polynomials modulo 2**64 any odd number would do.
STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


@leaf
def mixed(value: np.uint64) -> np.uint64:
    """The number with every bit depending on every other: the finalizer of SplitMix64."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


@leaf
def power(base: np.uint64, exponent: int) -> np.uint64:
    """`base ** exponent` modulo 2**64."""
    result = np.uint64(1)
    for _ in range(exponent):
        result *= base
    return result
