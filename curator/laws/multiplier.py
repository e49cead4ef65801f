"""Compute multiplier: how many times the budget the baseline needs to reach a method's loss.

CM = C_baseline(loss) / C, from the baseline's curve L(C) = E + A C^-alpha: 2 means that the method
does with C what the baseline does with 2 C. See BETR (arXiv 2507.12466, appendix C) for the
protocol on grids, and loss-to-loss prediction (arXiv 2411.12925) for the curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtrit

from curator.errors import BudgetError, RecipeError
from curator.laws.fit import fit, shares_of
from curator.laws.form import Floats
from curator.laws.forms import PowerLaw
from curator.laws.law import Law

LEAST_BUDGETS = 3  # E, A and alpha
MARGIN = 1.2  # beyond the baseline's budgets by this ratio a multiplier is not given
# Huber's delta on log losses: seed noise of small proxies is 0.2 to 0.5 % of the loss (measured,
# 0.33M parameters), so that ordinary runs weigh as in least squares and failed ones do not.
_DELTA = 0.01
_ENDLESS = 700.0  # log of a budget that stands for none: near the largest float's


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
        low: lower end of the interval; where `where` is "above", at most the end of what can be
            seen, largest budget x 1.2 / C. 0 if unknown.
        high: upper end; where "below", at least smallest budget / 1.2 / C. Infinity if unknown.
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
    budget = _one_budget(method)
    _refuse_few(baseline)
    paired = _paired(baseline, method)
    law = fit(
        PowerLaw(),
        [point.budget for point in baseline],
        [point.loss for point in baseline],
        together=[point.seed for point in baseline] if paired else None,
        delta=_DELTA,
        draws=draws,
        seed=seed,
    )
    reached = _method_losses(baseline, method, draws, seed, paired=paired)
    rows = np.vstack([[law.parameters[n] for n in law.form.names], law.bootstrap])
    logs = _log_budget(rows, reached) - math.log(budget)
    tails = np.percentile(logs[1:], [50 * (1 - confidence), 50 * (1 + confidence)])
    wide = _widening(law, method, confidence, paired=paired)
    low, high = (_stretched(float(logs[0]), float(tail), wide) for tail in tails)
    return _placed(baseline, budget, float(logs[0]), (low, high), confidence)


def _one_budget(method: Sequence[Point]) -> float:
    budgets = sorted({point.budget for point in method})
    if len(budgets) != 1:
        text = f"the method has runs at budgets {budgets!r}: give the runs of one budget"
        raise RecipeError(text)
    bad = [p for p in method if not (math.isfinite(p.loss) and p.loss > 0 and p.budget > 0)]
    if bad:
        text = f"the method has {bad[0]!r}: losses and budgets must be finite and positive"
        raise RecipeError(text)
    return budgets[0]


def _refuse_few(baseline: Sequence[Point]) -> None:
    budgets = sorted({point.budget for point in baseline})
    if len(budgets) < LEAST_BUDGETS:
        text = (
            f"the baseline has runs at budgets {budgets!r} and a curve wants {LEAST_BUDGETS} at "
            f"least, better four: train it at {LEAST_BUDGETS - len(budgets)} more"
        )
        raise BudgetError(text)
    first, last = (
        float(np.mean([point.loss for point in baseline if point.budget == at]))
        for at in (budgets[0], budgets[-1])
    )
    if math.isfinite(first + last) and last >= first:
        text = (
            f"the baseline's loss does not fall with its budget ({first:.4f} at {budgets[0]:g}, "
            f"{last:.4f} at {budgets[-1]:g}): no budget answers to a loss; check its learning rate"
        )
        raise RecipeError(text)


def _paired(baseline: Sequence[Point], method: Sequence[Point]) -> bool:
    """Return whether every run has a seed and both sides have the same two seeds or more."""
    ours, theirs = {p.seed for p in method}, {p.seed for p in baseline}
    return None not in ours | theirs and ours == theirs and len(ours) > 1


def _method_losses(
    baseline: Sequence[Point], method: Sequence[Point], draws: int, seed: int, *, paired: bool
) -> Floats:
    """Return the method's mean loss (1 + draws,): of its runs, then under each draw's weights."""
    losses = np.array([point.loss for point in method])
    if paired:
        order = {s: i for i, s in enumerate(dict.fromkeys(point.seed for point in baseline))}
        weights = shares_of(len(order), draws, seed)[:, [order[p.seed] for p in method]]
    else:  # other draws than the baseline's: the two are independent
        weights = shares_of(len(losses), draws, seed + 1)
    means = (weights * losses).sum(axis=1) / weights.sum(axis=1)
    return np.concatenate([[losses.mean()], means])


def _log_budget(rows_Bp: Floats, loss_B: Floats) -> Floats:
    """Return the log of the budget at which each curve reaches its loss; 700 where none does."""
    floor, scale, alpha = rows_Bp.T
    above = np.maximum(loss_B - floor, 1e-300)
    return np.asarray(np.minimum((np.log(scale) - np.log(above)) / alpha, _ENDLESS))


def _widening(law: Law, method: Sequence[Point], confidence: float, *, paired: bool) -> float:
    if paired or len(method) == 1:
        return law.widening(confidence)
    # The method's few runs have fewer degrees of freedom than the curve: theirs count.
    few = stdtrit(len(method) - 1, 0.5 * (1 + confidence)) / ndtri(0.5 * (1 + confidence))
    return max(
        law.widening(confidence), float(few * math.sqrt((len(method) + 1) / (len(method) - 1)))
    )


def _stretched(middle: float, tail: float, wide: float) -> float:
    end = middle + wide * (tail - middle)
    return math.exp(end) if end < _ENDLESS / 2 else math.inf


def _placed(
    baseline: Sequence[Point],
    budget: float,
    log_value: float,
    ends: tuple[float, float],
    confidence: float,
) -> Multiplier:
    """Return the multiplier, refused where it lies outside the baseline's budgets +- 20 %."""
    budgets = sorted({point.budget for point in baseline})
    lowest, highest = budgets[0] / MARGIN / budget, budgets[-1] * MARGIN / budget
    value: float | None = None
    where: Literal["inside", "below", "above"] = "inside"
    if log_value > math.log(highest):
        where, ends = "above", (min(ends[0], highest), math.inf)
        note = f"more than {highest:.2f}, all that the baseline's budgets can show: train it longer"
        note += f"; its interval begins at {ends[0]:.2f}" if ends[0] < highest else ""
    elif log_value < math.log(lowest):
        where, ends = "below", (0.0, max(ends[1], lowest))
        note = (
            f"less than {lowest:.2f}, all that the baseline's budgets can show: add a smaller one"
        )
        note += f"; its interval ends at {ends[1]:.2f}" if ends[1] > lowest else ""
    else:
        value = math.exp(log_value)
        few = len(budgets) == LEAST_BUDGETS
        beyond = bool(ends[0] < lowest or ends[1] > highest)
        notes = ["three budgets fit any curve: a fourth would check its shape"] * few
        notes += ["the interval reaches beyond the baseline's budgets"] * beyond
        note = "; ".join(notes)
    return Multiplier(value, *ends, where, note, confidence, len(budgets), len(baseline))
