"""The loops over memory that torch would walk many times, each walked once: compiled by numba.

On a CPU a small model spends as long on norms, softmax and cross-entropy as on products: torch
makes one pass over memory an operation. Here each is one pass over rows that stay in cache.
Products are left to torch, which runs them at 85 % of the processor's peak in bfloat16.

Numbers are float32 inside. Matrices are float32 or bfloat16; numba has no bfloat16, so those come
as int16 with the same bits (`array_of`). Sums may be taken in any order ("reassoc"), which lets
them use whole vector registers: results repeat on one processor and differ between kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from numba import types
from numba.extending import overload
from numpy.typing import NDArray

from curator.text.compile import cache_folder, config

Rows = NDArray[Any]  # float32, or bfloat16 as int16
Floats = NDArray[np.float32]

CAP = 15.0  # logits stay inside (-15, 15); modded-nanogpt track 3: 15 z / sqrt(z^2 + 225)
EPSILON = float(np.finfo(np.float32).eps)  # in norms: torch.nn.functional.rms_norm's default
_FAST = {"reassoc", "contract", "nsz", "arcp", "afn"}
_STRIP = 64  # numbers a compiled loop takes at a time: four registers of 16
_ONE, _HALF, _ZERO = np.float32(1), np.float32(0.5), np.float32(0)
_LN2 = np.float32(math.log(2))
_CAP, _CAP_BITS = np.float32(CAP), np.float32(CAP / math.log(2))
# 2^x for x in [-1/2, 1/2]: interpolation at Chebyshev points, relative error below 3e-7.
_POWER = np.polynomial.chebyshev.Chebyshev.interpolate(np.exp2, 5, [-0.5, 0.5])
_P0, _P1, _P2, _P3, _P4, _P5 = (
    np.float32(c) for c in _POWER.convert(kind=np.polynomial.Polynomial).coef
)


def usable(*tensors: torch.Tensor) -> bool:
    """Return whether kernels can read `tensors`: real ones on a CPU, not while torch traces."""
    return not torch.compiler.is_compiling() and all(
        tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.bfloat16)
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        for tensor in tensors
    )


def array_of(tensor: torch.Tensor) -> Rows:
    """Return the memory of `tensor` as an array; bfloat16 as int16 of the same bits."""
    plain = tensor.detach()
    return (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()


def _kernel(function: Callable[..., None]) -> Callable[..., None]:
    folder = cache_folder(__name__)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder or "")  # read when the kernel is declared
    try:
        found: Callable[..., None] = numba.njit(
            nogil=True, cache=folder is not None, fastmath=_FAST, error_model="numpy"
        )(function)
        return found
    finally:
        config.CACHE_DIR = before


def _part(function: Callable[..., Any]) -> Callable[..., Any]:
    found: Callable[..., Any] = numba.njit(fastmath=_FAST, error_model="numpy", inline="always")(
        function
    )
    return found


def _widen(number: Any) -> Any:
    """Return a stored number as float32."""
    raise NotImplementedError


@overload(_widen, inline="always")
def _widen_compiled(number: Any) -> Any:
    if number == types.int16:

        def from_bits(number: Any) -> Any:
            return np.int32(np.int32(number) << np.int32(16)).view(np.float32)

        return from_bits

    def same(number: Any) -> Any:
        return np.float32(number)

    return same


def _narrow(number: Any, like: Any) -> Any:
    """Return a float32 as it is stored beside `like`: for bfloat16 the nearest, ties to even."""
    raise NotImplementedError


@overload(_narrow, inline="always")
def _narrow_compiled(number: Any, like: Any) -> Any:
    if like == types.int16:

        def rounded(number: Any, like: Any) -> Any:
            bits = np.float32(number).view(np.int32)
            odd = (bits >> np.int32(16)) & np.int32(1)
            return np.int16((bits + np.int32(0x7FFF) + odd) >> np.int32(16))

        return rounded

    def same(number: Any, like: Any) -> Any:
        return np.float32(number)

    return same


@_part
def _exp2(x: Any) -> Any:
    """Return 2^x for |x| < 126: the whole part goes into the exponent's bits."""
    whole = np.floor(x + _HALF)
    rest = x - whole
    power = ((((_P5 * rest + _P4) * rest + _P3) * rest + _P2) * rest + _P1) * rest + _P0
    return power * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@_kernel
