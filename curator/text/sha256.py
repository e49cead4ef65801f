"""SHA-256 inside kernels (FIPS 180-4), sixteen messages side by side.

Written in LLVM's vectors, like `curator.text.blocks`: sixteen hashes of messages below 56 bytes
take little longer than one, some 20 ns each where a call from Python takes a microsecond. Not
hardened against timing: nothing here is secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from curator.text.compile import leaf

LANES: Final = 16
SHORT: Final = 55  # bytes of a message that fits one block with its end and its length
Words = npt.NDArray[
    np.uint32
]  # word i of lane k at `i * LANES + k`; 16 words of a block, 8 of state
BLOCK_SIZE: Final = 16 * LANES
STATE_SIZE: Final = 8 * LANES

_INDEX, _WORD = ir.IntType(64), ir.IntType(32)
_VECTOR: Final = ir.VectorType(_WORD, LANES)


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


def _everywhere(value: int) -> Any:
    return ir.Constant(_VECTOR, [_WORD(int(value))] * LANES)


def _turned(code: Any, word: Any, bits: int) -> Any:
    """The words rotated to the right; LLVM knows the pattern."""
    right = code.lshr(word, _everywhere(bits))
    return code.or_(right, code.shl(word, _everywhere(32 - bits)))


def _sigma(code: Any, word: Any, one: int, two: int, three: int, *, shifted: bool = False) -> Any:
    last = code.lshr(word, _everywhere(three)) if shifted else _turned(code, word, three)
    return code.xor(code.xor(_turned(code, word, one), _turned(code, word, two)), last)


def _rounds(code: Any, words: list[Any], before: list[Any]) -> list[Any]:
    """The state after a block (6.2.2); `words` is used up."""
    a, b, c, d, e, f, g, h = before
    for place in range(64):
        if place >= 16:
            further = _sigma(code, words[(place - 15) % 16], 7, 18, 3, shifted=True)
            last = _sigma(code, words[(place - 2) % 16], 17, 19, 10, shifted=True)
            sums = code.add(words[place % 16], further), code.add(words[(place - 7) % 16], last)
            words[place % 16] = code.add(*sums)
        chosen = code.xor(g, code.and_(e, code.xor(f, g)))
        one = code.add(code.add(h, _sigma(code, e, 6, 11, 25)), chosen)
        one = code.add(one, code.add(_everywhere(_ROUNDS[place]), words[place % 16]))
        most = code.or_(code.and_(a, b), code.and_(c, code.or_(a, b)))
        two = code.add(_sigma(code, a, 2, 13, 22), most)
        a, b, c, d, e, f, g, h = code.add(one, two), a, b, c, code.add(d, one), e, f, g
    return [code.add(*pair) for pair in zip(before, (a, b, c, d, e, f, g, h), strict=True)]


def _compress(_typing: Any, block: Any, state: Any) -> Any:
    """Take a block of each lane into its state."""

    def code(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        def row(array: int, number: int) -> Any:
            kind = (block, state)[array]
            start = context.make_array(kind)(context, builder, arguments[array]).data
            place = builder.gep(start, [_INDEX(number * LANES)])
            return builder.bitcast(place, _VECTOR.as_pointer())

        words = [builder.load(row(0, number), align=4) for number in range(16)]
        before = [builder.load(row(1, number), align=4) for number in range(8)]
        for number, word in enumerate(_rounds(builder, words, before)):
            builder.store(word, row(1, number), align=4)
        return context.get_dummy_value()

    return types.void(block, state), code


compress: Final = cast("Callable[[Words, Words], None]", intrinsic(_compress))


@leaf
def begin(block: Words, state: Words) -> None:
    """Make all lanes ready for a message."""
    for place in range(BLOCK_SIZE):
        block[place] = 0
    for place in range(STATE_SIZE):
        state[place] = _START[place // LANES]


@leaf
def put(block: Words, lane: int, at: int, byte: np.uint8) -> None:
    """Write the byte that stands `at`, 0 to 63, in a lane's block."""
    place = (at >> 2) * LANES + lane
    block[place] |= np.uint32(byte) << np.uint32(24 - 8 * (at & 3))


@leaf
def close(block: Words, lane: int, size: int) -> None:
    """Write the end of a message of `size` bytes: its length in bits."""
    bits = np.uint64(size) << np.uint64(3)
    block[14 * LANES + lane] = np.uint32(bits >> np.uint64(32))
    block[15 * LANES + lane] = np.uint32(bits & np.uint64(0xFFFFFFFF))


def factors(modulus: int) -> npt.NDArray[np.uint64]:
    """(8,) what each word of a hash counts for, modulo a number of at most 20 bits."""
    return np.array([pow(2, 32 * (7 - place), modulus) for place in range(8)], np.uint64)


@leaf
def rest(state: Words, lane: int, modulus: np.uint64, counts: npt.NDArray[np.uint64]) -> np.uint64:
    """A lane's hash as one number of 256 bits, modulo a number; `counts` are its `factors`."""
    total = np.uint64(0)  # eight products of 52 bits
    for place in range(8):
        total += np.uint64(state[place * LANES + lane]) * counts[place]
    return total % modulus
