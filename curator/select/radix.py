"""Find where a token budget ends in rank order, without sorting the pool.

Every document has a place in one total order: (rank, tie, id), all ascending. `rank` is a
uint64 that orders as the key does, best first; `tie` is a hash of id and seed. The cut is found
as in a radix sort: a histogram of tokens over the next bits tells which bucket the budget ends
in, and only that bucket is looked at again. Memory is one histogram and, at the end, `limit` rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.identity import random_bits

U64 = NDArray[np.uint64]
_WORD = 64
TIES = "select.ties"


@dataclass(frozen=True)
class Places:
    """The places of n documents in rank order, their group (0..G-1) and their cost."""

    rank: U64
    tie: U64
    id_high: U64
    id_low: U64
    group: NDArray[np.int64]
    tokens: NDArray[np.int64]

    def at(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Places:
        """Return the places that a mask marks or that row numbers name."""
        return Places(**{name: column[rows] for name, column in vars(self).items()})

    def order(self) -> NDArray[np.int64]:
        """Return the rows sorted by group, then best first."""
        return np.lexsort((self.id_low, self.id_high, self.tie, self.rank, self.group))

    @staticmethod
    def concat(parts: Iterable[Places]) -> Places:
        """Return all places of `parts` as one."""
        columns = [vars(part) for part in parts]
        return Places(**{name: np.concatenate([c[name] for c in columns]) for name in columns[0]})


def _descending(key: NDArray[np.float64]) -> U64:
    """Return uint64 that rise as keys fall: negative floats order backwards, so flip them."""
    bits = (key + 0.0).view(np.uint64)  # +0.0: minus zero and zero are one key
    rising = np.where(bits >> np.uint64(63) == 1, ~bits, bits | np.uint64(1 << 63))
    falling: U64 = ~rising
    return falling


def keys_of(rank: U64) -> NDArray[np.float64]:
    """Return the keys that ranks stand for."""
    rising = ~rank
    bits = np.where(rising >> np.uint64(63) == 1, rising & ~np.uint64(1 << 63), ~rising)
    keys: NDArray[np.float64] = bits.astype(np.uint64).view(np.float64)
    return keys


def places(
    doc_id: NDArray[np.uint8],
    key: NDArray[np.float64],
    group: NDArray[np.int64],
    tokens: NDArray[np.int64],
    seed: int,
) -> Places:
    """Return where documents stand: higher keys first, equal keys by a hash of id and seed."""
    halves = np.ascontiguousarray(doc_id).view(">u8").reshape(-1, 2).astype(np.uint64)
    tie = random_bits(doc_id, TIES, seed)
    return Places(_descending(key), tie, halves[:, 0], halves[:, 1], group, tokens)


@dataclass(frozen=True)
class Cuts:
    """For each group the first place that is not taken; `whole` groups are taken to the end."""

    rank: U64
    tie: U64
    id_high: U64
    id_low: U64
    whole: NDArray[np.bool_]

    def take(self, at: Places) -> NDArray[np.bool_]:
        """Return which of the places come before their group's cut."""
        taken = at.id_low < self.id_low[at.group]
        for own, first in (
            (at.id_high, self.id_high),
            (at.tie, self.tie),
            (at.rank, self.rank),
        ):
            bound = first[at.group]
            taken = (own < bound) | ((own == bound) & taken)
        return taken | self.whole[at.group]

    def first_left(self, at: Places) -> NDArray[np.bool_]:
        """Return which of the places is its group's cut: the first that is not taken."""
        first = ~self.whole[at.group]
        for name in ("rank", "tie", "id_high", "id_low"):
            first &= getattr(at, name) == getattr(self, name)[at.group]
        return first


