"""nanochat's Muon and AdamW groups and their schedules, stated again from reading its source.

Read: karpathy/nanochat nanochat/optim.py, the optimizer setup in nanochat/gpt.py, and
scripts/base_train.py, all at 0e4b3fad, 2026-11-21.

Its rules give rates from a reference (depth 12, 2^19 tokens a batch): all but the smear's fall
with the root of the batch, AdamW's rise with the inverse root of the width, Muon's decay is such
that batch / (rate x decay x tokens) stays what it was. `Plan.rate` multiplies the rates that the
batch scales, `Plan.decay` Muon's decay: at our batch its rules give a sixteenth of the reference.
Its rule for the batch itself (54,000 tokens for 0.1M) would leave some twenty steps of a million
tokens, so it gets the batch that all systems get.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.peer_models.system import Plan

REFERENCE_DEPTH, REFERENCE_WIDTH, REFERENCE_BATCH = 12, 768, 2**19
EMBEDDING_RATE, HEAD_RATE, MATRIX_RATE, SCALAR_RATE, SMEAR_RATE = 0.3, 0.008, 0.02, 0.5, 0.2
MUON_DECAY = 0.28
WARMUP_STEPS = 40
WARMDOWN_SHARE = 0.65
FINAL_SHARE = 0.05
MOMENTUM_STEPS = 400
FIRST_MOMENTUM, HIGHEST_MOMENTUM, LAST_MOMENTUM = 0.85, 0.97, 0.90
VARIANCE_BETA = 0.9
# Polar Express, 5 steps (Amsel et al. 2025, arXiv:2505.16932): numbers of the method.
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


@dataclass(frozen=True)
class Now:
    """What the schedules say at one step."""

    rate: float  # multiplies every group's highest rate
    momentum: float  # of Muon
    decay: float  # of Muon


@dataclass(frozen=True)
class Schedule:
    """Warm-up, constant and linear decay of the rates; Muon's momentum and decay beside them."""

    steps: int
    decay: float

    @classmethod
    def of(cls, plan: Plan) -> Schedule:
        """Return the schedule of a run, Muon's decay scaled to its batch and horizon."""
        weights = 12 * REFERENCE_DEPTH * REFERENCE_WIDTH**2
        reference_tokens = 12 * (weights + plan.shape.vocab_size * REFERENCE_WIDTH)
        horizon = reference_tokens / (plan.steps * plan.batch_tokens)
        return cls(plan.steps, MUON_DECAY * batch_scale(plan) * horizon * plan.decay)

    def at(self, step: int) -> Now:
        """Return what holds at `step`, from 0."""
        warmdown = round(WARMDOWN_SHARE * self.steps)
        left = (self.steps - step) / max(1, warmdown)
        if step < WARMUP_STEPS:
            rate = (step + 1) / WARMUP_STEPS
        else:
            rate = 1.0 if left >= 1 else left + (1 - left) * FINAL_SHARE
        if step < MOMENTUM_STEPS:
            along = step / MOMENTUM_STEPS
            momentum = (1 - along) * FIRST_MOMENTUM + along * HIGHEST_MOMENTUM
        else:
            along = min(1.0, left)
            momentum = along * HIGHEST_MOMENTUM + (1 - along) * LAST_MOMENTUM
        decay = self.decay * (1 + math.cos(math.pi * step / self.steps)) / 2
        return Now(rate, momentum, decay)


def batch_scale(plan: Plan) -> float:
    """Return what a batch other than the reference's does to rates."""
    return math.sqrt(plan.batch_tokens / REFERENCE_BATCH)


class MuonStack:
    """Muon over matrices of one shape, kept and moved as a stack."""

    def __init__(
        self, weights: list[nn.Parameter], peak: float, kernel: Callable[..., None]
    ) -> None:
        rows, columns = weights[0].shape
        self.weights, self.kernel = weights, kernel
        self.peak = peak * max(1.0, rows / columns) ** 0.5
        self.along = -1 if rows >= columns else -2
        self.momentum = torch.zeros(len(weights), rows, columns, device=weights[0].device)
        self.variance = torch.zeros_like(self.momentum.mean(self.along, keepdim=True))

    def step(self, now: Now) -> None:
        gradients = torch.stack([weight.grad for weight in self.weights])
        stack = torch.stack([weight.detach() for weight in self.weights])
        numbers = (self.peak * now.rate, now.momentum, now.decay)
        self.kernel(
            stack,
            gradients,
            self.momentum,
            self.variance,
            # Tensors, so that a compiled kernel is not compiled again for every rate.
            *(torch.tensor(number, dtype=torch.float32) for number in numbers),
            self.along,
        )
        torch._foreach_copy_(self.weights, list(stack.unbind(0)))


