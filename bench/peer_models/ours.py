"""curator's own model, optimizer and schedule, as curator.train runs them."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from bench.peer_models.system import Plan, System
from curator.train.model import Gpt
from curator.train.optim import Optimizer
from curator.train.proxy import Proxy, proxy_of_depth

WIDTH_PER_LAYER = 32  # of the dial: the rates it gives to a width


def proxy_of(plan: Plan) -> Proxy:
    """Return the proxy that our dial gives at this width, at the plan's depth and batch."""
    shape = plan.shape
    dial = proxy_of_depth(shape.width // WIDTH_PER_LAYER)
    rates = dial.rates
    if plan.rate != 1.0:
        changed = {n: getattr(rates, n) * plan.rate for n in ("matrix", "embedding", "head")}
        rates = dataclasses.replace(rates, **changed)
    return dataclasses.replace(
        dial,
        depth=shape.depth,
        heads=shape.heads,
        context=shape.context,
        batch_tokens=plan.batch_tokens,
        precision="fp32" if plan.precision == "fp32" else "bf16",
        rates=rates,
    )


class Ours(System):
    """The model with its optimizer and schedule."""

    def __init__(self, plan: Plan) -> None:
        self.proxy = proxy_of(plan)
        narrow = plan.precision != "fp32"
        compute = torch.bfloat16 if narrow else torch.float32
        model = Gpt(self.proxy.shape(plan.shape.vocab_size), seed=plan.seed, compute=compute)
        super().__init__(plan, model)
        self.optimizer = Optimizer(self.model, self.proxy.rates)

    def plain_loss(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        return self.model.loss(tokens_BT, targets_BT)

    def move(self, step: int) -> None:
        self.optimizer.step(self.proxy.schedule.factor(step, self.plan.steps))

    def bits(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        # As a finished run is read back (curator.train.checkpoint.load_model): float32 products.
        parts = [part for part in self.model.modules() if hasattr(part, "compute")]
        narrow = [part.compute for part in parts]
        for part in parts:
            part.compute = torch.float32
        try:
            return self.model.bits(tokens_BT, targets_BT)
        finally:
            for part, compute in zip(parts, narrow, strict=True):
                part.compute = compute

    def block_parameters(self) -> int:
        return self.model.shape.block_parameters
