"""Loss under a learning-rate schedule: areas under the rate and under its fall.

Source: Tissue, Wang and Wang 2024, Scaling Law with Learning Rate Annealing (arXiv 2408.11029):
L(s) = L0 + A S1^-alpha - C S2, with S1 the sum of the rates up to step s and S2 the sum of a
momentum of their falls. Fitted to one constant-then-decayed run, it predicts other schedules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from curator.errors import RecipeError
from curator.laws.form import Floats, Form, Parameter, grid, power

DECAY = 0.999  # of the momentum of the falls, a step; the paper takes 0.99 to 0.9995


def schedule_areas(rates: ArrayLike, *, decay: float = DECAY) -> Floats:
    """Return S1 and S2 after each step (n, 2), the inputs of `LrAnnealing`.

    Args:
        rates: learning rate of each step after warm-up; set the steps of the warm-up to the peak,
            as the law does not hold there, and drop their losses.
        decay: of the momentum of the falls, per step.

    Raises:
        RecipeError: a rate that is negative or not finite, or no positive rate at the first step.
    """
    rate = np.asarray(rates, dtype=np.float64)
    if rate.ndim != 1 or not np.isfinite(rate).all() or (rate < 0).any() or not rate[:1].any():
        text = "learning rates must be finite and not negative, the first one positive: check them"
        raise RecipeError(text)
    falls: Sequence[float] = (-np.diff(rate, prepend=rate[0])).tolist()
    momentum = list(accumulate(falls, lambda total, fall: decay * total + fall))
    return np.column_stack([np.cumsum(rate), np.cumsum(momentum)])


@dataclass(frozen=True)
class LrAnnealing(Form):
    """L = L0 + A S1^-alpha - C S2: areas under the learning rate and under its fall."""

    name: ClassVar[str] = "lr_anneal"
    scale: ClassVar[Literal["log", "linear"]] = "linear"
    inputs: ClassVar[tuple[str, ...]] = ("S1", "S2")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("L0", 1e-9, 1e3),
        Parameter("A", 1e-12, 1e6),
        Parameter("alpha", 1e-4, 10.0),
        Parameter("C", 1e-9, 1e9),
    )

    def check(self, x_nk: Floats) -> None:
        """Raise RecipeError where S1 is not positive."""
        if (x_nk[:, 0] <= 0).any():
            text = f"S1 is {x_nk[:, 0].min():.6g}: it must be positive; drop steps before training"
            raise RecipeError(text)

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        log_area = np.log(x_nk[:, 0])
        floor, alpha, gain = (np.exp(q_Bp[:, i : i + 1]) for i in (0, 2, 3))
        falling = np.exp(power(q_Bp[:, 1:2], alpha, log_area))
        annealed = gain * x_nk[:, 1]
        floors = np.broadcast_to(floor, falling.shape)
        return floors + falling - annealed, np.stack(
            [floors, falling, -falling * alpha * log_area, -annealed], axis=2
        )

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 36 starts: floors, exponents, and the part of the fall that annealing explains."""
        rows = grid((0.1, 0.5, 0.9), (0.1, 0.3, 0.6, 1.0), (0.01, 0.1, 0.5))
        floor, alpha = rows[:, 0] * y_n.min(), rows[:, 1]
        middle = np.exp(np.log(x_nk[:, 0]).mean())
        scale = (np.median(y_n) - floor) * middle**alpha
        gain = rows[:, 2] * np.ptp(y_n) / max(float(np.abs(x_nk[:, 1]).max()), 1e-12)
        return np.column_stack([floor, scale, alpha, gain])
