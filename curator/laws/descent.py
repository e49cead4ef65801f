"""Least squares and Huber fits of many sets of parameters at once, within bounds.

Every start of every resample is one row of a batch that steps together: Levenberg-Marquardt with
the curvature of iteratively reweighted least squares (Huber 1981, Robust Statistics, section 7.8;
Marquardt 1963, J. SIAM 11:431). Parameters at a bound are held while the slope points outward.
The best minimum of the full data is finished by SciPy's L-BFGS-B, whose minimum is kept if lower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize

from curator.laws.form import Floats, Form

Loss = Literal["huber", "squares"]
Residual = Literal["log", "linear"]
_CHUNK = 4_000_000  # numbers in one batch of derivatives: 32 MB
_STEPS = 300
_MOST_DAMPING = 1e10


@dataclass(frozen=True)
class Problem:
    """One form and its data: all that a search needs besides starts and weights.

    Attributes:
        form: the equation.
        x_nk: inputs.
        y_n: targets.
        low_p: lower bounds in internal coordinates; equal to `high_p` where a parameter is fixed.
        high_p: upper bounds.
        loss: "huber" or "squares".
        delta: where Huber's loss turns from a square into a line.
        residual: of the logarithms or of the values.
        pull_p: weight of the penalty on the distance from `center_p`, per parameter.
        center_p: where the penalty is zero.
        tail_p: distance from which the penalty grows like a logarithm; infinite for a square.
    """

    form: Form
    x_nk: Floats
    y_n: Floats
    low_p: Floats
    high_p: Floats
    loss: Loss
    delta: float
    residual: Residual
    pull_p: Floats
    center_p: Floats
    tail_p: Floats

    @property
    def free(self) -> int:
        """Number of parameters that are not fixed."""
        return int((self.low_p < self.high_p).sum())

    def residuals(self, curve_Bn: Floats) -> Floats:
        """Return curve minus target, of the logs or of the values; NaN where there is no log."""
        if self.residual == "linear":
            return curve_Bn - self.y_n
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(curve_Bn) - np.log(self.y_n)

    def cost(self, away_Bn: Floats) -> Floats:
        """Return the loss of each residual."""
        square = 0.5 * away_Bn**2
        if self.loss == "squares":
            return square
        size = np.abs(away_Bn)
        return np.where(size <= self.delta, square, self.delta * (size - 0.5 * self.delta))

    def slopes(self, q_Bp: Floats, weights_Bn: Floats) -> tuple[Floats, Floats, Floats]:
        """Return value (B,), gradient (B, p) and curvature (B, p, p) of the objective."""
        curve, slopes = self.form.slopes(q_Bp, self.x_nk)
        away = self.residuals(curve)
        if self.residual == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                slopes = slopes / curve[:, :, None]
        trust = weights_Bn
        if self.loss == "huber":
            trust = trust * np.minimum(
                1.0, self.delta / np.maximum(np.abs(away), self.delta * 1e-3)
            )
        trusted = slopes * trust[:, :, None]
        penalty, push, bend = self._penalty(q_Bp)
        value = (weights_Bn * self.cost(away)).sum(axis=1) + penalty
        gradient = np.einsum("bnp,bn->bp", trusted, away) + push
        curvature = np.matmul(trusted.transpose(0, 2, 1), slopes)
        curvature += bend[:, :, None] * np.eye(self.low_p.size)
        return np.where(np.isfinite(value), value, np.inf), gradient, curvature

    def _penalty(self, q_Bp: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the penalty (B,), its gradient and a curvature that bounds it (B, p)."""
        away = q_Bp - self.center_p
        with np.errstate(invalid="ignore"):
            ratio = (away / self.tail_p) ** 2
            value = np.where(np.isinf(self.tail_p), away**2, self.tail_p**2 * np.log1p(ratio))
        bend = self.pull_p / (1 + ratio)
        penalized = np.where(self.pull_p > 0, self.pull_p * value, 0.0)
        return 0.5 * penalized.sum(axis=1), bend * away, bend


@dataclass(frozen=True, slots=True)
class Minima:
    """Where each row of a batch ended: parameters, value, and whether it stopped by itself."""

    q_Bp: Floats
    value_B: Floats
    converged_B: np.ndarray


