"""A placebo of a selection: chance that takes as many tokens of each length, perhaps source.

What a score finds may be no more than length or source. Shuffling scores among documents of like
length (and source) keeps both and forgets the rest, so a selection is worth what it gains over its
placebo, not over a uniform draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.select.pool import Pool, Rows
from curator.select.radix import Radix
from curator.select.ranked import Ranked, Survey, Taken, codes, gather

PARTS = 10  # deciles: the protocol's


@dataclass(frozen=True)
class Strata:
    """Sources (or all as one) times tenths of the pool by length.

    Attributes:
        names: of the strata.
        sources: of the pool, sorted; empty: all as one.
        edges: (9,) tokens; a document is in the tenth numbered by how many edges are below it.
    """

    names: list[str]
    sources: list[str]
    edges: NDArray[np.int64]

    def of(self, rows: Rows) -> NDArray[np.int64]:
        """Return (n,) the number of each document's stratum."""
        return self.number(rows.source, rows.tokens)

    def number(self, source: pa.Array, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return (n,) the strata of documents of these sources and lengths."""
        tenth: NDArray[np.int64] = np.searchsorted(self.edges, tokens, side="left")
        if self.sources:
            tenth = tenth + PARTS * codes(source, self._number_of)
        return tenth

    @property
    def _number_of(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.sources)}


def strata_of(pool: Pool, *, by_source: bool) -> Strata:
    """Return the strata of a pool: tenths of its distinct documents, equal lengths together."""
    values, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for rows in pool.batches():
        found, slot = np.unique(np.concatenate([values, rows.tokens]), return_inverse=True)
        ones = np.ones(len(rows.tokens), np.int64)
        counts = np.bincount(slot, np.concatenate([counts, ones])).astype(np.int64)
        values = found
    reached = np.cumsum(counts)
    total = int(reached[-1]) if len(reached) else 0
    wanted = [-(-total * part // PARTS) for part in range(1, PARTS)]  # rounded up
    edges = values[np.searchsorted(reached, wanted, side="left")] if total else np.zeros(9, int)
    sources = pool.sources() if by_source else []
    tenths = [f"length {part + 1}" for part in range(PARTS)]
    names = [f"{source}, {tenth}" for source in sources for tenth in tenths]
    return Strata(names or tenths, sources, edges)


def draw(ranked: Ranked, survey: Survey, budgets: NDArray[np.int64], search: Radix) -> Taken:
    """Return for each group the random prefix whose tokens come nearest to its budget.

    A prefix within the budget leaves half a document unspent on average; with hundreds of strata
    of few documents that would be a smaller selection than the one it stands beside.
    """
    cuts = search.cut(ranked.places, budgets, survey.tokens, survey.documents)
    taken = gather(ranked, cuts)
    nearer = budgets.copy()
    for group, (_, tokens) in taken.following.items():
        left = int(budgets[group]) - taken.spent[group]
        if tokens - left < left:
            nearer[group] = taken.spent[group] + tokens
    if (nearer == budgets).all():
        return taken
    return gather(ranked, search.cut(ranked.places, nearer, survey.tokens, survey.documents))