class Optimizer:
    """AdamW for what is looked up, read out or a scale; Muon for every matrix in a block."""

    def __init__(self, groups: list[dict[str, Any]], stacks: list[MuonStack]) -> None:
        self.adam = torch.optim.AdamW(groups, eps=1e-10, fused=True)
        self.stacks = stacks

    @torch.no_grad()
    def step(self, now: Now) -> None:
        for group in self.adam.param_groups:
            group["lr"] = group["peak"] * now.rate
        self.adam.step()
        for stack in self.stacks:
            stack.step(now)
            for weight in stack.weights:
                weight.grad = None
        self.adam.zero_grad(set_to_none=True)


def optimizer_of(model: nn.Module, plan: Plan, schedule: Schedule) -> Optimizer:
    """Return the optimizer with its groups, rates and decays."""
    scale = batch_scale(plan) * plan.rate
    wide = scale * (plan.shape.width / REFERENCE_WIDTH) ** -0.5
    tables = list(model.value_embeddings.parameters())
    smear = [model.smear_gate.weight, model.smear_scale, model.backout_scale]
    groups = [
        _group([model.head.weight], HEAD_RATE * wide, (0.8, 0.96), 0.01),
        _group([model.embedding.weight], EMBEDDING_RATE * wide, (0.8, 0.995), 0.001),
        _group(tables, EMBEDDING_RATE * wide / 2, (0.8, 0.995), 0.01),
        _group([model.stream_scales], SCALAR_RATE * scale / 100, (0.8, 0.95), 0.05),
        _group([model.first_scales], SCALAR_RATE * scale, (0.96, 0.95), 0.0),
        _group(smear, SMEAR_RATE, (0.8, 0.95), 0.0),
    ]
    shapes: dict[tuple[int, ...], list[nn.Parameter]] = {}
    for weight in model.blocks.parameters():
        shapes.setdefault(tuple(weight.shape), []).append(weight)
    kernel: Callable[..., None] = move_narrow if plan.precision == "bf16" else move
    if plan.compiled:
        kernel = torch.compile(kernel, dynamic=False, fullgraph=True)
    stacks = [MuonStack(found, MATRIX_RATE * scale, kernel) for _, found in sorted(shapes.items())]
    return Optimizer(groups, stacks)


def _group(
    weights: list[Tensor], peak: float, betas: tuple[float, float], decay: float
) -> dict[str, object]:
    return {"params": weights, "lr": peak, "peak": peak, "betas": betas, "weight_decay": decay}


def move(
    stack: Tensor,
    gradients: Tensor,
    momentum: Tensor,
    variance: Tensor,
    rate: Tensor,
    inertia: Tensor,
    decay: Tensor,
    along: int,
) -> None:
    """Move a stack of matrices in place, (n, rows, columns).

    Nesterov momentum; rows brought to one norm; Polar Express; the norm of an orthogonal matrix;
    each row or column divided by the root of its running mean square, the whole norm kept (Li et
    al. 2025, NorMuon, arXiv:2510.05491); decay only where it and the update agree.
    """
    momentum.lerp_(gradients, 1 - inertia)
    update = orthogonal(gradients.lerp(momentum, inertia))
    _scale_and_apply(stack, update, variance, rate, decay, along)


def move_narrow(
    stack: Tensor,
    gradients: Tensor,
    momentum: Tensor,
    variance: Tensor,
    rate: Tensor,
    inertia: Tensor,
    decay: Tensor,
    along: int,
) -> None:
    """Do as `move`, the orthogonalization in bfloat16."""
    momentum.lerp_(gradients, 1 - inertia)
    update = orthogonal(gradients.lerp(momentum, inertia).bfloat16()).float()
    _scale_and_apply(stack, update, variance, rate, decay, along)


def orthogonal(x: Tensor) -> Tensor:
    """Return matrices near the orthogonal factor of each, (n, rows, columns)."""
    rows, columns = x.shape[-2:]
    wide = x.float()
    mean = wide.norm(dim=(-2, -1), keepdim=True) / rows**0.5
    x = x * (mean / wide.norm(dim=-1, keepdim=True).clamp_min(1e-6)).to(x.dtype)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-6)
    for a, b, c in POLAR_EXPRESS:
        if rows > columns:
            gram = x.mT @ x
            x = a * x + x @ (b * gram + c * (gram @ gram))
        else:
            gram = x @ x.mT
            x = a * x + (b * gram + c * (gram @ gram)) @ x
    norm = x.float().norm(dim=(-2, -1), keepdim=True).clamp_min(1e-6)
    return x * (min(rows, columns) ** 0.5 / norm).to(x.dtype)


def _scale_and_apply(
    stack: Tensor, update: Tensor, variance: Tensor, rate: Tensor, decay: Tensor, along: int
) -> None:
    square = update.square().mean(dim=along, keepdim=True)
    variance.lerp_(square, 1 - VARIANCE_BETA)
    step = variance.clamp_min(1e-10).rsqrt()
    before = square.sum(dim=(-2, -1), keepdim=True).sqrt()
    after = (square * step.square()).sum(dim=(-2, -1), keepdim=True).sqrt()
    update = update * (step * (before / after.clamp_min(1e-10)))
    agree = (update * stack) >= 0
    stack.sub_(rate * update + rate * decay * stack * agree)
