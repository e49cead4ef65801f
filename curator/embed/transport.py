"""Entropic optimal transport between two weighted clouds of points, without their matrix of costs.

Given the potentials g of the points moved to, those of the points moved from follow: f is a soft
minimum over g (the rows of the plan then have their masses). So only the M potentials g are looked
for: they maximize a concave function whose gradient is what the plan's columns lack, whose
Newton steps cost one matrix of M x M, and which one pass over blocks of costs evaluates. Plain
Sinkhorn steps (Cuturi 2013, arXiv:1306.0895) serve far from the solution, with eps halved from
the median cost on and everything kept as logarithms; Newton's near it (Brauer, Clason, Lorenz and
Wirth 2017, "A Sinkhorn-Newton method for entropic optimal transport", arXiv:1710.06635): on real
embeddings 16 passes instead of 650. A pass costs 2 * N * M * (D + M) operations.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.embed.costs import Costs, median_cost
from curator.embed.sweeps import Sweep, Sweeps, open_sweeps
from curator.errors import RecipeError

# Shapes: N points moved from, M moved to.
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
SHARE: Final = 0.01  # of the median cost: eps unless given
TOLERANCE: Final = 1e-3  # of the marginal error
_NEWTON_COLUMNS: Final = 1024  # beyond, a step's M x M matrix costs more than what it saves
_NEAR: Final = 0.5  # marginal error below which Newton's steps are tried
_LOOSE: Final = 0.1  # marginal error at which eps is halved
_LONGEST: Final = 5.0  # of a Newton step, in eps: farther, the quadratic model says nothing
_DAMPING: Final = 1e-3  # of a Newton step's diagonal, which else is singular: f + t, g - t
_CYCLE, _PLAIN = 10, 4  # of ten Sinkhorn steps four are plain, which shows their rate
_FASTEST: Final = 1.9  # of a relaxed Sinkhorn step; at 2 the iteration no longer contracts
_LOGARITHM: Final = 60.0  # a step's largest, in eps: columns whose mass was rounded to nothing


class Solved(NamedTuple):
    """A plan of transport, P_ij = a_i b_j exp((f_i + g_j - C_ij) / eps), by its potentials.

    Attributes:
        f: (N,) float32. Up to a constant the rate at which the cost grows with a point's mass.
        g: (M,) float32; f + t and g - t are the same plan: here the mean of g by mass is 0.
        value: what the plan costs, sum P_ij C_ij.
        marginal_error: sum over points of |mass that the plan gives - mass asked for|.
        iterations: passes over all costs.
        eps: in the unit of costs.
        masses: (M,) float64, b.
    """

    f: F32
    g: F32
    value: float
    marginal_error: float
    iterations: int
    eps: float
    masses: F64

    def converged(self, tolerance: float = TOLERANCE, *, where: str = "transport") -> Solved:
        """Return this if its marginals are what was asked for.

        Raises:
            RecipeError: they are not.
        """
        if not self.marginal_error <= tolerance:
            raise RecipeError(
                f"after {self.iterations} passes the plan's marginals are off by "
                f"{self.marginal_error:.2g}; wanted {tolerance:g} or less: give a larger eps, or "
                "more iterations",
                where=where,
            )
        return self


def transport(
    costs: Costs,
    masses_N: F64 | None = None,
    masses_M: F64 | None = None,
    *,
    eps: float | None = None,
    tolerance: float = TOLERANCE,
    iterations: int = 1000,
    begin: F32 | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> Solved:
    """Return the cheapest plan that moves one cloud's mass to the other's, blurred by eps.

    Args:
        costs: the M points moved to are best the fewer.
        masses_N: of the points moved from, above 0, of sum 1; None: all equal.
        masses_M: of the points moved to.
        eps: of the entropy, in the unit of costs; None: 0.01 of the median cost.
        tolerance: of the marginal error, at which to stop.
        iterations: passes at most; a plan that is not there yet is returned as it is.
        begin: potentials g to go on from, such as those of a like problem; None: eps is halved
            from the median cost on.
        device: "cpu", or as torch names it.
        threads: share the blocks of a pass, four at most; on the CPU give BLAS one. The answer
            does not depend on it.

    Raises:
        RecipeError: masses that are none.
    """
    a, b = _masses(masses_N, costs.rows), _masses(masses_M, costs.columns)
    median = 0.0
    if eps is None or begin is None:
        median = median_cost(costs)
    last = SHARE * median if eps is None else eps
    if not last > 0:
        raise RecipeError(
            f"eps is {last!r} and the median cost {median!r}; wanted eps above 0: are most points "
            "the same?",
            where="transport",
        )
    with open_sweeps(costs, a, b, device=device, threads=threads) as sweeps:
        search = _Search(sweeps, b, iterations)
        g = np.zeros(costs.columns) if begin is None else begin.astype(np.float64)
        blur = last if begin is not None else max(last, median / 2)
        while blur > last and search.passes < iterations:
            g, _ = search.improve(g, blur, _LOOSE)
            blur = max(last, blur / 2)
        g, found = search.improve(g, last, tolerance)
        shift = float(b @ g)
        value = sweeps.value(g, last)
    f = (found.f + shift).astype(np.float32)
    error = _error(found, b)
    return Solved(f, (g - shift).astype(np.float32), value, error, search.passes, last, b)


def extended(costs: Costs, solved: Solved, *, device: str = "cpu", threads: int = 1) -> F32:
    """Return the potentials f that other points have towards the same cloud, (N,) float32.

    What a solution would give a point of no mass: the soft minimum of C - g over the masses b.

    Args:
        costs: of the other points to the M points of `solved`, in their order.
        solved: as `transport` returned it.
        device: "cpu", or as torch names it.
        threads: share the blocks.
    """
    g = solved.g.astype(np.float64)
    equal = np.full(costs.rows, 1 / costs.rows)
    with open_sweeps(costs, equal, solved.masses, device=device, threads=threads) as sweeps:
        return sweeps.sweep(g, solved.eps, hessian=False).f.astype(np.float32)


class Calibrated(NamedTuple):
    """How a potential becomes a calibrated gradient: one factor and one constant.

    Attributes:
        factor: 1 + 1 / (n - 1).
        shift: the sum of the n potentials / (n - 1).
    """

    factor: float
    shift: float

    def of(self, f: NDArray[np.floating[Any]]) -> F64:
        """Return how fast the cost grows as mass is moved to these points from all n others."""
        value: F64 = self.factor * f.astype(np.float64) - self.shift
        return value


def calibrated(f: NDArray[np.floating[Any]]) -> Calibrated:
    """Return what calibrates potentials beside those of n points of equal mass.

    f_i minus the mean of the others: the gradient along which masses still sum to one, as the
    release of LAVA has it (Just et al. 2023, arXiv:2305.00054). Its order is that of f.

    Raises:
        RecipeError: fewer than two points.
    """
    n = len(f)
    if n < 2:
        raise RecipeError(f"{n} points to calibrate beside; wanted two or more", where="transport")
    return Calibrated(1 + 1 / (n - 1), float(f.astype(np.float64).sum()) / (n - 1))


class _Search:
    """Climbs to the potentials g of one eps after the other; counts its passes."""

    def __init__(self, sweeps: Sweeps, masses_M: F64, most: int) -> None:
        self._sweeps = sweeps
        self._b = masses_M
        self._newton = len(masses_M) <= _NEWTON_COLUMNS
        self._most = most
        self.passes = 0

    def improve(self, g: F64, eps: float, tolerance: float) -> tuple[F64, Sweep]:
        """Return better g and the pass at g; its error is below `tolerance` if passes sufficed."""
        at = self._pass(g, eps)
        errors = [_error(at, self._b)]
        plain, rate = 0, 0.0
        while errors[-1] > tolerance and self.passes < self._most:
            moved = self._newton_step(g, at, eps)
            if moved is None:
                if plain % _CYCLE == _PLAIN:
                    rate = errors[-1] / errors[-2]
                longer = _relaxation(rate) if plain % _CYCLE >= _PLAIN else 1.0
                plain += 1
                g = g + longer * self._sinkhorn_step(at, eps)
                at = self._pass(g, eps)
            else:
                g, at = moved
            errors.append(_error(at, self._b))
        return g, at

    def _pass(self, g: F64, eps: float) -> Sweep:
        self.passes += 1
        return self._sweeps.sweep(g, eps, hessian=self._newton)

    def _sinkhorn_step(self, at: Sweep, eps: float) -> F64:
        lacking = np.log(self._b) - np.log(np.maximum(at.column, 1e-300))
        step: F64 = eps * np.clip(lacking, -_LOGARITHM, _LOGARITHM)
        return step

    def _newton_step(self, g: F64, at: Sweep, eps: float) -> tuple[F64, Sweep] | None:
        """Return where Newton's step leads, cut until it leads up; None where it does not."""
        error = _error(at, self._b)
        if at.hessian is None or error > _NEAR:
            return None
        step = _newton_direction(at.column, at.hessian, self._b, eps)
        height = at.height + self._b @ g
        for shorter in (1.0, 0.25, 0.0625):
            if self.passes >= self._most:
                return None
            there = g + shorter * step
            found = self._pass(there, eps)
            if _error(found, self._b) < error or found.height + self._b @ there > height:
                return there, found
        return None


