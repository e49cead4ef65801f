"""Facility location, greedily, with every gain always known: no gain is ever computed twice.

f(A) is the sum over all elements of their similarity to the nearest member of A. When a member is
added, the few elements that it is nearer to than any before change what others would gain; their
rows of the kernel alone are read again, whole numbers are subtracted, and the next member is the
largest gain. On real text an element changes its nearest member about six times in a whole run, so
all members cost six passes over the kernel, where lazy greedy (Minoux 1978) recounts columns for
each. The order is that of naive greedy, exactly.
"""

# Shapes: N elements, K members.
from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError
from curator.submodular.engines import Greedy
from curator.submodular.similarity import MOST_BYTES, STEP, Negative, Steps, similarities
from curator.text.compile import compiled

_TILE: Final = 4096  # columns at a time: their gains stay in the first cache
_SERIAL: Final = 1 << 20  # numbers that are read faster by one thread than dealt to several


def facility_location(
    vectors_ND: NDArray[np.float32],
    k: int,
    *,
    chance: NDArray[np.float64] | None = None,
    negative: Negative = "clip",
    threads: int = 1,
    most_bytes: int = MOST_BYTES,
) -> Greedy:
    """Return `k` elements in the order in which greedy facility location takes them.

    Args:
        vectors_ND: unit vectors; similarity is their cosine, never below 0.
        k: members, 1 to N - 1.
        chance: (N,) of equal gains the lower comes first, so that the order of rows decides
            nothing; None: the earlier row.
        negative: what is done to cosines below 0, as for `similarities`.
        threads: that read the kernel; the result does not depend on it.
        most_bytes: that the kernel may take, 2 N^2.

    Raises:
        BudgetError: the kernel would take more, or `k` members are no choice.
        RecipeError: a vector is not finite, or longer than one.
    """
    require_choice(len(vectors_ND), k)
    order = np.arange(len(vectors_ND)) if chance is None else np.argsort(chance, kind="stable")
    # In the order of chance the first of equal gains is the one that is wanted.
    steps = similarities(
        vectors_ND[order], negative=negative, threads=threads, most_bytes=most_bytes
    )
    found = greedy_steps(steps, k, threads=threads)
    rest = np.empty_like(found.rest)
    rest[order] = found.rest
    return Greedy(order[found.order], found.gains, rest)


def require_choice(n: int, k: int) -> None:
    """Return only if `k` of `n` elements leaves something to choose.

    Raises:
        BudgetError: there are fewer than two elements, or all of them are asked for.
    """
    if n < 2 or not 1 <= k < n:
        raise BudgetError(
            f"cannot choose {k} of {n} elements; wanted 2 or more elements and fewer members than "
            "those: make partitions larger, or ask for less"
        )


def greedy_steps(steps: Steps, k: int, *, threads: int = 1) -> Greedy:
    """Return `k` elements of a symmetric kernel in greedy order, the first of equal gains first.

    Args:
        steps: (N, N) similarities in steps of `STEP`.
        k: members, 1 to N - 1.
        threads: that read the kernel.
    """
    n = len(steps)
    best = np.zeros(n, np.uint16)
    # 2**15 similarities below 2**16 sum to less than 2**31.
    gains = np.zeros(n, np.int32 if n <= 1 << 15 else np.int64)
    changed = np.empty(n, np.int64)
    order, taken = np.empty(k, np.int64), np.empty(k, np.int64)
    with ThreadPoolExecutor(threads) as pool:
        _together(pool, _total, (steps, gains), n, threads)
        for place in range(k):
            member = int(gains.argmax())
            order[place], taken[place] = member, gains[member]
            count = _nearer(steps[member], best, changed)
            nearest = np.maximum(best, steps[member])
            work = (steps, changed, count, best, nearest, gains)
            _together(pool, _lower, work, n, threads if count * n > _SERIAL else 1)
            best = nearest
            gains[member] = -1  # below every gain; nothing is subtracted from it any more
    rest = np.maximum(gains, 0).astype(np.float64) * STEP
    return Greedy(order, taken.astype(np.float64) * STEP, rest)


def _together(pool: Executor, kernel: Any, work: tuple[Any, ...], n: int, threads: int) -> None:
    """Run a kernel over all columns, a neighboring part in each thread."""
    cuts = np.linspace(0, n, threads + 1).astype(int).tolist()
    parts: Iterator[tuple[int, int]] = pairwise(cuts)
    if threads == 1:
        kernel(*work, 0, n)
        return
    for done in [pool.submit(kernel, *work, *part) for part in parts]:
        done.result()


@compiled
def _total(steps: Steps, gains: NDArray[np.int32], start: int, stop: int) -> None:
    """Add every row of some columns to their gains."""
    for left in range(start, stop, _TILE):
        right = min(left + _TILE, stop)
        sums = gains[left:right]
        for row in range(len(steps)):
            similar = steps[row, left:right]
            for at in range(len(sums)):
                sums[at] += similar[at]


@compiled
def _nearer(similar: Steps, best: Steps, changed: NDArray[np.int64]) -> int:
    """How many elements are nearer to a new member than to any before; the first of `changed`."""
    count = 0
    for at in range(len(best)):
        changed[count] = at
        count += similar[at] > best[at]
    return count


@compiled
def _lower(
    steps: Steps,
    changed: NDArray[np.int64],
    count: int,
    best: Steps,
    nearest: Steps,
    gains: NDArray[np.int32],
    start: int,
    stop: int,
) -> None:
    """Take from the gains of some columns what they would have gained and now would not."""
    for left in range(start, stop, _TILE):
        right = min(left + _TILE, stop)
        sums = gains[left:right]
        for place in range(count):
            row = changed[place]
            low, high = best[row], nearest[row]
            similar = steps[row, left:right]
            for at in range(len(sums)):
                # Two bytes all the way: wider numbers would halve the speed of this loop.
                sums[at] -= np.uint16(min(similar[at], high) - min(similar[at], low))
