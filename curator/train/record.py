"""What a training run was and how it ended: the content of its run.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curator.shards import write_atomically
from curator.train.checkpoint import RECORD, Evaluated

CURVE_POINTS = 200  # more than a plot can show


@dataclass(frozen=True, slots=True)
class Seeds:
    """The three streams of chance of a run: first weights, order of documents, dropout.

    Arms of a comparison share all three, so that they differ in their text alone.
    """

    init: int
    order: int
    dropout: int


@dataclass(frozen=True)
class RunRecord:
    """What a run was and how it ended; `status` is "finished" or "failed" (never averaged).

    A branch counts its trunk: `tokens`, `steps` and `flops` are what its weights have cost from
    their first step, and `trunk` says how much of that it shares with other branches. `curve`
    and `coverage` are of this run's own steps.
    """

    identity: str
    status: str
    reason: str
    proxy: dict[str, Any]
    mixture: dict[str, str]
    vocab_size: int
    parameters: dict[str, int]
    tokens: int
    steps: int
    flops: int  # arithmetic: tokens x Shape.flops_per_token, and of scoring the rows to pick from
    seed: int
    order_seed: int
    dropout_seed: int
    precision: str
    first_loss: float | None
    final_loss: float | None
    curve: list[dict[str, float]]
    coverage: dict[str, dict[str, int]]
    window: list[float]  # start and share of the circle of documents that it read
    trunk: dict[str, Any] | None  # identity, tokens, steps, flops and window of what it began from
    hooks: dict[str, Any]  # settings of what changed its loss or watched it, by purpose
    evaluations: list[dict[str, Any]]  # steps, tokens, losses: what was measured on the way
    mixing: dict[str, Any] | None  # schedule of sources' weights, cap, weights over time
    parents: list[dict[str, Any]]  # identity and share of the runs whose weights it averages
    circumstances: dict[str, Any]  # device, threads, seconds, tokens_per_second
    picking: dict[str, Any] | None = None  # `PickedBatches.account` of a run that picked its rows
    pruning: dict[str, Any] | None = None  # `PrunedBatches.account` of a run that pruned its rows
    order: dict[str, Any] | None = None  # settings of the curriculum its documents came in
    effective_rows: float | None = None  # mean of (sum w)^2 / sum w^2 of batches that were weighed
    piece: dict[str, Any] | None = None  # of a longer run: `of`, `factor`, `read`, `pieces`

    @property
    def finished(self) -> bool:
        """Whether this run counts."""
        return self.status == "finished"


def write_record(out: Path, record: RunRecord) -> None:
    """Write run.json: from now on the run is over."""
    content = json.dumps(asdict(record), indent=1, allow_nan=False)
    write_atomically(out / RECORD, content.encode())


def broken(losses: Sequence[float]) -> bool:
    """Return whether the last loss is no number."""
    return bool(losses) and not math.isfinite(losses[-1])


def failure(losses: Sequence[float], first: float | None = None) -> str:
    """Return why a run of these losses must not be averaged in, or an empty string.

    Args:
        losses: in nats a token, one a step.
        first: what the last loss must not lie above; None: the first one.
    """
    if broken(losses):
        return f"the loss became {losses[-1]} at step {len(losses)}"
    first = losses[0] if first is None and losses else first
    if first is not None and len(losses) > 1 and last_loss(losses) > first:
        return f"the loss ended at {last_loss(losses):.4f}, above the first, {first:.4f}"
    return ""


def last_loss(losses: Sequence[float]) -> float:
    """Return the mean of the last twentieth: one batch is too noisy to judge by."""
    part = losses[-max(1, len(losses) // 20) :]
    return sum(part) / len(part)


def curve(
    losses: Sequence[float],
    batch_tokens: int,
    statistics: Mapping[int, Mapping[str, float]] | None = None,
    before: int = 0,
    every: int = 0,
) -> list[dict[str, float]]:
    """Return at most `CURVE_POINTS` points: tokens seen, mean loss since the point before.

    Args:
        losses: in nats a token, one a step.
        batch_tokens: tokens of a step.
        statistics: what else was measured at a step (from 0), told at its point.
        before: tokens trained on before the first of these steps.
        every: steps from one point to the next; 0: by how many there are.
    """
    every = every or stride(len(losses))
    points = []
    for start in range(0, len(losses), every):
        part = losses[start : start + every]
        last = start + len(part)
        point = {"tokens": before + last * batch_tokens, "loss": sum(part) / len(part)}
        points.append({**point, **_finite((statistics or {}).get(last - 1, {}))})
    return points


def stride(steps: int) -> int:
    """Return how many steps lie between two points of the curve of a run of `steps` steps."""
    return -(-steps // CURVE_POINTS) or 1


def told(
    evaluations: Sequence[Evaluated], batch_tokens: int, steps_before: int
) -> list[dict[str, Any]]:
    """Return evaluations as a record tells them: steps and tokens count a trunk's."""
    return [
        {
            "steps": steps_before + each.steps,
            "tokens": (steps_before + each.steps) * batch_tokens,
            "losses": _finite(each.losses),
        }
        for each in evaluations
    ]


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return those that JSON can say: a run on its way to NaN measures some that it cannot."""
    return {name: number for name, number in numbers.items() if math.isfinite(number)}
