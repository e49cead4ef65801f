"""The end of a run: its record, from what it was, what it read and what it met."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from curator.identity import settings_of
from curator.train.checkpoint import Position
from curator.train.draws import DrawnBatches
from curator.train.loader import Batches
from curator.train.opening import Opened
from curator.train.picking import PickedBatches
from curator.train.piece import of_whole
from curator.train.proxy import Shape
from curator.train.pruning import PrunedBatches
from curator.train.record import RunRecord, curve, last_loss, stride, told

if TYPE_CHECKING:
    from curator.train.loop import Run

RunBatches = Batches | DrawnBatches | PickedBatches | PrunedBatches


def record_of(
    run: Run,
    shape: Shape,
    batches: RunBatches,
    position: Position,
    reason: str,
    seconds: float,
    speed: float,
) -> RunRecord:
    """Return the record of a run that is over; a piece's tells of all before it too.

    Args:
        run: its settings.
        shape: of its model.
        batches: what it read.
        position: the loss of each step, and what else was measured.
        reason: why it failed, or nothing.
        seconds: how long the steps of this process took.
        speed: tokens a second.
    """
    record = _of_own_steps(run, shape, batches, position, reason, (seconds, speed))
    if run.piece is None:
        return record
    return of_whole(run, record, run.trunk.read_share(run.seeds.order) if run.trunk else 0.0)


def _of_own_steps(
    run: Run,
    shape: Shape,
    batches: RunBatches,
    position: Position,
    reason: str,
    spent: tuple[float, float],
) -> RunRecord:
    """Return the record of a run's own steps; `spent` is seconds and tokens a second."""
    account = batches.account(stride(run.steps)) if isinstance(batches, DrawnBatches) else None
    picked = batches.account(position.step) if isinstance(batches, PickedBatches) else None
    pruned = batches.account(position.step) if isinstance(batches, PrunedBatches) else None
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
        curve=curve(losses, batches.batch_tokens, position.statistics, before, stride(run.whole)),
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
            "seconds": round(spent[0], 3),
            "tokens_per_second": round(spent[1]),
        },
        picking=picked,
        pruning=pruned,
        order=_order(run, batches, position),
        effective_rows=_effective_rows(position),
    )


def _order(run: Run, batches: RunBatches, position: Position) -> dict[str, Any] | None:
    """Return the settings of a run's order, and what opened when and was read again, if it grew."""
    if isinstance(batches, Batches) and isinstance(batches.stream, Opened):
        return batches.stream.account(position.step * batches.batch_tokens)
    return None if run.order is None else settings_of(run.order)


def _effective_rows(position: Position) -> float | None:
    """Return the mean of how many rows counted where that was measured; None: all of them did."""
    known = [each["effective_rows"] for each in position.statistics.values()
             if "effective_rows" in each]  # fmt: skip
    return math.fsum(known) / len(known) if known else None
