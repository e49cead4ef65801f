"""Compute multiplier: how many times the budget the baseline needs to reach a method's loss.

CM = C_baseline(loss) / C, from the baseline's curve L(C) = E + A C^-alpha: 2 means that the method
does with C what the baseline does with 2 C. See BETR (arXiv 2507.12466, appendix C) for the
protocol on grids, and loss-to-loss prediction (arXiv 2411.12925) for the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Point:
    """One finished run: its budget (tokens at a fixed model, or FLOPs), final loss, and seed.

    Runs that share a seed (first weights and order of documents) are paired: they are resampled
    together. None: the run is paired with no other.
    """

    budget: float
    loss: float
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Multiplier:
    """How many times the method's budget the baseline needs to reach the method's loss.

    Attributes:
        value: the multiplier; None where it lies beyond what was measured (see `where`).
        low: lower end of the interval; where `value` is None and `where` is "above", the bound
            that the multiplier surely passes by the fit: largest budget x 1.2 / C. 0 if unknown.
        high: upper end; infinity if unknown.
        where: "inside" the baseline's budgets widened by 20 %, or "below" or "above" them.
        note: one sentence for the reader; empty when there is nothing to say.
        confidence: of the interval.
        budgets: distinct baseline budgets that were fitted.
        runs: baseline runs that were fitted.
    """

    value: float | None
    low: float
    high: float
    where: Literal["inside", "below", "above"]
    note: str
    confidence: float
    budgets: int
    runs: int


def compute_multiplier(
    baseline: Sequence[Point],
    method: Sequence[Point],
    *,
    confidence: float = 0.95,
    draws: int = 500,
    seed: int = 0,
) -> Multiplier:
    """Return how many times the budget of `method` the baseline needs to be as good.

    Args:
        baseline: runs at three budgets or more (four are better), five runs or more.
        method: runs of one budget; lower loss is better.
        confidence: of the interval.
        draws: resamples of the runs.
        seed: of the resampling.

    Raises:
        BudgetError: too few runs or budgets for the baseline's curve; the text says what to add.
        RecipeError: losses or budgets that are not finite and positive, a method at several
            budgets, or a baseline whose loss does not fall with its budget.
    """
    raise NotImplementedError
