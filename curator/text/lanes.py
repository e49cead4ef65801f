"""Many bytes at once: what kernels say to the processor that Python has no words for.

Written as LLVM's vectors, which every processor has: on one with AVX-512 `word_bits` is a handful
of instructions, on others a few more, and the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending
from numba.core import types

_intrinsic: Any = extending.intrinsic  # its types do not know what it makes of a function
_types: Any = types
BLOCK = 64  # bytes that `word_bits` looks at
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_BYTES = ir.VectorType(_BYTE, BLOCK)


def _word_bits(typingctx: Any, data: Any, at: Any) -> Any:
    made = _types.UniTuple(_types.uint64, 2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _BYTES)
        read = builder.load(pointer, align=1)
        lower = builder.or_(read, _all(0x20))
        letters = builder.icmp_unsigned("<", builder.sub(lower, _all(ord("a"))), _all(26))
        digits = builder.icmp_unsigned("<", builder.sub(read, _all(ord("0"))), _all(10))
        longer = builder.icmp_signed("<", read, _all(0))
        bits = [builder.bitcast(each, _WORD) for each in (builder.or_(letters, digits), longer)]
        return context.make_tuple(builder, made, bits)

    return made(data, at), generate


def _eight_bytes(typingctx: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _WORD)
        return builder.load(pointer, align=1)

    return _types.uint64(data, at), generate


def _trailing_zeros(typingctx: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return _types.int64(_types.uint64), generate


def _all(byte: int) -> ir.Constant:
    return ir.Constant(_BYTES, [byte] * BLOCK)


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, to: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    place = builder.gep(array.data, [arguments[1]])
    return builder.bitcast(place, to.as_pointer())


# Two numbers for the 64 bytes at a place: a bit for each ASCII letter or digit, a bit for each byte
# that is not ASCII; bit 0 is the first byte. All 64 must be inside the data: nothing checks that.
word_bits: Callable[[npt.NDArray[np.uint8], int], tuple[np.uint64, np.uint64]]
word_bits = _intrinsic(_word_bits)
# The 8 bytes at a place, the first lowest. All must be inside the data.
eight_bytes: Callable[[npt.NDArray[np.uint8], int], np.uint64] = _intrinsic(_eight_bytes)
# How many bits lie below the lowest that is set; 64 if none is.
trailing_zeros: Callable[[np.uint64], int] = _intrinsic(_trailing_zeros)
