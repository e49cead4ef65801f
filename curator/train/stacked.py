"""Many tiny proxies trained at once in one process: for a GPU, which one of them leaves idle.

Proxies of one shape, each with its own mixture, order and seed, share every step's kernels
(`curator.train.stacked_model`). Each ends in the folder that `curator.train.loop.train` would
have made: the same identity, weights and losses up to the order of additions. On a CPU it works
and is tested, but one process a proxy is the faster way there.

A stack keeps no checkpoints: one that is cut begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from curator.errors import RecipeError
from curator.train.average import Average
from curator.train.checkpoint import Position
from curator.train.ending import RunBatches
from curator.train.loader import open_mixture
from curator.train.loop import Progress, Run, compute_dtype
from curator.train.model import document_mask, dropout_chance
from curator.train.optim import Optimizer
from curator.train.piece import whole_steps
from curator.train.proxy import Proxy
from curator.train.record import RunRecord, Seeds
from curator.train.stacked_model import StackedGpt

REPORT_STEPS = 20  # reading a loss makes the processor wait for the GPU


@dataclass(frozen=True)
class Member:
    """One proxy of a stack: what it reads, its seeds and its folder."""

    mixture: Path
    seed: int
    order_seed: int
    out: Path
    dropout_seed: int | None = None


def train_stack(
    members: Sequence[Member],
    proxy: Proxy,
    *,
    tokens: int,
    device: str = "cuda",
    compiled: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> list[RunRecord]:
    """Return the record of every member, in order; finished ones are served, not trained.

    `seconds` in a record are the stack's divided by its members, `tokens_per_second` the stack's.

    Args:
        members: whose mixtures share one tokenizer.
        proxy: the shape and settings of all.
        tokens: budget of each; whole batches only.
        device: "cpu", "cuda", "cuda:1".
        compiled: whether torch.compile turns the forward pass into fewer kernels (minutes, once).
        progress: called now and then with the mean loss of all.

    Raises:
        BudgetError: `tokens` is less than one batch.
        RecipeError: the mixtures' tokenizers differ.
        LedgerError: a member's folder holds another run.
    """
    steps = whole_steps(tokens, proxy)
    runs = [_run(member, proxy, steps, device) for member in members]
    found = {number: run.served() for number, run in enumerate(runs)}
    todo = [number for number, record in found.items() if record is None]
    if todo:
        fresh = _train([runs[number] for number in todo], compiled=compiled, progress=progress)
        found |= dict(zip(todo, fresh, strict=True))
    return [record for _, record in sorted(found.items()) if record is not None]


def _run(member: Member, proxy: Proxy, steps: int, device: str) -> Run:
    dropout = member.seed if member.dropout_seed is None else member.dropout_seed
    return Run(
        mixture=open_mixture(member.mixture),
        proxy=proxy,
        steps=steps,
        seeds=Seeds(member.seed, member.order_seed, dropout),
        out=member.out,
        device=device,
        threads=torch.get_num_threads(),
    )


def _train(
    runs: Sequence[Run], *, compiled: bool, progress: Callable[[Progress], None] | None
) -> list[RunRecord]:
    """Return the records of runs that differ in mixture, seeds and folder alone."""
    one = runs[0]
    tokenizers = {(run.mixture.vocab_size, run.mixture.bos_id) for run in runs}
    if len(tokenizers) > 1:
        raise RecipeError(
            f"the mixtures of a stack have vocabularies and first tokens {sorted(tokenizers)}; "
            "stack those of one tokenizer"
        )
    model = StackedGpt(
        one.proxy.shape(one.mixture.vocab_size),
        [run.seeds.init for run in runs],
        compute=compute_dtype(one.proxy.precision, one.device),
        dropout=one.proxy.dropout,
        z_loss=one.proxy.z_loss,
    ).to(one.device)
    optimizer, average = Optimizer(model, one.proxy.rates), None
    if one.proxy.average_share > 0:
        average = Average(model, steps=one.steps, share=one.proxy.average_share)
    if compiled:
        model.compile()
    losses = torch.zeros((one.steps, len(runs)), device=one.device)
    batches, began = [run.batches() for run in runs], time.perf_counter()
    for step, (inputs, targets) in enumerate(_ahead(batches, one.steps, one.device)):
        found = model.losses(inputs, targets, _mask(inputs, one), _chances(runs, step))
        found.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step(one.factor(step))
        losses[step] = found.detach()
        if average is not None:
            average.take(step)
        if progress is not None and (step + 1) % REPORT_STEPS == 0:
            mean = losses[step].mean().item()
            done = (step + 1) * len(runs) * one.proxy.batch_tokens
            progress(Progress(step + 1, one.steps, mean, done / (time.perf_counter() - began)))
    if average is not None:
        average.put()
    curves = losses.T.tolist()  # waits for the device
    seconds = time.perf_counter() - began
    speed = one.steps * len(runs) * one.proxy.batch_tokens / seconds
    return [
        _finish(run, model, number, batches[number], curves[number], seconds / len(runs), speed)
        for number, run in enumerate(runs)
    ]


def _ahead(
    batches: Sequence[RunBatches], steps: int, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets of every step, (P, B, T) each, read while the one before trains."""

    def read(step: int) -> tuple[Tensor, Tensor]:
        parts = zip(*(each.batch(step) for each in batches), strict=True)
        inputs, targets = (torch.from_numpy(np.stack(part)) for part in parts)
        if device != "cpu":  # pinned memory is copied while the GPU works
            inputs, targets = inputs.pin_memory(), targets.pin_memory()
        return inputs, targets

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, 0)
        for step in range(steps):
            inputs, targets = coming.result()
            if step + 1 < steps:
                coming = reader.submit(read, step + 1)
            yield inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)


def _mask(inputs_PBT: Tensor, run: Run) -> Tensor | None:
    if not run.proxy.document_mask:
        return None
    return document_mask(inputs_PBT.flatten(0, 1), run.mixture.bos_id)


def _chances(runs: Sequence[Run], step: int) -> list[torch.Generator]:
    if not runs[0].proxy.dropout:
        return []
    return [dropout_chance(run.seeds.dropout, step, run.device) for run in runs]


def _finish(
    run: Run,
    model: StackedGpt,
    number: int,
    batches: RunBatches,
    losses: list[float],
    seconds: float,
    speed: float,
) -> RunRecord:
    """Write one member's folder and return its record."""
    # A run ends at a loss that is no number: what came after it says nothing.
    bad = next((step for step, loss in enumerate(losses) if not np.isfinite(loss)), len(losses))
    run.out.mkdir(parents=True, exist_ok=True)
    position = Position(losses[: bad + 1])
    return run.write(model.model(number), batches, position, seconds, speed)
