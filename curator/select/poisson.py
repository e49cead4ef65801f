"""Poisson sampling: each document by a chance of its own, weighted by what that chance was.

A document enters with probability pi = min(1, alpha x column), whatever the others do, and counts
1/pi times: a weighted sum over what was drawn has the pool's sum as its expectation (Horvitz and
Thompson 1952). alpha is such that the expected tokens are the budget. Documents are ranked by
alpha x column / chance, so those above 1 are drawn, and a prefix of them is a draw with a smaller
alpha (sequential Poisson sampling: Ohlsson 1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import BudgetError, RecipeError
from curator.identity import id_matrix, uniform
from curator.select.moments import ExactSum
from curator.select.pool import Rows
from curator.select.ranked import Ranked

PURPOSE = "select.poisson"
WEIGHT = pa.field(
    "weight",
    pa.float32(),
    nullable=False,
    metadata={"unit": "documents", "about": "1/pi: how many of the pool's this one stands for"},
)
# Fewer effective documents than a tenth of those drawn, and a few of them say everything.
_LEAST_EVEN = 0.1
_HUGE = 1e200  # odds beyond it, or below its inverse, would leave float64 when they are summed


@dataclass(frozen=True)
class Odds:
    """The chance of each document: min(1, alpha x column)."""

    alpha: float
    seed: int

    def key(self, rows: Rows) -> NDArray[np.float64]:
        """Return (n,) float64: above 1 for the documents that are drawn."""
        assert rows.score is not None
        found: NDArray[np.float64] = self.alpha * rows.score / self._chance(rows.doc_id)
        return found

    def drawn(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which documents are drawn."""
        return self.key(rows) > 1

    def weighted(self, table: pa.Table) -> pa.Table:
        """Return a selection with its column `weight`."""
        chance = self._chance(id_matrix(table["doc_id"]))
        share = np.minimum(1, table["key"].to_numpy() * chance)
        return table.append_column(WEIGHT, pa.array((1 / share).astype(np.float32)))

    def _chance(self, ids: NDArray[np.uint8]) -> NDArray[np.float64]:
        return uniform(ids, PURPOSE, self.seed)


def odds_of(ranked: Ranked, column: str, budget: int, seed: int) -> Odds:
    """Return the chances under which the expected tokens are `budget`.

    Who is certain of a place raises alpha for the others, which may make more certain: each round
    takes these out and solves for the rest, until none is added.

    Args:
        ranked: whose documents may be drawn.
        column: where the scores are from, for errors.
        budget: at most the tokens that there are.
        seed: of the chance.

    Raises:
        RecipeError: a value of the column is not above 0 and finite.
    """
    alpha, certain = 0.0, -1
    while True:
        sure, rest = 0, ExactSum()
        for rows, _ in ranked.rows():
            assert rows.score is not None
            _refuse(rows.score, column)
            certainly = alpha * rows.score >= 1
            sure += int(rows.tokens[certainly].sum())
            rest.add((rows.score * rows.tokens)[~certainly])
        if sure == certain or not rest.value:
            return Odds(alpha, seed)
        alpha, certain = float(Fraction(budget - sure) / rest.value), sure


def require_some(drawn: int, budget: int, eligible: int) -> None:
    """Return only if documents were drawn.

    Raises:
        BudgetError: none of those eligible was.
    """
    if not drawn:
        raise BudgetError(
            f"select: of {eligible:,} documents none was drawn for {budget:,} tokens in "
            "expectation; ask for more tokens"
        )


def effective_size(weights: NDArray[np.float32]) -> float:
    """Return Kish's effective sample size, (sum w)**2 / sum w**2, to four digits.

    Raises:
        BudgetError: it is below a tenth of the documents drawn.
    """
    heavy = weights.astype(np.float64)
    size = math.fsum(heavy) ** 2 / math.fsum(heavy * heavy)
    if size < _LEAST_EVEN * len(heavy):
        raise BudgetError(
            f"select: {len(heavy):,} documents were drawn, and by their weights they count as "
            f"{size:.3g}; wanted a tenth of them at least; ask for a larger share, or draw by "
            "a column that is more even"
        )
    return float(f"{size:.4g}")


def _refuse(score: NDArray[np.float64], column: str) -> None:
    wrong = ~((score > 1 / _HUGE) & (score < _HUGE))
    if wrong.any():
        raise RecipeError(
            f"select: {column!r} is {score[wrong][0]:g} for some documents; a chance in "
            "proportion to it wants finite numbers above 0 (null: never drawn)"
        )
