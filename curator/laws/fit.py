"""Fit a form to runs: many starts, robust loss, bootstrap by run, leave-one-run-out error.

Protocol of Hoffmann et al. 2022 (arXiv 2203.15556, appendix D.3): Huber loss with delta 1e-3 on
log residuals, positive parameters as logarithms, L-BFGS from a grid of starts. The bootstrap
reweights runs (Rubin 1981, Ann. Statist. 9:130: the smooth form of resampling them), so that all
points of a run move together and no resample loses the runs that pin a parameter.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from curator.errors import RecipeError
from curator.laws.descent import Loss, Minima, Problem, Residual, descend, finish
from curator.laws.form import Floats, Form
from curator.laws.law import Diagnostics, Law, columns
from curator.laws.pose import Groups, Pull, group, importance_of, pose, refuse_too_little

_SAME = 1e-3  # minima whose values differ by less than this part are counted as one
_KEPT = 4  # minima of the full data that each resample starts from


def fit(
    form: Form,
    x: ArrayLike,
    y: ArrayLike,
    *,
    runs: Sequence[Hashable] | None = None,
    together: Sequence[Hashable] | None = None,
    weights: ArrayLike | None = None,
    loss: Loss = "huber",
    delta: float = 1e-3,
    residual: Residual | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    starts: ArrayLike | None = None,
    pulls: Mapping[str, Pull] | None = None,
    draws: int = 200,
    seed: int = 0,
) -> Law:
    """Return the form fitted to the points, with a bootstrap over runs.

    Args:
        form: the equation.
        x: (n, k) inputs as `form.inputs`; (n,) where there is one.
        y: (n,) targets; positive for log residuals.
        runs: (n,) name of the run that each point comes from; None: each point is a run. A name
            that is None marks a point that is no run (an ideal point): it is kept in all resamples.
        together: (n,) what the bootstrap reweights as one, such as the seed that runs of several
            budgets share; None: runs.
        weights: (n,) importance of each point, not negative; None: all equal.
        loss: "huber" or "squares".
        delta: where Huber's loss turns into a line, in units of the residual.
        residual: "log" or "linear"; None: the form's own.
        fixed: parameters held at a value, in their own units.
        bounds: ranges that replace the form's own, in the parameters' own units.
        starts: (S, p) further starting points, in the parameters' own units.
        pulls: penalties that draw parameters toward a center.
        draws: bootstrap resamples; 0 leaves the intervals out.
        seed: of the bootstrap.

    Raises:
        BudgetError: fewer distinct runs than free parameters + 2, or too few distinct inputs.
        RecipeError: input that is not finite, targets that are constant, or unknown names.
    """
    x_nk = columns(form, x)
    problem = pose(form, x_nk, y, loss, delta, residual, fixed, bounds, pulls)
    groups = group(runs, together, len(x_nk))
    importance = importance_of(weights, len(x_nk))
    refuse_too_little(problem, groups.runs, partial=bool(fixed))
    minima = _search(problem, importance, starts)
    return _conclude(problem, groups, importance, minima, (draws, seed))


def _conclude(
    problem: Problem, groups: Groups, importance: Floats, minima: Minima, chance: tuple[int, int]
) -> Law:
    """Return the law of the best minimum: finished, bootstrapped and diagnosed."""
    form = problem.form
    kept, distinct = _distinct(minima, 1e-9 * _scale(problem, importance))
    best = finish(problem, kept[0], importance)[0]
    shares = _spread_out(shares_of(groups.units, *chance), groups.unit_n) * importance
    resampled = _refit(problem, np.vstack([best, kept[1:]]), shares)
    curve = form.curve(best[None], problem.x_nk)[0]
    diagnostics = Diagnostics(
        converged=bool(minima.converged_B[np.argmin(minima.value_B)]),
        minima=distinct,
        condition=_condition(problem.slopes(best[None], importance[None])[2][0], problem),
        r2=_explained(problem.y_n, curve, importance),
        error=_mean_error(problem, curve, importance),
        left_out=_left_out(problem, best, importance, groups.run_n),
        at_bound=_at_bound(problem, best),
        runs=groups.runs,
        points=problem.y_n.size,
    )
    return Law(
        form=form,
        parameters=dict(zip(form.names, form.outer(best[None])[0].tolist(), strict=True)),
        bootstrap=form.outer(resampled),
        units=groups.units,
        spread=_spread(groups.units, problem.y_n.size, problem.free),
        ranges=np.column_stack([problem.x_nk.min(axis=0), problem.x_nk.max(axis=0)]),
        diagnostics=diagnostics,
    )


def held_out(
    law: Law,
    x: ArrayLike,
    y: ArrayLike,
    fold_n: np.ndarray,
    *,
    loss: Loss = "huber",
    delta: float = 1e-3,
    pulls: Mapping[str, Pull] | None = None,
) -> Floats:
    """Return the curve (n,) at each point by a fit to the other folds, searched from `law`."""
    x_nk = columns(law.form, x)
    problem = pose(law.form, x_nk, y, loss, delta, None, None, None, pulls)
    start = law.form.inner(np.array([[law.parameters[name] for name in law.form.names]]))
    folds = np.unique(fold_n)
    kept = (fold_n != folds[:, None]).astype(np.float64)
    found = descend(problem, np.repeat(start, len(folds), axis=0), kept, tolerance=1e-8)
    curves = law.form.curve(found.q_Bp, x_nk)
    return np.asarray(curves[np.searchsorted(folds, fold_n), np.arange(len(fold_n))])


def _search(problem: Problem, importance: Floats, starts: ArrayLike | None) -> Minima:
    """Return where all starts end, on the full data."""
    rows = problem.form.starts(problem.x_nk, problem.y_n)
    if starts is not None:
        rows = np.vstack([rows, np.atleast_2d(np.asarray(starts, dtype=np.float64))])
    q = problem.form.inner(rows)
    q = np.where(np.isfinite(q), q, problem.low_p)
    return descend(problem, q, np.broadcast_to(importance, (len(q), importance.size)))


def _distinct(minima: Minima, nothing: float) -> tuple[Floats, int]:
    """Return the parameters of the few best distinct minima, best first, and their full number.

    Values that differ by less than `nothing` are equal.
    """
    order = np.argsort(minima.value_B, kind="stable")
    order = order[np.isfinite(minima.value_B[order])]
    if order.size == 0:
        text = "no start gave a finite curve: check the units of the inputs and the bounds"
        raise RecipeError(text)
    values = minima.value_B[order]
    fresh = np.concatenate([[True], np.diff(values) > _SAME * values[1:] + nothing])
    chosen = order[fresh]
    return minima.q_Bp[chosen[:_KEPT]], int(fresh.sum())


def shares_of(units: int, draws: int, seed: int) -> Floats:
    """Return the bootstrap's weights of the units (draws, units): positive, of mean 1 a draw.

    Row i is the weights behind row i of `Law.bootstrap` for the same seed, units numbered in order
    of appearance: what else is measured on the same units can be averaged with them.
    """
    shares = np.random.default_rng(seed).exponential(size=(draws, units))
    return np.asarray(shares * (units / shares.sum(axis=1, keepdims=True)))


def _spread_out(shares_Ru: Floats, unit_n: np.ndarray) -> Floats:
    """Return the weight of each point in each draw; 1 for points that are no run."""
    return np.where(unit_n >= 0, shares_Ru[:, np.maximum(unit_n, 0)], 1.0)


def _refit(problem: Problem, starts_Sp: Floats, shares_Rn: Floats) -> Floats:
    """Return (draws, p) minima on reweighted points, each from the few best minima of the data."""
    draws, many = len(shares_Rn), len(starts_Sp)
    if draws == 0:
        return np.empty((0, problem.low_p.size))
    weights = np.repeat(shares_Rn, many, axis=0)
    found = descend(problem, np.tile(starts_Sp, (draws, 1)), weights, tolerance=1e-7)
    best = found.value_B.reshape(draws, many).argmin(axis=1)
    shaped = found.q_Bp.reshape(draws, many, -1)
    return np.take_along_axis(shaped, best[:, None, None], axis=1)[:, 0]


def _spread(units: int, points: int, free: int) -> float:
    """Return the widening of deviations for few units and many parameters.

    Under exponential weights the variance of a mean is s^2 (n - 1) / (n (n + 1)) for the s^2 / n
    that is wanted (Rubin 1981, section 3), hence (n + 1) / (n - 1); the rest is the correction for
    fitted parameters of cluster-robust variances (Cameron and Miller 2015, J. Human Resources
    50:317, section II.E).
    """
    lost = (points - 1) / max(points - free, 1)
    return float(np.sqrt((units + 1) / max(units - 1, 1) * lost))


def _scale(problem: Problem, importance: Floats) -> float:
    """Return the objective of the best constant: the unit in which minima are compared."""
    middle = np.full((1, problem.y_n.size), np.median(problem.y_n))
    return float((importance * problem.cost(problem.residuals(middle))).sum())


def _left_out(problem: Problem, best: Floats, importance: Floats, run_n: np.ndarray) -> float:
    """Return the mean absolute residual of each run under the fit to the others."""
    runs = int(run_n.max()) + 1
    kept = importance * (run_n != np.arange(runs)[:, None])
    found = descend(problem, np.tile(best, (runs, 1)), kept, tolerance=1e-7)
    away = np.abs(problem.residuals(problem.form.curve(found.q_Bp, problem.x_nk)))
    out = importance - kept
    return float((away * out).sum() / out.sum())


def _condition(bend: Floats, problem: Problem) -> float:
    """Return the condition number of the curvature among free parameters, unit diagonal."""
    free = problem.low_p < problem.high_p
    bend = bend[np.ix_(free, free)]
    root = np.sqrt(np.maximum(np.diag(bend), 1e-300))
    return float(np.linalg.cond(bend / np.outer(root, root)))


def _explained(y_n: Floats, curve_n: Floats, importance: Floats) -> float:
    mean = np.average(y_n, weights=importance)
    left = (importance * (y_n - curve_n) ** 2).sum()
    return float(1 - left / (importance * (y_n - mean) ** 2).sum())


def _mean_error(problem: Problem, curve_n: Floats, importance: Floats) -> float:
    return float(np.average(np.abs(problem.residuals(curve_n[None])[0]), weights=importance))


def _at_bound(problem: Problem, best: Floats) -> tuple[str, ...]:
    free = problem.low_p < problem.high_p
    width = np.where(free, problem.high_p - problem.low_p, 1.0)
    near = np.minimum(best - problem.low_p, problem.high_p - best) <= 1e-9 * width
    return tuple(n for n, at, ok in zip(problem.form.names, near, free, strict=True) if at and ok)
