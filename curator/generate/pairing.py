"""Which documents are compared with which: few pairs, spread evenly, that hang together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError


def circle_pairs(count: int, rounds: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `rounds` * `count` pairs of `count` places: (first, second), no pair twice.

    Places stand on a circle, and every round pairs each with the one so many places on: by 1 in
    the first, so that all hang together, and by steps spread over half the circle after it, so
    that no two are far apart. Each place is in 2 * `rounds` pairs. With few places there are
    fewer pairs: every place with every other.

    Raises:
        RecipeError: fewer than two places, or no rounds.
    """
    if count < 2 or rounds < 1:
        raise RecipeError(
            f"{count} documents in {rounds!r} rounds; comparing takes two documents and a round"
        )
    steps = np.arange(1, (count - 1) // 2 + 1)
    if rounds < len(steps):
        steps = steps[np.linspace(0, len(steps) - 1, rounds).astype(int)]
    start = np.arange(count, dtype=np.int64)
    first = np.tile(start, len(steps))
    second = (first + np.repeat(steps, count)) % count
    if rounds > len(steps) and count % 2 == 0:  # half the circle: met from both ends, taken once
        first = np.concatenate([first, start[: count // 2]])
        second = np.concatenate([second, start[count // 2 :]])
    return first, second
