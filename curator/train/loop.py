"""Train one proxy on one mixture, resuming what a cut run left; the record is written last.

Two seeds: `seed` draws the first weights, `order_seed` orders the documents. Arms of a comparison
share both, so that they differ in their text alone. On one CPU thread the losses are the same to
the last bit on every repeat, interrupted or not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from curator.errors import BudgetError, LedgerError
from curator.identity import fingerprint, settings_of
from curator.shards import write_atomically
from curator.train import VERSION
from curator.train.checkpoint import (
    CHECKPOINT,
    RECORD,
    Position,
    read_record,
    resume,
    save_checkpoint,
    save_weights,
)
from curator.train.loader import Batches, Mixture, open_mixture
from curator.train.model import Gpt, document_mask
from curator.train.optim import Optimizer
from curator.train.proxy import Proxy

TOKENIZER = "tokenizer.json"
CURVE_POINTS = 200  # more than a plot can show


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: steps done of all, the last loss in nats a token, speed since it began."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True)
class RunRecord:
    """What a run was and how it ended; `status` is "finished" or "failed" (never averaged)."""

    identity: str
    status: str
    reason: str
    proxy: dict[str, Any]
    mixture: dict[str, str]
    vocab_size: int
    parameters: dict[str, int]
    tokens: int
    steps: int
    seed: int
    order_seed: int
    precision: str
    first_loss: float | None
    final_loss: float | None
    curve: list[dict[str, float]]
    coverage: dict[str, dict[str, int]]
    window: list[float]  # start and share of the circle of documents that it read
    circumstances: dict[str, Any]  # device, threads, seconds, tokens_per_second

    @property
    def finished(self) -> bool:
        """Whether this run counts."""
        return self.status == "finished"


def compute_dtype(precision: str, device: str) -> torch.dtype:
    """Return what matrices are multiplied in: bfloat16 only where the processor has it.

    Zen 4, one thread, d2 with 4,096 tokens of vocabulary: 26.7k tokens/s against 20.4k; without
    AVX512-BF16 or AMX, bfloat16 is emulated and far slower than float32.
    """
    if precision == "bf16":
        if device.startswith("cuda"):
            return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
            return torch.bfloat16
    return torch.float32


def train(
    mixture: str | Path,
    proxy: Proxy,
    *,
    tokens: int,
    seed: int,
    order_seed: int,
    out: str | Path,
    device: str = "cpu",
    threads: int = 1,
    checkpoint_seconds: float = 30.0,
    progress: Callable[[Progress], None] | None = None,
) -> RunRecord:
    """Return the record of a run of `tokens` tokens, trained now or found finished in `out`.

    A run that met NaN, or ended above its first loss, has the status "failed" and no weights.

    Args:
        mixture: a mixture's folder.
        proxy: what to train.
        tokens: budget; whole batches only, so up to one batch less is trained. More than the
            mixture holds means further passes, each in another order.
        seed: of the first weights.
        order_seed: of the order of documents.
        out: the run's folder.
        device: "cpu", "cuda", "cuda:1".
        threads: of torch; a process has one setting, and one thread is the reproducible one.
        checkpoint_seconds: at most this much work is lost by a cut; 0: a checkpoint every step.
        progress: called after every step.

    Raises:
        BudgetError: `tokens` is less than one batch.
        LedgerError: `out` holds another run.
    """
    steps = tokens // proxy.batch_tokens
    if steps < 1:
        raise BudgetError(
            f"{tokens} tokens are less than one batch of {proxy.batch_tokens}; ask for more"
        )
    run = _Run(open_mixture(mixture), proxy, steps, seed, order_seed, Path(out), device, threads)
    existing = read_record(out)
    if existing is not None:
        if existing["identity"] != run.identity:
            raise LedgerError("holds another run; train into another folder", where=str(out))
        return RunRecord(**existing)
    torch.set_num_threads(threads)
    return run.finish(checkpoint_seconds, progress)


@dataclass(frozen=True)
class _Run:
    """The settings of one run, opened and checked."""

    mixture: Mixture
    proxy: Proxy
    steps: int
    seed: int
    order_seed: int
    out: Path
    device: str
    threads: int

    @property
    def precision(self) -> str:
        """What matrices are multiplied in here: "bfloat16" or "float32"."""
        return str(compute_dtype(self.proxy.precision, self.device)).removeprefix("torch.")

    @property
    def identity(self) -> str:
        """The fingerprint of all that the weights depend on, up to the processor's rounding."""
        return fingerprint(
            {
                "version": VERSION,
                "proxy": settings_of(self.proxy),
                "mixture": self.mixture.identity(),
                "steps": self.steps,
                "seeds": [self.seed, self.order_seed],
            }
        )

    def finish(
        self, checkpoint_seconds: float, progress: Callable[[Progress], None] | None
    ) -> RunRecord:
        """Train from the start or the last checkpoint, write weights and record."""
        self.out.mkdir(parents=True, exist_ok=True)
        compute = compute_dtype(self.proxy.precision, self.device)
        model = Gpt(self.proxy.shape(self.mixture.vocab_size), seed=self.seed, compute=compute)
        model = model.to(self.device)
        optimizer = Optimizer(model, self.proxy.rates)
        position = resume(self.out, self.identity, model, optimizer)
        resumed, began = position.step, time.perf_counter()
        saved = began
        batches = self._batches()
        while position.step < self.steps and not _broken(position.losses):
            loss = self._step(model, optimizer, batches, position.step)
            position.losses.append(loss)
            position = Position(position.step + 1, position.losses)
            if time.perf_counter() - saved >= checkpoint_seconds and position.step < self.steps:
                save_checkpoint(self.out, self.identity, position, model, optimizer)
                saved = time.perf_counter()
            if progress is not None:
                done = (position.step - resumed) * batches.batch_tokens
                speed = done / (time.perf_counter() - began)
                progress(Progress(position.step, self.steps, loss, speed))
        seconds = time.perf_counter() - began
        return self._write(model, batches, position, seconds, resumed)

    def _batches(self) -> Batches:
        return Batches(
            self.mixture,
            rows=self.proxy.batch_rows,
            context=self.proxy.context,
            order_seed=self.order_seed,
            steps=self.steps,
        )

    def _step(self, model: Gpt, optimizer: Optimizer, batches: Batches, step: int) -> float:
        """Return the loss of one step, in nats a token, after moving the weights."""
        inputs, targets = (torch.from_numpy(part).to(self.device) for part in batches.batch(step))
        mask = None
        if self.proxy.document_mask:
            mask = document_mask(inputs, self.mixture.bos_id)
        loss = model.loss(inputs, targets, mask)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(self.proxy.schedule.factor(step, self.steps))
        return loss.item()

    def _write(
        self, model: Gpt, batches: Batches, position: Position, seconds: float, resumed: int
    ) -> RunRecord:
        reason = failure(position.losses)
        if not reason:
            save_weights(self.out, model)
            self._keep_tokenizer()
        losses = [loss for loss in position.losses if math.isfinite(loss)]
        trained = position.step * batches.batch_tokens
        record = RunRecord(
            identity=self.identity,
            status="failed" if reason else "finished",
            reason=reason,
            proxy=settings_of(self.proxy),
            mixture=self.mixture.identity(),
            vocab_size=self.mixture.vocab_size,
            parameters=_parameters(model),
            tokens=trained,
            steps=position.step,
            seed=self.seed,
            order_seed=self.order_seed,
            precision=self.precision,
            first_loss=losses[0] if losses else None,
            final_loss=_last(losses) if losses else None,
            curve=curve(losses, batches.batch_tokens),
            window=[*batches.window],
            coverage={name: asdict(c) for name, c in batches.coverage(position.step).items()},
            circumstances={
                "device": self.device,
                "threads": self.threads,
                "seconds": round(seconds, 3),
                "tokens_per_second": round((trained - resumed * batches.batch_tokens) / seconds),
            },
        )
        content = json.dumps(asdict(record), indent=1, allow_nan=False)
        write_atomically(self.out / RECORD, content.encode())
        (self.out / CHECKPOINT).unlink(missing_ok=True)
        return record

    def _keep_tokenizer(self) -> None:
        """Copy the mixture's tokenizer beside the weights: alone they could not read a text."""
        tokenizer = self.mixture.folder / TOKENIZER
        if tokenizer.is_file():
            write_atomically(self.out / TOKENIZER, tokenizer.read_bytes())


