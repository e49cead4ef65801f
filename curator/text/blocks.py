"""64 bytes at a time: what kernels ask of a block of text, as single instructions of the processor.

A question about 64 bytes has 64 bits for its answer, bit k for byte k. Written in LLVM's vectors,
which become AVX-512, AVX2 or NEON as the machine has it; Python has no word for them.

Kernels that ask read past the end of a text: `SLACK` bytes after it must be there, of any value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic as _intrinsic

SLACK: Final = 128
BLOCK: Final = 64

_BYTE, _INDEX = ir.IntType(8), ir.IntType(32)
_BLOCK: Final = ir.VectorType(_BYTE, BLOCK)
_NOTHING: Final = ir.Constant(_BLOCK, ir.Undefined)
_copy: Any = cgutils.raw_memcpy  # untyped
_Compare = Callable[[Any, Any, list[Any]], Any]


def _bits(code: Callable[..., Any]) -> Callable[..., np.uint64]:
    """The instruction as kernels call it: 64 bits come back."""
    return cast("Callable[..., np.uint64]", _intrinsic(code))


def _count(code: Callable[..., Any]) -> Callable[..., int]:
    """The instruction as kernels call it: a count comes back."""
    return cast("Callable[..., int]", _intrinsic(code))


def _deed(code: Callable[..., Any]) -> Callable[..., None]:
    """The instruction as kernels call it: nothing comes back."""
    return cast("Callable[..., None]", _intrinsic(code))


@_bits
def between(_typing: Any, array: Any, place: Any, low: Any, span: Any) -> Any:
    """Which of the 64 bytes at `place` are `low` or more and less than `low + span`."""
    return _question(
        array,
        2,
        lambda code, block, asked: code.icmp_unsigned("<", code.sub(block, asked[0]), asked[1]),
    )


@_bits
def same(_typing: Any, array: Any, place: Any, byte: Any) -> Any:
    """Which of the 64 bytes at `place` are this byte."""
    return _question(array, 1, lambda code, block, asked: code.icmp_unsigned("==", block, asked[0]))


@_bits
def folded(_typing: Any, array: Any, place: Any, letter: Any) -> Any:
    """Which of the 64 bytes at `place` are this ASCII letter (in lower case), in either case."""
    return _question(
        array,
        1,
        lambda code, block, asked: code.icmp_unsigned(
            "==", code.or_(block, _everywhere(code, _BYTE(32))), asked[0]
        ),
    )


def _question(array: Any, bytes_asked: int, compare: _Compare) -> Any:
    """Type and code of a question that compares the block with some bytes."""
    signature = types.uint64(array, types.int64, *[types.uint8] * bytes_asked)

    def code(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        block = builder.load(_pointer(context, builder, array, arguments, _BLOCK), align=1)
        asked = [_everywhere(builder, byte) for byte in arguments[2:]]
        return builder.bitcast(compare(builder, block, asked), ir.IntType(BLOCK))

    return signature, code


def _pointer(context: Any, builder: Any, array: Any, arguments: Any, kind: Any) -> Any:
    """Where `arguments[1]` of the array `arguments[0]` stands, as a pointer to `kind`."""
    start = context.make_array(array)(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(start, [arguments[1]]), kind.as_pointer())


def _everywhere(builder: Any, byte: Any) -> Any:
    """A block of nothing but this byte."""
    first = builder.insert_element(_NOTHING, byte, _INDEX(0))
    return builder.shuffle_vector(
        first, _NOTHING, ir.Constant(ir.VectorType(_INDEX, BLOCK), [0] * BLOCK)
    )


@_bits
def word_at(_typing: Any, array: Any, place: Any) -> Any:
    """The eight bytes at `place` as a number, the first byte lowest."""

    def code(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        return builder.load(_pointer(context, builder, array, arguments, word), align=1)

    return types.uint64(array, types.int64), code


@_count
def lowest(_typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; 64 if none is."""

    def code(_context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(0))

    return types.int64(types.uint64), code


@_count
def ones(_typing: Any, bits: Any) -> Any:
    """How many bits are set."""

    def code(_context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), code


@_deed
def copy(_typing: Any, target: Any, to: Any, array: Any, place: Any, size: Any) -> Any:
    """Copy `size` bytes from `array[place]` on to `target[to]` on; the two must not overlap."""

    def code(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        written = _pointer(context, builder, target, arguments[:2], _BYTE)
        read = _pointer(context, builder, array, arguments[2:4], _BYTE)
        _copy(builder, written, read, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(target, types.int64, array, types.int64, types.int64), code
