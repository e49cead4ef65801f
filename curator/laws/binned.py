"""Compute multiplier in accuracy, averaged over the accuracies that both arms reach.

Source: BETR (arXiv 2507.12466, appendix C): a ladder a benchmark and arm on a grid of sizes and
lengths; accuracy along the compute-optimal sizes of each arm's validation loss, averaged over
benchmarks; accuracies put into bins, the ratio of mean compute taken a bin, and the ratios
averaged. We average by the geometric mean and give the arithmetic one beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from curator.errors import BudgetError, RecipeError
from curator.laws.form import Floats
from curator.laws.ladder import Ladder
from curator.laws.law import Law

BINS = 20
# A grid's law is not asked for more than this many times its largest run's compute (ours; the
# project's specification B2 refuses extrapolation beyond it).
FURTHEST = 10.0


@dataclass(frozen=True, slots=True)
class BinnedMultiplier:
    """Compute that the baseline needs for an accuracy, divided by what the method needs.

    Attributes:
        geometric: mean of the ratios over bins, of their logs.
        arithmetic: plain mean of the ratios, as published.
        low: lower end of the geometric mean's bootstrap interval.
        high: upper end.
        bins: bins of accuracy that both arms reach.
    """

    geometric: float
    arithmetic: float
    low: float
    high: float
    bins: int


def accuracy_along(compute: ArrayLike, validation: Law, ladders: Sequence[Ladder]) -> Floats:
    """Return mean accuracy over ladders (1 + draws, n) along compute-optimal models.

    The first row is the estimate, the others follow the bootstraps of the ladders, draw by draw.

    Args:
        compute: (n,) FLOPs, 6 N D.
        validation: Chinchilla law of the arm's validation loss: it sets N and D.
        ladders: one a benchmark, fitted to the same runs with the same draws and seed.

    Raises:
        RecipeError: compute more than ten times beyond the runs, or ladders of unequal draws.
    """
    flops = np.asarray(compute, dtype=np.float64)
    p = validation.parameters
    balance = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    size = balance * (flops / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
    x = np.column_stack([size, flops / (6 * size)])
    beyond = float((flops / (6 * validation.ranges[:, 1].prod())).max())
    if beyond > FURTHEST:
        text = (
            f"compute {flops.max():.3g} is {beyond:.0f} times the largest run's: ask for at most "
            f"{FURTHEST:.0f} times it, or train larger runs"
        )
        raise RecipeError(text)
    if len({len(ladder.loss.bootstrap) for ladder in ladders}) != 1:
        text = (
            "the ladders have unequal numbers of draws: fit them with the same `draws` and `seed`"
        )
        raise RecipeError(text)
    return np.asarray(np.mean([_along(ladder, x) for ladder in ladders], axis=0))


def _along(ladder: Ladder, x_nk: Floats) -> Floats:
    first, second = ladder.loss, ladder.accuracy
    rows = []
    for law in (first, second):
        estimate = [[law.parameters[name] for name in law.form.names]]
        rows.append(law.form.inner(np.vstack([estimate, law.bootstrap])))
    losses = first.form.curve(rows[0], x_nk)
    return np.concatenate(
        [
            second.form.curve(row[None], loss[:, None])
            for row, loss in zip(rows[1], losses, strict=True)
        ]
    )


def binned_multiplier(
    compute: ArrayLike,
    baseline: ArrayLike,
    method: ArrayLike,
    *,
    bins: int = BINS,
    confidence: float = 0.95,
) -> BinnedMultiplier:
    """Return how many times the method's compute the baseline needs, averaged over accuracies.

    Args:
        compute: (n,) FLOPs at which both arms' accuracies are given, best spaced by ratio.
        baseline: (1 + draws, n) or (n,) accuracies; the first row is the estimate.
        method: the same of the method.
        bins: of the accuracies that both arms reach.
        confidence: of the interval.

    Raises:
        RecipeError: shapes that do not fit.
        BudgetError: no bin of accuracy that both arms reach.
    """
    flops = np.log(np.asarray(compute, dtype=np.float64))
    ours, theirs = (np.atleast_2d(np.asarray(a, dtype=np.float64)) for a in (method, baseline))
    if ours.shape != theirs.shape or ours.shape[1] != flops.size:
        text = (
            f"accuracies of shapes {theirs.shape} and {ours.shape} at {flops.size} budgets: give "
            "both arms at the same budgets, with as many draws"
        )
        raise RecipeError(text)
    lowest, highest = max(ours[0].min(), theirs[0].min()), min(ours[0].max(), theirs[0].max())
    logs = []
    if lowest < highest:
        edges = np.linspace(lowest, highest, bins + 1)
        logs = [_log_ratios(flops, a, b, edges) for a, b in zip(theirs, ours, strict=True)]
    if not logs or logs[0].size == 0:
        text = (
            f"the baseline reaches {theirs[0].min():.3f} to {theirs[0].max():.3f}, the method "
            f"{ours[0].min():.3f} to {ours[0].max():.3f}: no accuracy in common; widen the budgets"
        )
        raise BudgetError(text)
    means = [float(ratios.mean()) for ratios in logs[1:] if ratios.size] or [float(logs[0].mean())]
    low, high = np.percentile(means, [50 * (1 - confidence), 50 * (1 + confidence)])
    return BinnedMultiplier(
        geometric=float(np.exp(logs[0].mean())),
        arithmetic=float(np.exp(logs[0]).mean()),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        bins=logs[0].size,
    )


def _log_ratios(log_flops_n: Floats, base_n: Floats, method_n: Floats, edges: Floats) -> Floats:
    """Return the log of the ratio of mean compute in each bin that both arms reach."""
    bins = len(edges) - 1
    means = []
    for accuracy_n in (base_n, method_n):
        reached = (accuracy_n >= edges[0]) & (accuracy_n <= edges[-1])
        at = np.minimum(np.searchsorted(edges, accuracy_n[reached], side="right") - 1, bins - 1)
        times = np.bincount(at, minlength=bins)
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(np.bincount(at, np.exp(log_flops_n[reached]), bins) / times)
    ratios = means[0] / means[1]
    return np.asarray(np.log(ratios[np.isfinite(ratios)]))
