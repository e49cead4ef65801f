"""What a trainer is to the benches: a model, a loss, a step; and how one is run and measured.

Every system gets the same batches and is measured on the same windows, so that what differs is
its model, optimizer and schedule.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curator.train.proxy import Shape

if TYPE_CHECKING:
    from curator.train.loader import Batches

PRECISIONS = ("autocast", "fp32", "bf16")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run: sizes, length, seed, and what may be tuned.

    Attributes:
        shape: what all systems share: vocabulary, context, depth, width, heads.
        steps: of the run; schedules need the horizon.
        batch_tokens: tokens of a step.
        seed: of the first weights.
        rate: multiplies the learning rates that the system's own rules give.
        decay: multiplies the weight decay that a peer's own rules give to block matrices.
        precision: "autocast" multiplies matrices in bfloat16 under torch.autocast and keeps the
            stream in float32, as ours does; "fp32"; "bf16" keeps the whole stream in bfloat16
            (nanochat's way on a GPU).
        device: where the model lies.
        compiled: the model's loss goes through torch.compile, and so do nanochat's own kernels.
    """

    shape: Shape
    steps: int
    batch_tokens: int
    seed: int = 1
    rate: float = 1.0
    decay: float = 1.0
    precision: str = "autocast"
    device: str = "cpu"
    compiled: bool = False


class System(ABC):
    """A trainer under comparison."""

    def __init__(self, plan: Plan, model: nn.Module) -> None:
        self.plan = plan
        self.model = model.to(plan.device)
        self.compute_loss: Callable[[Tensor, Tensor], Tensor] = self.plain_loss
        if plan.compiled:
            self.compute_loss = torch.compile(self.plain_loss, dynamic=False)

    @abstractmethod
    def plain_loss(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats a token, with a gradient."""

    @abstractmethod
    def move(self, step: int) -> None:
        """Move the weights by their gradients at `step` (from 0) and drop the gradients."""

    @abstractmethod
    def bits(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Return -log2 p of each target, (B, T) float32, matrices multiplied in float32."""

    @abstractmethod
    def block_parameters(self) -> int:
        """Return how many weights lie inside the blocks."""

    def parameters(self) -> int:
        """Return how many weights there are, tied ones once."""
        return sum(weight.numel() for weight in self.model.parameters())

    def train_step(self, batches: Batches, step: int) -> float:
        """Return the loss of one step after moving the weights."""
        tokens, targets = (
            torch.from_numpy(part).to(self.plan.device) for part in batches.batch(step)
        )
        loss = self.compute_loss(tokens, targets)
        loss.backward()
        self.move(step)
        return loss.item()

    def products(self) -> contextlib.AbstractContextManager[object]:
        """Return what a peer's forward pass runs in: autocast, or nothing."""
        if self.plan.precision == "autocast":
            return torch.autocast(torch.device(self.plan.device).type, torch.bfloat16)
        return contextlib.nullcontext()


def cross_entropy_bits(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Return -log2 p of each target, (B, T) float32."""
    nats = nn.functional.cross_entropy(
        logits_BTV.float().flatten(0, 1), targets_BT.flatten(), reduction="none"
    )
    return nats.view_as(targets_BT) / math.log(2)