def cross_entropy(
    raw: Rows, targets: NDArray[np.int64], shares: Floats, z_loss: float, area: Floats,
    losses: NDArray[np.float64],
) -> None:  # fmt: skip
    """Turn raw logits into the gradient by them of the loss in nats, and note each row's loss.

    Args:
        raw: (N, V) logits before the cap; overwritten.
        targets: (N,) the wanted tokens.
        shares: (N,) weight of each row.
        z_loss: weight of the squared log of the softmax's sum.
        area: (2, V) work area.
        losses: (N,) set to share x loss.
    """
    powers, inverses = area[0], area[1]
    for n in range(raw.shape[0]):
        row, target, share = raw[n], targets[n], shares[n]
        mass = _ZERO
        for v in range(row.shape[0]):
            z = _widen(row[v])
            inverse = _ONE / math.sqrt(z * z + _CAP * _CAP)
            power = _exp2(z * inverse * _CAP_BITS)  # |logit| < 21.7 bits: no overflow
            powers[v] = power
            inverses[v] = inverse
            mass += power
        log_mass = math.log(np.float64(mass))
        wanted = np.float64(_widen(row[target]) * inverses[target] * _CAP)
        losses[n] = share * (log_mass - wanted + z_loss * log_mass * log_mass)
        # d/dz of CAP z (z^2 + CAP^2)^(-1/2) is (CAP r)^3, where r is the inverse root; d/dz of
        # log^2 Z is 2 log Z times the probability.
        cube = _CAP * _CAP * _CAP
        scale = np.float32(share * (1.0 + 2.0 * z_loss * log_mass) / mass) * cube
        slope = inverses[target] * inverses[target] * inverses[target]
        at_target = (powers[target] * scale - share * cube) * slope
        for v in range(row.shape[0]):
            r = inverses[v]
            row[v] = _narrow(powers[v] * scale * r * r * r, row[v])
        row[target] = _narrow(at_target, row[target])


@_kernel
def token_bits(raw: Rows, targets: NDArray[np.int64], bits: Floats) -> None:
    """Set `bits` (N,) to -log2 p of each target under the raw logits (N, V)."""
    for n in range(raw.shape[0]):
        row = raw[n]
        mass = _ZERO
        for v in range(row.shape[0]):
            z = _widen(row[v])
            mass += _exp2(z / math.sqrt(z * z + _CAP * _CAP) * _CAP_BITS)
        z = _widen(row[targets[n]])
        wanted = z / math.sqrt(z * z + _CAP * _CAP) * _CAP_BITS
        bits[n] = math.log2(np.float64(mass)) - wanted


@_kernel
def add_normalize(x: Floats, update: Rows, added: Floats, out: Rows, inverses: Floats) -> None:
    """Set `added` to x + update (N, C), `out` to its rows with a root mean square of 1.

    `inverses` (N,) is set to what the rows were multiplied by.
    """
    for n in range(x.shape[0]):
        row, more, total, to = x[n], update[n], added[n], out[n]
        squares = _ZERO
        for c in range(row.shape[0]):
            number = row[c] + _widen(more[c])
            total[c] = number
            squares += number * number
        inverse = np.float32(1.0 / math.sqrt(squares / row.shape[0] + EPSILON))
        inverses[n] = inverse
        for c in range(row.shape[0]):
            to[c] = _narrow(total[c] * inverse, to[c])


@_kernel
def add_normalize_gradient(
    by_added: Floats, by_out: Rows, added: Floats, inverses: Floats, by_x: Floats, by_update: Rows
) -> None:
    """Set the gradients by x and by the update, which are one number in two kinds."""
    for n in range(added.shape[0]):
        row, upstream, inverse = added[n], by_out[n], inverses[n]
        past, to, other = by_added[n], by_x[n], by_update[n]
        along = _ZERO
        for c in range(row.shape[0]):
            along += row[c] * _widen(upstream[c])
        along *= inverse * inverse / np.float32(row.shape[0])
        for c in range(row.shape[0]):
            change = past[c] + (_widen(upstream[c]) - row[c] * along) * inverse
            to[c] = change
            other[c] = _narrow(change, other[c])


@_kernel
def square_positive(x: Rows, out: Rows) -> None:
    """Set `out` to max(x, 0)^2; both flat."""
    for i in range(x.shape[0]):
        number = max(_widen(x[i]), _ZERO)
        out[i] = _narrow(number * number, out[i])


@_kernel
def square_positive_gradient(gradient: Rows, x: Rows, out: Rows) -> None:
    """Set `out` to gradient x 2 max(x, 0); all flat."""
    for i in range(x.shape[0]):
        number = max(_widen(x[i]), _ZERO)
        out[i] = _narrow(_widen(gradient[i]) * (number + number), out[i])