def descend(
    problem: Problem,
    q_Bp: Floats,
    weights_Bn: Floats,
    *,
    steps: int = _STEPS,
    tolerance: float = 1e-9,
) -> Minima:
    """Return the minimum that each row reaches from its start, batch by batch.

    A row stops when three steps in a row gain less than `tolerance` of its value.
    """
    size = max(1, _CHUNK // (problem.y_n.size * problem.low_p.size))
    parts = [
        _descend(problem, q_Bp[i : i + size], weights_Bn[i : i + size], steps, tolerance)
        for i in range(0, len(q_Bp), size)
    ]
    return Minima(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _descend(
    problem: Problem, q_Bp: Floats, weights_Bn: Floats, steps: int, tolerance: float
) -> tuple[Floats, Floats, np.ndarray]:
    q = np.clip(q_Bp, problem.low_p, problem.high_p)
    value, gradient, curvature = problem.slopes(q, weights_Bn)
    damping = np.full(len(q), 1e-2)
    quiet = np.zeros(len(q), dtype=np.int64)
    live = np.flatnonzero(np.isfinite(value))
    converged = np.zeros(len(q), dtype=bool)
    for _ in range(steps):
        if live.size == 0:
            break
        trial = _step(problem, q[live], gradient[live], curvature[live], damping[live])
        lower, slope, bend = problem.slopes(trial, weights_Bn[live])
        better = lower < value[live]
        gained = np.where(better, value[live] - lower, 0.0)
        moved = live[better]
        quiet[live] = np.where(
            better & (gained <= tolerance * value[live]),
            quiet[live] + 1,
            np.where(better, 0, quiet[live]),
        )
        q[moved], value[moved] = trial[better], lower[better]
        gradient[moved], curvature[moved] = slope[better], bend[better]
        damping[live] *= np.where(better, 0.2, 4.0)
        damping[live] = np.maximum(damping[live], 1e-15)
        stopped = (quiet[live] >= 3) | (damping[live] > _MOST_DAMPING)
        converged[live[stopped]] = True
        live = live[~stopped]
    return q, value, converged


def _step(
    problem: Problem, q_Bp: Floats, gradient_Bp: Floats, curvature_Bpp: Floats, damping_B: Floats
) -> Floats:
    """Return the next points: a damped Newton step among parameters that are not held."""
    low, high = problem.low_p, problem.high_p
    held = ((q_Bp <= low) & (gradient_Bp > 0)) | ((q_Bp >= high) & (gradient_Bp < 0))
    held |= low >= high
    bend = np.where(held[:, :, None] | held[:, None, :], 0.0, curvature_Bpp)
    scale = np.einsum("bpp->bp", bend)
    scale = np.maximum(scale, 1e-10 * scale.max(axis=1, keepdims=True) + 1e-300)
    diagonal = np.where(held, 1.0, scale * damping_B[:, None])
    bend = bend + diagonal[:, :, None] * np.eye(low.size)
    slope = np.where(held, 0.0, gradient_Bp)
    # Scaled to a unit diagonal, so that the solver's error does not depend on the units.
    root = np.sqrt(np.einsum("bpp->bp", bend))
    bend = bend / (root[:, :, None] * root[:, None, :]) + 1e-14 * np.eye(low.size)
    move = np.linalg.solve(bend, (slope / root)[:, :, None])[:, :, 0] / root
    return np.asarray(np.clip(q_Bp - move, low, high))


def finish(problem: Problem, q_p: Floats, weights_n: Floats) -> tuple[Floats, float]:
    """Return the minimum that L-BFGS-B reaches from `q_p`, and its value; never a worse one."""
    start = float(problem.slopes(q_p[None], weights_n[None])[0][0])
    unit = start if start > 0 else 1.0  # so that the tolerances mean parts of the value

    def objective(q: Floats) -> tuple[float, Floats]:
        value, gradient, _ = problem.slopes(q[None], weights_n[None])
        return float(value[0]) / unit, gradient[0] / unit

    found = minimize(
        objective,
        q_p,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(problem.low_p, problem.high_p, strict=True)),
        options={"ftol": 0.0, "gtol": 1e-10, "maxiter": 5000, "maxfun": 20_000},
    )
    value = float(found.fun) * unit
    return (found.x, value) if value < start else (q_p, start)
