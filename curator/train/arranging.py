"""A stream whose documents come in the order of a curriculum: the same, as much of each."""

# Shapes: n documents of the run, N of the mixture.
from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.train.curriculum import Curriculum, arranged, require_difficulties
from curator.train.packing import Coverage, Stream, Window


class Arranged:
    """Where each token of a run lies in tokens.bin, its documents in another order than by chance.

    What the stream's first `tokens` tokens are of is read whole and once more in another order: the
    document that the run would have cut stays cut, wherever it comes. A run of several laps is one
    multiset, copies of a document side by side where only their difficulty orders them.

    Args:
        stream: by chance.
        curriculum: the order.
        difficulty_N: of every document of the mixture.
        tokens: of the run.

    Raises:
        RecipeError: a document has no difficulty, or all have the same.
    """

    def __init__(
        self,
        stream: Stream,
        curriculum: Curriculum,
        difficulty_N: NDArray[np.float64],
        tokens: int,
    ) -> None:
        self.stream, self.tokens = stream, tokens
        rows, lengths = stream.documents(tokens)
        difficulty = difficulty_N[rows]
        require_difficulties(difficulty, curriculum.by)
        order = arranged(curriculum, difficulty, lengths, stream.doc_ids[rows])
        self.rows, self.lengths = rows[order], lengths[order]
        self._bounds = np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def window(self) -> Window:
        """The documents that the run reads."""
        return self.stream.window

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of tokens `start` to `stop`; behind it, by chance."""
        inner = min(stop, self.tokens)
        parts = [self._within(start, inner)] if start < inner else []
        if stop > self.tokens:  # the last target of a run is a token behind it
            parts.append(self.stream.positions(max(start, self.tokens), stop))
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def coverage(self, tokens: int, sources: NDArray[np.int64], count: int) -> list[Coverage]:
        """Return per source what the first `tokens` tokens held, as `Stream.coverage` does."""
        reached = np.clip(tokens - self._bounds[:-1], 0, self.lengths)
        seen = np.zeros(count, dtype=np.int64)
        whole = np.zeros(count, dtype=np.int64)
        np.add.at(seen, sources[self.rows], reached)
        np.add.at(whole, sources, self.stream.lengths)
        rest = np.maximum(whole - seen, 0)
        return [Coverage(int(was), int(left)) for was, left in zip(seen, rest, strict=True)]

    def _within(self, start: int, stop: int) -> NDArray[np.int64]:
        first = int(np.searchsorted(self._bounds, start, side="right")) - 1
        last = int(np.searchsorted(self._bounds, stop, side="left"))
        begins = self._bounds[first:last]
        ends = np.minimum(self._bounds[first + 1 : last + 1], stop)
        shift = self.stream.offsets[self.rows[first:last]] - begins
        lengths = ends - np.maximum(begins, start)
        found: NDArray[np.int64] = np.arange(start, stop, dtype=np.int64)
        found += np.repeat(shift, lengths)
        return found
