"""Pose a fit: data, bounds and penalties checked and put into internal coordinates."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from curator.errors import BudgetError, RecipeError
from curator.laws.descent import Loss, Problem, Residual
from curator.laws.form import Floats, Form

_T = TypeVar("_T")
_SPARE_RUNS = 2  # distinct runs beyond the number of parameters; the project's specification P7


@dataclass(frozen=True, slots=True)
class Pull:
    """A penalty that draws a parameter toward a center.

    It adds weight / 2 x d^2 to the objective, d the distance in internal coordinates (of logs for
    positive parameters). With a finite `tail` it adds weight / 2 x tail^2 x log(1 + d^2 / tail^2),
    the log density of a Cauchy distribution: few parameters may lie far away at little cost.

    Attributes:
        weight: in units of the objective, which is a sum over points.
        center: in the parameter's own units.
        tail: see above.
    """

    weight: float
    center: float
    tail: float = math.inf


def pose(
    form: Form,
    x_nk: Floats,
    y: ArrayLike,
    loss: Loss,
    delta: float,
    residual: Residual | None,
    fixed: Mapping[str, float] | None,
    bounds: Mapping[str, tuple[float, float]] | None,
    pulls: Mapping[str, Pull] | None,
) -> Problem:
    """Return the problem, checked; arguments as those of `fit`.

    Raises:
        RecipeError: targets that are not finite or constant, unknown names, empty ranges.
    """
    y_n = np.asarray(y, dtype=np.float64)
    kind = residual or form.residual
    if y_n.shape != (len(x_nk),):
        text = f"y of shape {y_n.shape} for {len(x_nk)} points of x: give one target a point"
        raise RecipeError(text)
    bad = ~np.isfinite(y_n) | ((y_n <= 0) if kind == "log" else False)
    if bad.any():
        at = int(np.argmax(bad))
        wanted = "finite and positive" if kind == "log" else "finite"
        text = f"the target of point {at} is {y_n[at]:.6g}: {kind} residuals want {wanted}; drop it"
        raise RecipeError(text)
    if y_n.size and np.ptp(y_n) <= 1e-12 * np.abs(y_n).max():
        text = (
            f"all {y_n.size} targets are {y_n[0]:.6g}: a constant has no law; measure other budgets"
        )
        raise RecipeError(text)
    ranges = {p.name: (p.low, p.high) for p in form.parameters}
    for given in (bounds, {n: (v, v) for n, v in (fixed or {}).items()}):
        ranges |= _known(form, given or {})
    drawn = {p.name: Pull(0.0, p.low) for p in form.parameters} | _known(form, pulls or {})
    edges = np.array(
        [[p.inner(ranges[p.name][0]), p.inner(ranges[p.name][1])] for p in form.parameters]
    )
    weights = np.array([drawn[name].weight for name in form.names])
    centers = np.array([p.inner(drawn[p.name].center) for p in form.parameters])
    tails = np.array([drawn[name].tail for name in form.names])
    return Problem(
        form, x_nk, y_n, edges[:, 0], edges[:, 1], loss, delta, kind, weights, centers, tails
    )


def _known(form: Form, given: Mapping[str, _T]) -> dict[str, _T]:
    unknown = sorted(set(given) - set(form.names))
    if unknown:
        text = f"{form.name} has no parameter {unknown[0]!r}: it has {', '.join(form.names)}"
        raise RecipeError(text)
    return dict(given)


def importance_of(weights: ArrayLike | None, points: int) -> Floats:
    """Return the weight of each point (n,), ones by default; RecipeError where one is wrong."""
    if weights is None:
        return np.ones(points)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (points,) or not np.isfinite(given).all() or (given < 0).any():
        text = (
            f"weights of shape {given.shape} for {points} points: give one finite number >= 0 each"
        )
        raise RecipeError(text)
    return given


@dataclass(frozen=True, slots=True)
class Groups:
    """Which run each point comes from, and which unit of the bootstrap; -1 for no run."""

    run_n: NDArray[np.int64]
    runs: int
    unit_n: NDArray[np.int64]
    units: int


def group(
    runs: Sequence[Hashable] | None, together: Sequence[Hashable] | None, points: int
) -> Groups:
    """Return the points' runs and units, numbered in order of appearance.

    Raises:
        RecipeError: not one name a point.
    """
    run_n, count = _numbered(runs, points)
    unit_n, units = (run_n, count) if together is None else _numbered(together, points)
    return Groups(run_n, count, unit_n, units)


def _numbered(names: Sequence[Hashable] | None, points: int) -> tuple[NDArray[np.int64], int]:
    if names is None:
        return np.arange(points), points
    if len(names) != points:
        text = f"{len(names)} names of runs for {points} points: name the run of each point"
        raise RecipeError(text)
    numbers: dict[Hashable, int] = {}
    found = [-1 if name is None else numbers.setdefault(name, len(numbers)) for name in names]
    return np.array(found, dtype=np.int64), len(numbers)


def refuse_too_little(problem: Problem, runs: int, *, partial: bool) -> None:
    """Raise BudgetError where runs or distinct inputs are too few to tell parameters apart."""
    form, wanted = problem.form, problem.free + _SPARE_RUNS
    if runs < wanted:
        text = (
            f"{form.name} has {problem.free} free parameters and wants {wanted} distinct runs, "
            f"found {runs}: add {wanted - runs} at other {', '.join(form.inputs[:3])}, or fix a "
            "parameter"
        )
        raise BudgetError(text)
    for name, column, least in zip(form.inputs, problem.x_nk.T, form.least, strict=True):
        distinct = len(np.unique(column))
        if distinct < least and not partial:
            text = (
                f"{form.name} wants {least} distinct values of {name}, found {distinct}: add runs "
                f"at {least - distinct} other {name}, or fix a parameter"
            )
            raise BudgetError(text)
