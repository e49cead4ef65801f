"""Which tokens a model reads and which of them it is scored on.

Documents longer than the context are read in windows that overlap by half, and every token is
scored once, with at least half a context before it (after karpathy/nanochat
nanochat/loss_eval.py).
"""

# Shapes: N windows.
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.score import likelihood


@dataclass(frozen=True)
class Windows:
    """Which tokens to read and which of them to score: window i is tokens[start:stop].

    The targets in [first, stop) are scored, each by the window's tokens before it.
    """

    document: NDArray[np.int64]
    start: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def inputs(self) -> NDArray[np.int64]:
        """How many tokens the model reads in each window, (N,)."""
        return self.stop - self.start - 1


def cut_windows(offsets: NDArray[np.int64], context: int) -> Windows:
    """Return windows of at most `context` inputs that score every token but the first once.

    The first window of a document scores all it reads; each later one moves on by half a
    context and scores what the one before did not.

    Args:
        offsets: (n + 1,) where documents begin, each with its first token.
        context: the longest window.
    """
    cut = likelihood.windows(np.diff(offsets) - 1, context, max(1, context // 2))
    start = offsets[:-1][cut.document] + cut.start
    return Windows(cut.document, start, start + 1 + cut.skipped, start + cut.length + 1)


def only_scored(windows: Windows, wanted: NDArray[np.bool_]) -> Windows:
    """Return the windows that score a wanted token, each cut off behind its last one.

    Args:
        windows: of documents whose tokens lie side by side.
        wanted: (tokens,) which of them are to be scored.
    """
    places = np.flatnonzero(wanted)
    if not len(places):
        return Windows(*(part[:0] for part in _parts(windows)))
    last = places[np.maximum(np.searchsorted(places, windows.stop) - 1, 0)]
    kept = (last >= windows.first) & (last < windows.stop)
    document, start, first, _ = (part[kept] for part in _parts(windows))
    return Windows(document, start, first, last[kept] + 1)


def _parts(windows: Windows) -> tuple[NDArray[np.int64], ...]:
    return windows.document, windows.start, windows.first, windows.stop