def failure(losses: list[float]) -> str:
    """Return why a run of these losses must not be averaged in, or an empty string."""
    if _broken(losses):
        return f"the loss became {losses[-1]} at step {len(losses)}"
    if len(losses) > 1 and _last(losses) > losses[0]:
        return f"the loss ended at {_last(losses):.4f}, above the first, {losses[0]:.4f}"
    return ""


def curve(losses: list[float], batch_tokens: int) -> list[dict[str, float]]:
    """Return at most `CURVE_POINTS` points: tokens seen, mean loss since the point before."""
    every = -(-len(losses) // CURVE_POINTS) or 1
    points = []
    for start in range(0, len(losses), every):
        part = losses[start : start + every]
        points.append({"tokens": (start + len(part)) * batch_tokens, "loss": sum(part) / len(part)})
    return points


def _broken(losses: list[float]) -> bool:
    return bool(losses) and not math.isfinite(losses[-1])


def _last(losses: list[float]) -> float:
    """Return the mean of the last twentieth: one batch is too noisy to judge by."""
    part = losses[-max(1, len(losses) // 20) :]
    return sum(part) / len(part)


def _parameters(model: Gpt) -> dict[str, int]:
    """Return how many weights lie in the blocks, the embedding and the head."""
    return {
        "blocks": model.shape.block_parameters,
        "embedding": model.embedding.weight.numel(),
        "head": model.head.weight.numel(),
    }
