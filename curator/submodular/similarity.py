"""Similarities of vectors as whole numbers, so that sums of them are the same in any order.

Each number of a unit vector is rounded to 2**-11. Products of two such vectors are then whole
multiples of 2**-22 whose every partial sum float32 holds exactly: a matrix product gives the same
bits whatever library, block, thread count or processor made it. They are kept as steps of 2**-16.
Rounding moves a cosine by about 0.0002, a fifth of what half precision of the vectors does.
"""

# Shapes: N vectors, D dimensions, B rows of a block.
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError, RecipeError
from curator.text.compile import compiled

Negative = Literal["clip", "shift"]
Steps = NDArray[np.uint16]  # similarities, in units of 2**-16
STEP: Final = 2.0**-16
MOST_BYTES: Final = 1 << 30  # a kernel of 23,170 elements
_WHOLE: Final = 2048  # a product of two unit vectors of such whole numbers is at most 2**22
_BLOCK: Final = 512  # rows multiplied at a time: 4 B N bytes beside the kernel
_TILE: Final = 32


def whole_vectors(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors times 2**11, each number rounded to a whole one.

    Raises:
        RecipeError: one is not finite, or longer than one.
    """
    longest = float(np.linalg.norm(vectors_ND, axis=1).max(initial=0.0))
    if not longest <= 1.01:  # NaN is not either; half precision moves a length by 0.0005
        raise RecipeError(
            f"the longest of {len(vectors_ND)} vectors has length {longest!r}; wanted finite "
            "vectors of length one, as `embed` writes them"
        )
    whole_ND: NDArray[np.float32] = np.rint(vectors_ND * np.float32(_WHOLE)).astype(np.float32)
    return whole_ND


def similarities(
    vectors_ND: NDArray[np.float32],
    *,
    negative: Negative = "clip",
    threads: int = 1,
    most_bytes: int = MOST_BYTES,
) -> Steps:
    """Return (N, N) uint16, the cosines of unit vectors in steps of 2**-16; 1 is 65535.

    Args:
        vectors_ND: of length one, or zeros.
        negative: what is done to cosines below 0, under which facility location would not be
            monotone: "clip" makes them 0; "shift" takes (cosine + 1) / 2 of all.
        threads: for what is not the product itself.
        most_bytes: that the result may take.

    Raises:
        BudgetError: it would take more: split the elements into partitions.
        RecipeError: vectors are longer than one or not finite.
    """
    n = len(vectors_ND)
    require_room(n, most_bytes)
    whole_ND = whole_vectors(vectors_ND)
    scaled_ND, base = scaled(whole_ND, negative)
    steps = np.empty((n, n), np.uint16)
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, n, _BLOCK):
            # Only the upper triangle is multiplied; the rest is its mirror image.
            block: NDArray[np.float32] = scaled_ND[first : first + _BLOCK] @ whole_ND[first:].T
            block += np.float32(base)
            _keep(block, steps[first : first + _BLOCK, first:])
            last = min(first + _BLOCK, n)
            cuts: list[int] = np.linspace(last, n, threads + 1).astype(int).tolist()
            parts = pairwise(cuts)
            for done in [pool.submit(_mirror, steps, first, last, *part) for part in parts]:
                done.result()
    return steps


def scaled(whole_ND: NDArray[np.float32], negative: Negative) -> tuple[NDArray[np.float32], float]:
    """Return the left factor whose product with `whole_ND`, plus a number, is in steps of 2**-16.

    The factor is a power of two, so nothing is rounded.
    """
    scale, base = (2.0**-6, 0.0) if negative == "clip" else (2.0**-7, 2.0**15)
    left_ND: NDArray[np.float32] = whole_ND * np.float32(scale)
    return left_ND, base


def require_room(n: int, most_bytes: int) -> None:
    """Return only if the similarities of `n` elements take no more than `most_bytes`.

    Raises:
        BudgetError: they would take more.
    """
    if 2 * n * n > most_bytes:
        raise BudgetError(
            f"the similarities of {n:,} elements take {2 * n * n:,} bytes, {most_bytes:,} are "
            f"allowed; make partitions of at most {int((most_bytes / 2) ** 0.5):,}"
        )


def kernel_of(steps: NDArray[Any]) -> NDArray[Any]:
    """Return the kernel that somebody else made, having held it to what the functions rely on.

    Raises:
        RecipeError: it is not square, not finite, negative somewhere, or not symmetric.
    """
    if steps.ndim != 2 or steps.shape[0] != steps.shape[1] or len(steps) < 2:
        raise RecipeError(f"a kernel has shape {steps.shape}; wanted (n, n) with n of 2 or more")
    if not np.isfinite(steps).all():
        raise RecipeError("a kernel has values that are not finite; wanted similarities")
    if steps.min() < 0:
        raise RecipeError(
            f"a kernel goes down to {float(steps.min())!r}; wanted similarities of 0 or more: clip "
            "negative cosines, or shift all to (cosine + 1) / 2"
        )
    gap = np.abs(steps - steps.T) if steps.dtype.kind == "f" else steps != steps.T
    # Products of float32 in another order differ by a few of their last bits.
    if float(gap.max()) > 1e-5 * max(1.0, float(steps.max())) or (
        steps.dtype.kind != "f" and gap.any()
    ):
        raise RecipeError("a kernel is not symmetric; wanted one similarity for each pair")
    return steps


@compiled
def _keep(block: NDArray[np.float32], steps: Steps) -> None:
    """Write a block of products, clipped, into its place."""
    for row in range(len(block)):
        products, out = block[row], steps[row]
        for at in range(len(products)):
            bounded = min(max(products[at], np.float32(0)), np.float32(65535))
            out[at] = np.uint16(np.int32(bounded))


@compiled
def _mirror(steps: Steps, first: int, last: int, start: int, stop: int) -> None:
    """Copy rows `first` to `last` of the columns `start` to `stop` to where they mirror."""
    for row in range(first, last, _TILE):
        end = min(row + _TILE, last)  # few rows at a time: they are read along, written across
        for column in range(start, stop, _TILE):
            for at in range(column, min(column + _TILE, stop)):
                out = steps[at, row:end]
                for place in range(len(out)):
                    out[place] = steps[row + place, at]
