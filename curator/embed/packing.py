"""Documents laid one after the other into batches of one fixed number of rows, hardly any unused.

A row is a token. Every matrix product of a model then has one shape whatever the documents are, so
that its sums come in one order: a document's vector does not depend on the documents beside it.
Only attention looks at documents, each by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEP = 16  # documents are padded to a multiple of it, which keeps their shapes few


class Packed(NamedTuple):
    """Which documents share a batch, and where each begins.

    Attributes:
        documents: (n,) numbers of the documents.
        starts: (n,) rows they begin at.
        rows: (n,) rows they have, padding included; equal ones lie together.
    """

    documents: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]


def packed(lengths: NDArray[np.int64], rows: int) -> Iterator[Packed]:
    """Yield batches that hold every document of positive length once.

    The longest documents not yet placed go first; what is left of a batch is filled with the
    shortest ones.

    Args:
        lengths: (n,) tokens of each document; of length 0 are left out.
        rows: of a batch; a multiple of `STEP`, and no document has more.
    """
    need = -(-lengths // STEP) * STEP
    order = np.argsort(-need, kind="stable")
    need = need[order]
    front, back = 0, int((need > 0).sum())
    # A loop over documents: whether one fits depends on those before it (0.3 us each).
    while front < back:
        first, last, free = front, back, rows
        while front < back and need[front] <= free:
            free -= int(need[front])
            front += 1
        while back > front and need[back - 1] <= free:
            back -= 1
            free -= int(need[back])
        chosen = np.concatenate([np.arange(first, front), np.arange(back, last)])
        sizes = need[chosen]
        yield Packed(order[chosen], np.cumsum(sizes) - sizes, sizes)
