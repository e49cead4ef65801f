"""Which share of a pool to keep at which budget, and how that share grows with the budget.

Source: BETR (arXiv 2507.12466), the study of filtering rates: the same data at several rates and
budgets, the chance that a rate is best from a bootstrap of the runs, and the best rate as a power
of compute, F = a C^b. Larger budgets want more of the pool.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curator.errors import BudgetError, RecipeError
from curator.laws.binned import FURTHEST
from curator.laws.fit import shares_of
from curator.laws.form import Floats

LEAST_DISTINCT = 5  # sizes and lengths of a grid, budgets of a law (the project's specification B2)
_LEAST_SEEDS = 2


@dataclass(frozen=True, slots=True)
class BestRate:
    """The best of several rates at one budget.

    Attributes:
        budget: tokens or FLOPs.
        rates: shares of the pool kept, rising.
        losses: mean loss at each.
        rate: with the lowest mean.
        chances: share of the resamples of seeds in which each rate is the lowest.
        drawn: (draws,) the best rate of each resample.
    """

    budget: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    rate: float
    chances: tuple[float, ...]
    drawn: Floats


@dataclass(frozen=True, slots=True)
class RateLaw:
    """F = scale * C ** exponent, of budgets up to `largest`.

    Attributes:
        scale: a.
        exponent: b.
        low: lower end of the exponent's 95 % interval, from resamples of the runs.
        high: upper end.
        largest: of the budgets fitted.
    """

    scale: float
    exponent: float
    low: float
    high: float
    largest: float

    def at(self, budget: float) -> float:
        """Return the best share of the pool at a budget, at most 1.

        Raises:
            RecipeError: the budget is more than ten times the largest that was run.
        """
        if not 0 < budget <= FURTHEST * self.largest:
            raise RecipeError(
                f"a budget of {budget:.3g} is {budget / self.largest:.0f} times the largest run's; "
                f"ask for at most {FURTHEST:.0f} times it, or train longer runs"
            )
        return min(1.0, float(self.scale * budget**self.exponent))


def best_rate(
    budget: float, losses: Mapping[float, Sequence[float]], *, draws: int = 2000, seed: int = 0
) -> BestRate:
    """Return which rate is best at a budget, and how surely.

    Args:
        budget: of every run.
        losses: rate -> a loss a seed, in the same order of seeds for all: they are resampled
            together.
        draws: resamples of the seeds.
        seed: of the resampling.

    Raises:
        BudgetError: fewer than two rates or two seeds.
        RecipeError: rates with unequal numbers of seeds, or losses that are not finite.
    """
    rates = sorted(losses)
    seeds = {len(losses[rate]) for rate in rates}
    if len(seeds) > 1:
        raise RecipeError(f"rates have {sorted(seeds)} seeds; wanted the same seeds for all")
    if len(rates) < 2 or max(seeds) < _LEAST_SEEDS:
        raise BudgetError(
            f"{len(rates)} rates and {max(seeds, default=0)} seeds; wanted two or more of each"
        )
    table_RS = np.array([losses[rate] for rate in rates], np.float64)
    if not np.isfinite(table_RS).all():
        raise RecipeError(f"losses at budget {budget:g} are not all finite; run those seeds again")
    weights = shares_of(table_RS.shape[1], draws, seed)
    means_BR = (weights @ table_RS.T) / weights.sum(axis=1, keepdims=True)
    best = means_BR.argmin(axis=1)
    chances = np.bincount(best, minlength=len(rates)) / draws
    mean = table_RS.mean(axis=1)
    return BestRate(
        budget,
        tuple(rates),
        tuple(mean.tolist()),
        rates[int(mean.argmin())],
        tuple(chances.tolist()),
        np.array(rates)[best],
    )


def rate_law(found: Sequence[BestRate]) -> RateLaw:
    """Return how the best rate grows with the budget, by least squares on logs.

    Args:
        found: one a budget, all with as many draws.

    Raises:
        BudgetError: fewer than five distinct budgets.
    """
    budgets = np.array([one.budget for one in found])
    refuse_few({"budgets": budgets})
    log_budget = np.log(budgets) - np.log(budgets).mean()
    rows = np.vstack([[one.rate for one in found], np.array([one.drawn for one in found]).T])
    logs = np.log(rows)
    slopes = (logs * log_budget).sum(axis=1) / (log_budget**2).sum()
    level = logs[0].mean() - slopes[0] * np.log(budgets).mean()
    low, high = np.percentile(slopes[1:], [2.5, 97.5])
    return RateLaw(math.exp(level), float(slopes[0]), float(low), float(high), float(budgets.max()))


def refuse_few(distinct: Mapping[str, Sequence[float] | Floats]) -> None:
    """Return only if a grid has five distinct values or more of everything named.

    Args:
        distinct: such as {"model sizes": ..., "token counts": ...} of all runs.

    Raises:
        BudgetError: naming what there is too little of.
    """
    for name, values in distinct.items():
        known = sorted({float(value) for value in values})
        if len(known) < LEAST_DISTINCT:
            raise BudgetError(
                f"runs have {len(known)} distinct {name} ({', '.join(f'{k:g}' for k in known)}); "
                f"wanted {LEAST_DISTINCT} for a scaling fit: run {LEAST_DISTINCT - len(known)} more"
            )
