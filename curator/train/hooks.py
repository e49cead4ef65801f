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
from typing import Any, ClassVar, NamedTuple, Protocol

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
    weights: Tensor | None = None  # (B, T) float32, of the documents that targets are of
    rows: Tensor | None = None  # (B,) float32, of a run that prunes: sum(w l) / B is minimized


class Weighed(NamedTuple):
    """What a batch came to."""

    loss: Tensor  # with a gradient
    counted: float  # what its mean counts
    plain: float | None = None  # the unweighted loss, where they differ
    row_losses: Tensor | None = None  # (B,) in nats a token, of a run that prunes
    effective_rows: float | None = None  # where rows are weighed


def weighted_loss(
    model: Gpt, hooks: Hooks, step: int, batch: Batch, chance: torch.Generator | None
) -> Weighed:
    """Return the loss of a batch, and what it counts.

    Row losses that weigh come from the hidden states that the gradient flows through, so the blocks
    run once; the head runs twice.
    """
    if batch.rows is not None:
        return _of_rows(model, batch, batch.rows, chance)
    if hooks.rows is None and hooks.tokens is None:
        given_BT = batch.weights
        loss = model.loss(batch.inputs, batch.targets, batch.mask, given_BT, chance=chance)
        counted = batch.targets.numel() if given_BT is None else given_BT.sum().item()
        return Weighed(loss, float(counted))
    hidden_NC = model(batch.inputs, batch.mask, chance=chance).flatten(0, 1)
    counted_BT = torch.ones_like(batch.targets, dtype=torch.float32)
    if batch.weights is not None:
        counted_BT = batch.weights
    if hooks.tokens is not None:
        given = hooks.tokens(step, batch.inputs, batch.targets)
        counted_BT = counted_BT * _checked(given, counted_BT, hooks.tokens.name)
    weights_BT, plain, effective = counted_BT, None, None
    if hooks.rows is not None:
        losses_BT = _token_losses(model, hidden_NC, batch.targets)
        size_B = counted_BT.sum(1)
        losses_B = (losses_BT * counted_BT).sum(1) / size_B.clamp_min(1e-12)
        weights_B = _checked(hooks.rows(step, losses_B), losses_B, hooks.rows.name)
        effective = float(weights_B.sum().square() / weights_B.square().sum())  # Kish
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
    return Weighed(loss, float(weights_BT.sum()), plain, effective_rows=effective)


def _of_rows(model: Gpt, batch: Batch, rows_B: Tensor, chance: torch.Generator | None) -> Weighed:
    """Return sum(w l) / B over rows, and each row's loss, which the pass that trains has found.

    Not over sum(w): then what a pruned epoch adds up to would no longer be on average what the
    whole epoch does.
    """
    told: list[Tensor] = []
    even = bool((rows_B == 1).all())
    weights_BT = None if even else rows_B[:, None].expand(batch.targets.shape)
    loss = model.loss(batch.inputs, batch.targets, batch.mask, weights_BT, chance=chance, told=told)
    losses_B = torch.cat(told).view(batch.targets.shape).mean(1)
    plain = None
    if not even:
        loss, plain = loss * rows_B.mean(), float(losses_B.mean())
    return Weighed(loss, float(batch.targets.numel()), plain, losses_B)


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
