"""The uniform mean of a run's weights over its last steps: smoother than its last ones.

Izmailov et al. 2018, arXiv:1803.05407 (stochastic weight averaging). What it costs is one pass
over the weights a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from curator.errors import LedgerError


class Average:
    """The mean of every weight after each step from `first` on, float32.

    Args:
        model: whose weights are averaged.
        steps: of the run.
        share: of the steps, the last ones, in (0, 1]; at least one step is averaged.
    """

    def __init__(self, model: nn.Module, *, steps: int, share: float) -> None:
        self.first = min(steps - 1, round(steps * (1 - share)))
        self.weights: dict[str, Tensor] = dict(model.named_parameters())
        self.means = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}

    @torch.no_grad()
    def take(self, step: int) -> None:
        """Count in the weights as they are after `step` (from 0)."""
        if step < self.first:
            return
        means, weights = list(self.means.values()), list(self.weights.values())
        torch._foreach_lerp_(means, weights, 1 / (step - self.first + 1))

    @torch.no_grad()
    def put(self) -> None:
        """Replace the model's weights by their means."""
        for name, weight in self.weights.items():
            weight.copy_(self.means[name])

    def state(self) -> dict[str, Tensor]:
        """Return the means so far, by name."""
        return self.means

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned.

        Raises:
            LedgerError: the tensors are not those of this model.
        """
        if tensors.keys() != self.means.keys():
            raise LedgerError(
                f"the checkpoint averages {sorted(tensors)}, wanted {sorted(self.means)}; delete it"
            )
        for name, mean in self.means.items():
            mean.copy_(tensors[name])
