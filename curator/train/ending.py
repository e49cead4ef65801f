"""The end of a run: its record, from what it was, what it read and what it met."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from curator.identity import settings_of
from curator.train.checkpoint import Position
from curator.train.draws import DrawnBatches
from curator.train.loader import Batches
from curator.train.picking import PickedBatches
from curator.train.proxy import Shape
from curator.train.record import RunRecord, curve, last_loss, stride, told

if TYPE_CHECKING:
    from curator.train.loop import Run

RunBatches = Batches | DrawnBatches | PickedBatches


def record_of(
    run: Run,
    shape: Shape,
    batches: RunBatches,
    position: Position,
    reason: str,
    seconds: float,
    speed: float,
) -> RunRecord:
    """Return the record of a run that is over.

    Args:
        run: its settings.
        shape: of its model.
        batches: what it read.
        position: the loss of each step, and what else was measured.
        reason: why it failed, or nothing.
        seconds: how long the steps of this process took.
        speed: tokens a second.
    """
    account = batches.account(stride(run.steps)) if isinstance(batches, DrawnBatches) else None
    picked = batches.account(position.step) if isinstance(batches, PickedBatches) else None
    losses = [loss for loss in position.losses if math.isfinite(loss)]
    before = run.steps_before * batches.batch_tokens
    tokens = before + position.step * batches.batch_tokens
    return RunRecord(
        identity=run.identity,
        status="failed" if reason else "finished",
        reason=reason,
        proxy=settings_of(run.proxy),
        mixture=run.mixture.identity(),
        vocab_size=run.mixture.vocab_size,
        parameters=shape.parameters,
        tokens=tokens,
        steps=run.steps_before + position.step,
        flops=tokens * shape.flops_per_token + sum(picked["flops"].values() if picked else ()),
        seed=run.seeds.init,
        order_seed=run.seeds.order,
        dropout_seed=run.seeds.dropout,
        precision=run.precision,
        first_loss=losses[0] if losses else None,
        final_loss=last_loss(losses) if losses else None,
        curve=curve(losses, batches.batch_tokens, position.statistics, before),
        coverage={name: asdict(c) for name, c in batches.coverage(position.step).items()},
        window=[*batches.window],
        trunk=None if run.trunk is None else run.trunk.summary(),
        hooks=run.hooks.settings(),
        evaluations=told(position.evaluations, batches.batch_tokens, run.steps_before),
        mixing=account,
        parents=[],
        circumstances={
            "device": run.device,
            "threads": run.threads,
            "processes": run.group.size,
            "seconds": round(seconds, 3),
            "tokens_per_second": round(speed),
        },
        picking=picked,
    )