@_kernel
def turn(projected: Rows, angles: Floats, gains: Floats, turned: Rows, inverses: Floats) -> None:
    """Set `turned` to queries, keys and values by head, the first two rotated and normalized.

    Args:
        projected: (B x T, 3, H, D) queries, keys and values side by side.
        angles: (2, T, D / 2) cos and sin.
        gains: (2,) what normalized queries and keys are multiplied by.
        turned: (3, B, H, T, D) set.
        inverses: (2, B x T, H) set to the factors that normalize.
    """
    _, _, heads, length, width = turned.shape
    half = width // 2
    for n in range(projected.shape[0]):
        b, t = n // length, n % length
        cos, sin = angles[0, t], angles[1, t]
        for h in range(heads):
            for kind in range(2):
                x, out = projected[n, kind, h], turned[kind, b, h, t]
                total = _ZERO
                for d in range(width):
                    number = _widen(x[d])
                    total += number * number
                inverse = np.float32(1.0 / math.sqrt(total / width + EPSILON))
                inverses[kind, n, h] = inverse
                scale = inverse * gains[kind]
                for d in range(half):
                    first, second = _widen(x[d]) * scale, _widen(x[half + d]) * scale
                    out[d] = _narrow(first * cos[d] - second * sin[d], out[d])
                    out[half + d] = _narrow(first * sin[d] + second * cos[d], out[d])
            for d in range(width):
                turned[2, b, h, t, d] = projected[n, 2, h, d]


@_kernel
def turn_gradient(
    gradients: Rows, turned: Rows, angles: Floats, gains: Floats, inverses: Floats, out: Rows
) -> None:
    """Set `out` (B x T, 3, H, D) to the gradient by `turn`'s input.

    `gradients` (3, B, H, T, D) are by its results, those of queries and keys without the factor
    ln 2 that scores in bits bring; the others are as in `turn`.
    """
    _, _, heads, length, width = turned.shape
    half = width // 2
    for n in range(out.shape[0]):
        b, t = n // length, n % length
        cos, sin = angles[0, t], angles[1, t]
        for h in range(heads):
            for kind in range(2):
                upstream, x, to = gradients[kind, b, h, t], turned[kind, b, h, t], out[n, kind, h]
                along = _ZERO
                for d in range(width):
                    along += _widen(upstream[d]) * _widen(x[d])
                along /= np.float32(width) * gains[kind] * gains[kind]
                scale = inverses[kind, n, h] * gains[kind] * _LN2
                for d in range(half):
                    first = (_widen(upstream[d]) - _widen(x[d]) * along) * scale
                    second = (_widen(upstream[half + d]) - _widen(x[half + d]) * along) * scale
                    to[d] = _narrow(first * cos[d] + second * sin[d], to[d])
                    to[half + d] = _narrow(second * cos[d] - first * sin[d], to[d])
            for d in range(width):
                out[n, 2, h, d] = gradients[2, b, h, t, d]


@_kernel
def causal_softmax(scores: Rows, area: Floats) -> None:
    """Turn scores in bits (G, T, T) into shares of the keys up to each query; below 126 bits.

    `area` (T,) is for work. Rows are walked in whole strips: what is left of a strip would be done
    number by number, which took half of the time.
    """
    length = scores.shape[2]
    for g in range(scores.shape[0]):
        for t in range(scores.shape[1]):
            row, stop = scores[g, t], min(length, (t // _STRIP + 1) * _STRIP)
            for k in range(stop):
                area[k] = _exp2(_widen(row[k]))
            area[t + 1 : stop] = 0
            mass = _ZERO
            for k in range(stop):
                mass += area[k]
            scale = _ONE / mass
            for k in range(stop):
                row[k] = _narrow(area[k] * scale, row[k])
            row[stop:] = 0


@_kernel
def causal_softmax_gradient(gradient: Rows, shares: Rows) -> None:
    """Turn the gradient by shares (G, T, T) into the one by scores in nats, in place."""
    length = shares.shape[2]
    for g in range(shares.shape[0]):
        for t in range(shares.shape[1]):
            row, share = gradient[g, t], shares[g, t]
            stop = min(length, (t // _STRIP + 1) * _STRIP)
            along = _ZERO
            for k in range(stop):  # shares after t are 0
                along += _widen(row[k]) * _widen(share[k])
            for k in range(stop):
                row[k] = _narrow((_widen(row[k]) - along) * _widen(share[k]), row[k])
            row[stop:] = 0
