"""What a caller may hang into the training loop: weights of rows and tokens, and what to watch.

A hook is a frozen dataclass with a `name`: a pure function of the step and of tensors, whose
settings are part of the run's identity where it changes weights. It keeps no state, so a resumed
run calls it as the whole run would have.
"""

# Shapes: B rows, T positions.
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from curator.errors import RecipeError
from curator.identity import settings_of
from curator.train.loss import mean_loss, token_bits
from curator.train.model import Gpt

Measure = Callable[[Gpt], Mapping[str, float]]


class RowWeights(Protocol):
    """Weighs the rows of a batch by their losses: sum(w l) / sum(w) is what is minimized."""

    name: ClassVar[str]

    def __call__(self, step: int, losses_B: Tensor) -> Tensor:
        """Return (B,) float32 weights, at least 0 and not all 0.

        Args:
            step: from 0.
            losses_B: each row's mean loss over the tokens that count, in nats, detached.
        """


class TokenWeights(Protocol):
    """Weighs the targets of a batch; 0 leaves one out of the loss."""

    name: ClassVar[str]

    def __call__(self, step: int, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Return (B, T) float32 weights, at least 0 and not all 0."""


class GradientStatistics(Protocol):
    """Measures gradients at the points of the curve."""

    name: ClassVar[str]

    def __call__(self, step: int, gradients: Mapping[str, Tensor]) -> Mapping[str, float]:
        """Return numbers by name, from the gradient of every weight by its name."""


class Evaluation(Protocol):
    """Measures the model now and then while it trains."""

    name: ClassVar[str]

    @property
    def every_steps(self) -> int:
        """How many steps lie between two measurements; one more follows the last step."""

    def open(self) -> Measure:
        """Return the measurement, whatever it reads opened once for the run."""


@dataclass(frozen=True)
class Hooks:
    """The hooks of a run; those left out cost nothing."""

    rows: RowWeights | None = None
    tokens: TokenWeights | None = None
    gradients: GradientStatistics | None = None
    evaluation: Evaluation | None = None

    def settings(self) -> dict[str, Any]:
        """Return purpose -> name and settings of each hook there is."""
        hung = {purpose: getattr(self, purpose) for purpose in self.__dataclass_fields__}
        return {
            purpose: {"name": hook.name, "settings": settings_of(hook)}
            for purpose, hook in hung.items()
            if hook is not None
        }

    def changing(self, *, watched: bool = False) -> dict[str, Any]:
        """Return `settings` of the hooks that the weights depend on.

        Args:
            watched: whether the mixture follows what is evaluated.
        """
        counting = {"rows", "tokens"} | ({"evaluation"} if watched else set())
        return {kind: told for kind, told in self.settings().items() if kind in counting}


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step trains on: (B, T) int64 inputs and targets, and the mask of attention."""

    inputs: Tensor
    targets: Tensor
    mask: Tensor | None = None


def weighted_loss(
    model: Gpt, hooks: Hooks, step: int, batch: Batch, chance: torch.Generator | None
) -> tuple[Tensor, float, float | None]:
    """Return the loss of a batch, what its mean counts, and the unweighted loss where they differ.

    Row losses come from the hidden states that the gradient flows through, so the blocks run
    once; the head runs twice.
    """
    if hooks.rows is None and hooks.tokens is None:
        loss = model.loss(batch.inputs, batch.targets, batch.mask, chance=chance)
        return loss, float(batch.targets.numel()), None
    hidden_NC = model(batch.inputs, batch.mask, chance=chance).flatten(0, 1)
    counted_BT = torch.ones_like(batch.targets, dtype=torch.float32)
    if hooks.tokens is not None:
        given = hooks.tokens(step, batch.inputs, batch.targets)
        counted_BT = _checked(given, counted_BT, hooks.tokens.name)
    weights_BT, plain = counted_BT, None
    if hooks.rows is not None:
        losses_BT = _token_losses(model, hidden_NC, batch.targets)
        size_B = counted_BT.sum(1)
        losses_B = (losses_BT * counted_BT).sum(1) / size_B.clamp_min(1e-12)
        weights_B = _checked(hooks.rows(step, losses_B), losses_B, hooks.rows.name)
        # A row counts by its mean: as much with few tokens in it as with many.
        weights_BT = counted_BT * (weights_B / size_B.clamp_min(1e-12))[:, None]
        plain = float((losses_BT * counted_BT).sum() / counted_BT.sum())
    loss = mean_loss(
        hidden_NC,
        model.head.weight,
        batch.targets.flatten(),
        weights_BT.flatten(),
        compute=model.compute,
        z_loss=model.z_loss,
    )
    return loss, float(weights_BT.sum()), plain


@torch.no_grad()
def _token_losses(model: Gpt, hidden_NC: Tensor, targets_BT: Tensor) -> Tensor:
    bits_N = token_bits(hidden_NC.detach(), model.head.weight, targets_BT.flatten(), model.compute)
    return bits_N.view_as(targets_BT) * math.log(2)


def _checked(weights: Tensor, like: Tensor, name: str) -> Tensor:
    """Return a hook's weights if a mean can be taken with them.

    Raises:
        RecipeError: they have another shape, are negative or not finite, or all 0.
    """
    weights = weights.detach().float()
    total = weights.sum().item()
    if weights.shape != like.shape or not 0 < total < math.inf or weights.min() < 0:
        raise RecipeError(
            f"hook {name!r} returned weights of shape {tuple(weights.shape)}, sum "
            f"{total!r} and minimum {weights.min().item()!r}; wanted {tuple(like.shape)}, at "
            "least 0 and not all 0"
        )
    return weights


class Vitals:
    """Whether a step was healthy: size of its gradient, and of its move beside the weights.

    Wortsman et al. 2023, arXiv:2309.14322, watch both: a gradient that falls to the size of
    Adam's epsilon, or a growing move, comes before an instability shows in the loss.

    Args:
        model: before the step, its gradients in place.
        step: from 0.
        hooks: may measure the gradients too.
    """

    @torch.no_grad()
    def __init__(self, model: nn.Module, step: int, hooks: Hooks) -> None:
        gradients = {n: w.grad for n, w in model.named_parameters() if w.grad is not None}
        squares = torch.stack(torch._foreach_norm([*gradients.values()])).square().sum().item()
        numbers = sum(part.numel() for part in gradients.values())
        self._found = {"gradient_rms": math.sqrt(squares / numbers)}
        if hooks.gradients is not None:
            self._found |= hooks.gradients(step, gradients)
        self._weights: list[Tensor] = [
            w for name, w in model.named_parameters() if name.startswith("blocks.")
        ]
        self._before = [weight.clone() for weight in self._weights]

    @torch.no_grad()
    def after(self) -> dict[str, float]:
        """Return what was measured, by name.

        `gradient_rms` is over all weights, `update_ratio` the size of the move of the blocks'
        weights over theirs; the gradient hook's numbers stand beside them.
        """
        moves = [now - then for now, then in zip(self._weights, self._before, strict=True)]
        moved, weighed = (
            torch.stack(torch._foreach_norm(parts)).norm().item() for parts in (moves, self._before)
        )
        return {**self._found, "update_ratio": moved / max(weighed, 1e-12)}