def _newton_direction(column: F64, matrix: F32, b: F64, eps: float) -> F64:
    """Return the step s of (diag(c) - Q) s / eps = b - c, damped and no longer than 5 eps.

    Args:
        column: (M,) c, masses of the plan's columns.
        matrix: (M, M) Q, as a sweep gives it; overwritten.
        b: (M,) masses wanted.
        eps: of the plan.
    """
    from scipy.linalg import cho_factor, cho_solve

    np.negative(matrix, out=matrix)
    matrix[np.diag_indices(len(b))] += (column + _DAMPING * b).astype(np.float32)
    # Positive definite: diag(c) - Q is a weighted sum of covariances of the rows of the plan.
    factor = cho_factor(matrix.T, overwrite_a=True, check_finite=False)  # T: no copy is made
    step = np.asarray(eps * cho_solve(factor, b - column, check_finite=False), np.float64)
    longest = float(np.abs(step).max())
    if longest > _LONGEST * eps:
        step *= _LONGEST * eps / longest
    return step


def _relaxation(rate: float) -> float:
    """Return by how much to lengthen a Sinkhorn step where plain ones multiply errors by `rate`.

    Near the solution a step multiplies what is missing by numbers between 0 and r; w of it by
    1 - w + w r, which is smallest for all of them at w = 2 / (2 - r).
    """
    return min(_FASTEST, 2 / (2 - min(rate, 1.0)))


def _error(at: Sweep, b: F64) -> float:
    """Return the L1 distance of the plan's columns from their masses; its rows have theirs."""
    return float(np.abs(at.column - b).sum())


def _masses(masses: F64 | None, count: int) -> F64:
    if masses is None:
        return np.full(count, 1 / count)
    if masses.shape != (count,) or not (masses > 0).all() or abs(masses.sum() - 1) > 1e-6:
        raise RecipeError(
            f"masses of shape {masses.shape}, lowest {float(masses.min(initial=1))!r}, sum "
            f"{float(masses.sum())!r}; wanted {count} above 0 that sum to 1",
            where="transport",
        )
    return masses.astype(np.float64)