@dataclass(frozen=True)
class Radix:
    """How wide a histogram is (`bits` must divide 64) and how many rows may be sorted at once."""

    bits: int = 16
    limit: int = 1 << 20

    def cut(
        self,
        stream: Callable[[], Iterable[Places]],
        budgets: NDArray[np.int64],
        totals: NDArray[np.int64],
        documents: NDArray[np.int64],
    ) -> Cuts:
        """Return the cuts that take the longest prefix of each group within its budget.

        Args:
            stream: called once a pass; yields every document once, in any order.
            budgets: (G,) tokens.
            totals: (G,) tokens that the groups have; a group within its budget is taken whole.
            documents: (G,) documents that the groups have.
        """
        whole = totals <= budgets
        rank, tie, id_high, id_low = np.zeros((4, len(budgets)), dtype=np.uint64)
        cuts = Cuts(rank, tie, id_high, id_low, whole)
        if not whole.all():
            search = _Search(~whole, budgets, self._bits(int((~whole).sum())))
            rows = int(documents[~whole].sum())
            while rows > self.limit and search.known < 2 * _WORD:
                rows = search.narrow(stream)
            search.finish(stream, cuts)
        return cuts

    def _bits(self, groups: int) -> int:
        """Return fewer bits for many groups, so that histograms stay within 2**24 counters."""
        bits = self.bits
        while bits > 1 and groups << bits > 1 << 24:
            bits //= 2
        return bits


class _Search:
    """The state of one search: what is known of each open group's cut so far."""

    def __init__(self, open_: NDArray[np.bool_], budgets: NDArray[np.int64], bits: int) -> None:
        self.known = 0  # leading bits of (rank, tie) that are fixed
        self._bits = bits
        self._open = open_
        self._slot = np.cumsum(open_) - 1  # group -> row of the histogram
        self._budget = budgets
        self._spent = np.zeros(len(budgets), dtype=np.int64)
        self._prefix = np.zeros((2, len(budgets)), dtype=np.uint64)  # of rank, of tie

    def narrow(self, stream: Callable[[], Iterable[Places]]) -> int:
        """Fix the next bits of every cut and return how many rows are left in doubt."""
        width = 1 << self._bits
        groups = np.flatnonzero(self._open)
        tokens = np.zeros(len(groups) * width, dtype=np.int64)
        rows = np.zeros_like(tokens)
        for batch in stream():
            at = batch.at(self._doubtful(batch))
            cell = self._slot[at.group] * width + self._digit(at)
            np.add.at(tokens, cell, at.tokens)
            np.add.at(rows, cell, 1)
        reached = np.cumsum(tokens.reshape(-1, width), axis=1)
        beyond = reached + self._spent[groups, None] > self._budget[groups, None]
        bucket = np.argmax(beyond, axis=1)
        every = np.arange(len(groups))
        self._spent[groups] += reached[every, bucket] - tokens.reshape(-1, width)[every, bucket]
        word = self.known // _WORD
        self._prefix[word, groups] <<= np.uint64(self._bits)
        self._prefix[word, groups] |= bucket.astype(np.uint64)
        self.known += self._bits
        return int(rows.reshape(-1, width)[every, bucket].sum())

    def finish(self, stream: Callable[[], Iterable[Places]], cuts: Cuts) -> None:
        """Sort what is left in doubt and write the first place not taken of each open group."""
        left = Places.concat(batch.at(self._doubtful(batch)) for batch in stream())
        ordered = left.at(left.order())
        starts = np.searchsorted(ordered.group, np.arange(len(self._budget) + 1))
        for group in np.flatnonzero(self._open):
            reached = self._spent[group] + np.cumsum(
                ordered.tokens[starts[group] : starts[group + 1]]
            )
            fits = int(np.searchsorted(reached, self._budget[group], side="right"))
            row = int(starts[group]) + fits  # exists: the budget ends within these rows
            for name in ("rank", "tie", "id_high", "id_low"):
                getattr(cuts, name)[group] = getattr(ordered, name)[row]

    def _doubtful(self, at: Places) -> NDArray[np.bool_]:
        """Return which places agree with all bits known of their group's cut."""
        mask = self._open[at.group]
        rank_bits = min(self.known, _WORD)
        if rank_bits:
            mask &= at.rank >> np.uint64(_WORD - rank_bits) == self._prefix[0, at.group]
        tie_bits = self.known - rank_bits
        if tie_bits:
            mask &= at.tie >> np.uint64(_WORD - tie_bits) == self._prefix[1, at.group]
        return mask

    def _digit(self, at: Places) -> NDArray[np.int64]:
        word, used = (at.rank, self.known) if self.known < _WORD else (at.tie, self.known - _WORD)
        shifted = word >> np.uint64(_WORD - used - self._bits)
        return (shifted & np.uint64((1 << self._bits) - 1)).astype(np.int64)
