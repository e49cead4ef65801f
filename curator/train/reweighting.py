"""The hook that weighs the rows of a batch by their losses."""

# Shapes: B rows of a batch.
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from curator.train.pick import row_chance
from curator.train.reweight import Reweight


@dataclass(frozen=True)
class Reweighting:
    """Weighs rows by a rule of `curator.train.reweight` over one run.

    Attributes:
        reweight: the settings.
        uniform_steps: before the first step that weighs.
        order_seed: of the run.
    """

    name: ClassVar[str] = "reweight"

    reweight: Reweight
    uniform_steps: int
    order_seed: int

    def __call__(self, step: int, losses_B: Tensor) -> Tensor:
        """Return (B,) float32 weights that sum to 1."""
        count = len(losses_B)
        if step < self.uniform_steps:
            return torch.full_like(losses_B, 1 / count, dtype=torch.float32)
        weights = row_weights(self.reweight, losses_B)
        if not self.reweight.placebo:
            return weights
        chance = row_chance(count, step, self.order_seed, self.reweight.seed)
        return weights[torch.from_numpy(np.argsort(chance)).to(weights.device)]


def row_weights(reweight: Reweight, losses_B: Tensor) -> Tensor:
    """Return the softmax of a rule's numbers over r, (B,) float32; uniform for equal losses.

    h = (2 l - max - min) / (max - min) delta; lin_upper: min(h + delta, delta); quadratic:
    1 - h^2 / delta^2; extremes: |h|; upper: h / 2 + delta / 2.

    Args:
        reweight: the settings.
        losses_B: each row's mean loss in nats a token.
    """
    low, high = losses_B.min(), losses_B.max()
    delta = reweight.delta
    if low == high or not torch.isfinite(losses_B).all():
        # A row whose loss is no number has broken the run, which ends at its own mean.
        return torch.full_like(losses_B, 1 / len(losses_B), dtype=torch.float32)
    stretched = delta * (2 * losses_B.float() - high - low) / (high - low)
    if reweight.rule == "lin_upper":
        numbers = (stretched + delta).clamp_max(delta)
    elif reweight.rule == "quadratic":
        numbers = 1 - stretched.square() / delta**2
    elif reweight.rule == "extremes":
        numbers = stretched.abs()
    else:
        numbers = (stretched + delta) / 2
    return torch.softmax(numbers / reweight.temperature, 0)
