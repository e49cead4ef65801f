"""The order of documents and the endless stream of tokens they make: nothing cropped or padded.

A pass ("lap") over a mixture is all its documents one after another, in an order drawn from
(order seed, document id, epoch, lap) and so the same whatever the mixture's layout. Rows of one
context are cut from that stream; a document that reaches past a row goes on in the next one.
Best-fit packing as in nanochat (nanochat/dataloader.py) would throw away about a third of the
tokens, most of it from long documents, which changes the mixture.

A run that trains on less than a lap begins with a window of the documents: those that come first
on a circle on which each source is spread evenly, from the point where its seed stands.
Golden-ratio steps keep the windows of different seeds as far apart as can be, so the runs of an arm
differ in text as well as in order, and what varies between them is what would vary if the text were
drawn once more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from curator.identity import random_bits

CIRCLE = 2**64  # points on it
GOLDEN = 0x9E3779B97F4A7C15  # CIRCLE over the golden ratio: Knuth, TAOCP vol. 3, section 6.4


def document_order(
    doc_ids: NDArray[np.uint8], epochs: NDArray[np.uint16], seed: int, lap: int
) -> NDArray[np.int64]:
    """Return the permutation that lap `lap` visits documents in: a function of ids, not rows.

    Args:
        doc_ids: (n, 16) uint8.
        epochs: (n,) which copy of its document a row is.
        seed: the order seed.
        lap: how many whole passes came before, from 0.
    """
    chance = np.empty(len(epochs), dtype=np.uint64)
    for epoch in np.unique(epochs):
        rows = epochs == epoch
        chance[rows] = random_bits(doc_ids[rows], f"train.order/{epoch}/{lap}", seed)
    return np.argsort(chance, kind="stable")


@dataclass(frozen=True, slots=True)
class Window:
    """The documents a run begins with: an arc of a circle of length 1 on which all stand.

    Attributes:
        start: where it begins, in [0, 1); the same for all runs of one seed.
        share: how long it is, in (0, 1]; 1: the run reads every document.
        rows: (n,) bool, the documents inside.
    """

    start: float
    share: float
    rows: NDArray[np.bool_]


def window_of(
    doc_ids: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    sources: NDArray[np.int64],
    seed: int,
    tokens: int,
    after: float = 0.0,
) -> Window:
    """Return the documents that hold the first `tokens` tokens on the circle, from `seed` on.

    Every window has all sources in the shares of the mixture: which sources a window happened to
    hit would else be half of the variance between runs (bench/calibration.py).
    Arms that share most documents share most of every window too, so that their difference is that
    of the documents they do not share.

    Args:
        doc_ids: (n, 16) uint8.
        lengths: (n,) tokens of each.
        sources: (n,) the number of each document's source.
        seed: the order seed.
        tokens: how many the run will train on.
        after: how much of the circle a trunk has read from the point of `seed` on; its branches
            begin behind that, with documents it did not see (`Trunk.read_share`).
    """
    if tokens >= int(lengths.sum()):
        return Window(0.0, 1.0, np.ones(len(lengths), dtype=np.bool_))
    chance = random_bits(doc_ids, "train.window", 0)
    # A share is rounded to 53 bits: one more unit keeps the last document of the trunk outside.
    behind = int(math.nextafter(after, 1.0) * CIRCLE) if after > 0 else 0
    start = (seed * GOLDEN + behind) % CIRCLE
    with np.errstate(over="ignore"):
        distance = _places(chance, lengths, sources) - np.uint64(start)
    order = np.lexsort((chance, distance))
    last = order[np.searchsorted(np.cumsum(lengths[order]), tokens)]
    return Window(start / CIRCLE, (int(distance[last]) + 1) / CIRCLE, distance <= distance[last])


def _places(
    chance: NDArray[np.uint64], lengths: NDArray[np.int64], sources: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return where each document stands on the circle: each source is spread all around it.

    A source's documents follow one another by chance, each on an arc as long as its share of the
    source's tokens, and stand in its middle. All copies of one stand where the first does.
    """
    order = np.lexsort((chance, sources))
    size = lengths[order].astype(np.float64)
    end = np.cumsum(size)
    first = np.flatnonzero(np.r_[True, np.diff(sources[order]) != 0])
    runs = np.diff(np.r_[first, len(order)])
    before = np.repeat(end[first] - size[first], runs)
    whole = np.repeat(np.add.reduceat(size, first), runs)
    place = ((end - size / 2 - before) / whole * CIRCLE).astype(np.uint64)
    new = np.r_[True, (np.diff(chance[order]) != 0) | (np.diff(sources[order]) != 0)]
    found: NDArray[np.uint64] = np.empty_like(place)
    found[order] = place[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return found


@dataclass(frozen=True, slots=True)
class Coverage:
    """What became of one source's tokens: trained on (repeats count), never reached, padding."""

    seen: int
    unseen: int
    padded: int = 0


class Stream:
    """Where each token of the endless stream lies in tokens.bin; laps are permuted on demand."""

    def __init__(
        self,
        doc_ids: NDArray[np.uint8],
        epochs: NDArray[np.uint16],
        offsets: NDArray[np.int64],
        lengths: NDArray[np.int64],
        seed: int,
        budget: int | None = None,
        after: float = 0.0,
        sources: NDArray[np.int64] | None = None,
    ) -> None:
        self.doc_ids, self.epochs, self.seed = doc_ids, epochs, seed
        self.budget, self.after = budget, after
        self.sources = np.zeros_like(lengths) if sources is None else sources
        self.offsets, self.lengths = offsets, lengths
        self.lap_tokens = int(lengths.sum())
        self._lap = -1
        self._order = np.zeros(0, dtype=np.int64)
        self._bounds = np.zeros(1, dtype=np.int64)

    @cached_property
    def window(self) -> Window:
        """The documents that the stream begins with: all, unless the budget is less than a lap."""
        budget = self.lap_tokens if self.budget is None else self.budget
        return window_of(self.doc_ids, self.lengths, self.sources, self.seed, budget, self.after)

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of stream tokens `start` to `stop`, (stop - start,)."""
        parts = []
        while start < stop:
            lap, within = divmod(start, self.lap_tokens)
            length = min(stop - start, self.lap_tokens - within)
            parts.append(self._within_lap(lap, within, within + length))
            start += length
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def documents(self, tokens: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the documents that the first `tokens` tokens are of, and how many of each, (n,).

        They are rows of the mixture in the order by chance; the last is cut where the tokens end.
        """
        rows, lengths = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for lap in range(-(-tokens // self.lap_tokens)):
            self._turn_to(lap)
            within = min(tokens - lap * self.lap_tokens, self.lap_tokens)
            last = int(np.searchsorted(self._bounds, within, side="left"))
            rows.append(self._order[:last])
            lengths.append(np.minimum(self._bounds[1 : last + 1], within) - self._bounds[:last])
        return np.concatenate(rows), np.concatenate(lengths)

    def coverage(self, tokens: int, sources: NDArray[np.int64], count: int) -> list[Coverage]:
        """Return per source what the first `tokens` tokens of the stream held.

        Args:
            tokens: how far training went.
            sources: (n,) the number of each document's source.
            count: how many sources there are.
        """
        laps, within = divmod(tokens, self.lap_tokens)
        self._turn_to(laps)
        reached = np.clip(within - self._bounds[:-1], 0, self.lengths[self._order])
        last = np.zeros(count, dtype=np.int64)
        whole = np.zeros(count, dtype=np.int64)
        np.add.at(last, sources[self._order], reached)
        np.add.at(whole, sources, self.lengths)
        unseen = whole - last if laps == 0 else np.zeros_like(whole)
        return [
            Coverage(int(seen), int(rest))
            for seen, rest in zip(laps * whole + last, unseen, strict=True)
        ]

    def _within_lap(self, lap: int, start: int, stop: int) -> NDArray[np.int64]:
        self._turn_to(lap)
        first = int(np.searchsorted(self._bounds, start, side="right")) - 1
        last = int(np.searchsorted(self._bounds, stop, side="left"))
        begins = self._bounds[first:last]
        ends = np.minimum(self._bounds[first + 1 : last + 1], stop)
        shift = self.offsets[self._order[first:last]] - begins
        lengths = ends - np.maximum(begins, start)
        return np.arange(start, stop, dtype=np.int64) + np.repeat(shift, lengths)

    def _turn_to(self, lap: int) -> None:
        if lap == self._lap:
            return
        self._order = document_order(self.doc_ids, self.epochs, self.seed, lap)
        if lap == 0:
            inside = self.window.rows[self._order]
            self._order = np.concatenate((self._order[inside], self._order[~inside]))
        self._bounds = np.zeros(len(self.lengths) + 1, dtype=np.int64)
        np.cumsum(self.lengths[self._order], out=self._bounds[1:])
        self._lap = lap
