"""Batches of fixed shapes, so that a model's answer for a text is the same whatever is beside it.

A matrix product may sum in another order when its sizes change. A text is therefore padded to a
length that its own length decides, and a batch of that length always has the same number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SHORTEST = 16  # tokens; lengths are padded to this times a power of two


class Batch(NamedTuple):
    """Which rows go together and in what shape.

    Attributes:
        rows: at most `size` row numbers; what is missing is filled with anything and ignored.
        size: rows of the shape.
        length: tokens of the shape.
    """

    rows: NDArray[np.int64]
    size: int
    length: int


def padded_lengths(lengths: NDArray[np.int64], longest: int) -> NDArray[np.int64]:
    """Return the padded length of each text: 16 times a power of two, or `longest`."""
    doublings = np.ceil(np.log2(np.maximum(lengths, _SHORTEST) / _SHORTEST)).astype(np.int64)
    padded: NDArray[np.int64] = np.minimum(_SHORTEST << doublings, longest)
    return padded


def fixed_batches(lengths: NDArray[np.int64], *, longest: int, tokens: int) -> Iterator[Batch]:
    """Yield batches that hold every row of positive length once.

    Args:
        lengths: (n,) tokens of each row, none above `longest`; rows of length 0 are left out.
        longest: the model's longest input.
        tokens: about how many tokens a batch has, padding included; at least one row.
    """
    shapes = padded_lengths(lengths, longest)
    shapes[lengths <= 0] = 0
    for length in np.unique(shapes[shapes > 0]).tolist():
        rows = np.flatnonzero(shapes == length)
        size = max(1, tokens // length)
        for start in range(0, len(rows), size):
            yield Batch(rows[start : start + size], size, length)
