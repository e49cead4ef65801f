"""A fitted law: parameters, their bootstrap, predictions with intervals, and what to distrust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from curator.errors import RecipeError
from curator.laws.form import Floats, Form

# Beyond this ratio of a prediction's input to the nearest fitted one, a prediction is flagged.
# Ours, from a published fit: 20 times the compute cost 0.05 to 0.11 nats (loss-to-loss sweep).
FAR = 10.0


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What a reader should look at before believing a law.

    Attributes:
        converged: the search for the best minimum stopped by itself.
        minima: distinct minima that the starts ended in, by their value.
        condition: condition number of the curvature at the minimum, unit diagonal; large where
            parameters trade off with each other (their own intervals are wide; predictions inside
            the data may still be good).
        r2: share of the variance of the targets that the curve explains.
        error: mean absolute residual (relative for log residuals).
        left_out: the same for each run predicted by a fit without it.
        at_bound: parameters that ended at a bound of their range.
        runs: distinct runs.
        points: data points.
    """

    converged: bool
    minima: int
    condition: float
    r2: float
    error: float
    left_out: float
    at_bound: tuple[str, ...]
    runs: int
    points: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predicted means (n,) with intervals, and how far each point lies beyond the data.

    Attributes:
        mean: the curve.
        low: lower end of the curve's interval: uncertainty of the parameters, not the noise of
            one more run.
        high: upper end.
        extrapolation: 1 inside the fitted range; for inputs by ratio the largest ratio of an input
            to the nearest end of its range; else 1 + distance from the range / its width.
    """

    mean: Floats
    low: Floats
    high: Floats
    extrapolation: Floats

    @property
    def far(self) -> bool:
        """Whether some point lies more than ten times beyond the data: then believe little."""
        return bool(np.any(self.extrapolation > FAR))


@dataclass(frozen=True, slots=True)
class Law:
    """A form with fitted parameters.

    Attributes:
        form: the equation.
        parameters: by name, in their own units.
        bootstrap: (draws, p) parameters fitted to resampled runs, in the form's order.
        units: what the bootstrap reweighted: runs, or seeds that runs share.
        spread: factor that widens the bootstrap's deviations, for few units and many parameters.
        ranges: (k, 2) lowest and highest fitted input.
        diagnostics: what to look at before believing it.
    """

    form: Form
    parameters: Mapping[str, float]
    bootstrap: Floats
    units: int
    spread: float
    ranges: Floats
    diagnostics: Diagnostics

    def predict(self, x: ArrayLike, *, confidence: float = 0.95) -> Prediction:
        """Return the curve at x with its bootstrap interval.

        Args:
            x: (n, k), or (n,) where the form has one input.
            confidence: of the interval, between 0 and 1.

        Raises:
            RecipeError: x does not have the form's columns, or is not finite.
        """
        x_nk = columns(self.form, x)
        mean = self.form.at(self.parameters, x_nk)
        low = high = mean
        if len(self.bootstrap):
            curves = self.form.curve(self.form.inner(self.bootstrap), x_nk)
            tails = [50 * (1 - confidence), 50 * (1 + confidence)]
            low, high = mean + self.widening(confidence) * (
                np.percentile(curves, tails, axis=0) - mean
            )
        return Prediction(mean, np.minimum(low, mean), np.maximum(high, mean), self._beyond(x_nk))

    def interval(self, name: str, *, confidence: float = 0.95) -> tuple[float, float]:
        """Return the bootstrap interval of one parameter, in its own units."""
        at = self.form.names.index(name)
        draws = self.form.inner(self.bootstrap)[:, at]
        row = np.array([[self.parameters[n] for n in self.form.names]])
        middle = self.form.inner(row)[0, at]
        tails = np.percentile(draws, [50 * (1 - confidence), 50 * (1 + confidence)])
        ends = np.repeat(self.form.inner(row), 2, axis=0)
        ends[:, at] = middle + self.widening(confidence) * (tails - middle)
        low, high = self.form.outer(ends)[:, at]
        return float(low), float(high)

    def widening(self, confidence: float) -> float:
        """Return what multiplies a bootstrap percentile's distance from the estimate.

        The spread times the ratio of Student's quantile (units - 1 degrees of freedom) to the
        normal one, as percentile intervals of few units are too narrow.
        """
        tail = 0.5 * (1 + confidence)
        return self.spread * float(stdtrit(max(self.units - 1, 1), tail) / ndtri(tail))

    def _beyond(self, x_nk: Floats) -> Floats:
        low, high = self.ranges.T
        if self.form.scale == "log":
            return np.asarray(np.maximum(np.maximum(x_nk / high, low / x_nk), 1.0).max(axis=1))
        width = np.maximum(high - low, 1e-12)
        outside = np.maximum(np.maximum(x_nk - high, low - x_nk), 0.0)
        return np.asarray(1.0 + (outside / width).max(axis=1))


def columns(form: Form, x: ArrayLike) -> Floats:
    """Return x as (n, k) finite numbers.

    Raises:
        RecipeError: wrong number of columns, or a number that is not finite (or not positive where
            the form takes ratios of its inputs).
    """
    x_nk = np.asarray(x, dtype=np.float64)
    if x_nk.ndim == 1 and len(form.inputs) == 1:
        x_nk = x_nk[:, None]
    if x_nk.ndim != 2 or x_nk.shape[1] != len(form.inputs):
        text = f"x has shape {np.shape(x)}: {form.name} takes the columns {', '.join(form.inputs)}"
        raise RecipeError(text)
    bad = ~np.isfinite(x_nk)
    if form.scale == "log":
        bad |= x_nk <= 0
    if bad.any():
        row, column = np.argwhere(bad)[0]
        wanted = "finite and positive" if form.scale == "log" else "finite"
        text = (
            f"{form.inputs[column]} of point {row} is {x_nk[row, column]:.6g}: {form.name} wants "
            f"{wanted} inputs; drop the point or correct it"
        )
        raise RecipeError(text)
    form.check(x_nk)
    return x_nk
