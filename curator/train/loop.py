"""Train one proxy on one mixture, resuming what a cut run left; the record is written last.

Three seeds: of the first weights, of the order of documents, of dropout. Arms of a comparison
share them, so that they differ in their text alone. On one CPU thread the losses are the same to
the last bit on every repeat, interrupted or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from curator.errors import LedgerError
from curator.identity import fingerprint, settings_of
from curator.train import VERSION
from curator.train.average import Average
from curator.train.branch import Trunk, open_trunk, seeds_of
from curator.train.checkpoint import (
    CHECKPOINT,
    TRUNK,
    Evaluated,
    Position,
    keep_tokenizer,
    read_record,
    restore_checkpoint,
    save_checkpoint,
    save_weights,
)
from curator.train.conduct import PLAIN, Conduct
from curator.train.curriculum import Curriculum
from curator.train.ending import RunBatches, record_of
from curator.train.group import Alone, Group
from curator.train.hooks import Batch, Hooks, Measure, Vitals, weighted_loss
from curator.train.loader import Batches, Mixture, open_mixture
from curator.train.model import Gpt, document_mask, dropout_chance
from curator.train.online import Mixing
from curator.train.opening import Iterative
from curator.train.optim import Optimizer
from curator.train.order import write_order
from curator.train.picking import PickedBatches, Picking
from curator.train.piece import Piece, require_place, whole_steps
from curator.train.proxy import Proxy
from curator.train.pruning import PrunedBatches, Pruning
from curator.train.reading import batches_of, naming, open_conduct, require_sense
from curator.train.record import (
    RunRecord,
    Seeds,
    broken,
    failure,
    stride,
    write_record,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: steps done of all, the last loss in nats a token, speed since it began."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float


# Points of the curve from one with vitals to the next: measured at all, they would take 1.4 % of
# the time of a 0.1M proxy (0.8 ms of 57); at a fourth of them, 0.4 %.
VITALS_EVERY = 4


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
    seed: int | None,
    order_seed: int,
    out: str | Path,
    dropout_seed: int | None = None,
    start: str | Path | None = None,
    as_trunk: bool = False,
    hooks: Hooks | None = None,
    mixing: Mixing | None = None,
    conduct: Conduct = PLAIN,
    piece: Piece | None = None,
    device: str = "cpu",
    threads: int = 1,
    compiled: bool = False,
    group: Group | None = None,
    checkpoint_seconds: float = 30.0,
    progress: Callable[[Progress], None] | None = None,
) -> RunRecord:
    """Return the record of a run of `tokens` tokens, trained now or found finished in `out`.

    A run that met NaN, or ended above its first loss, has the status "failed" and no weights.

    Args:
        mixture: a mixture's folder.
        proxy: what to train.
        tokens: budget, in whole batches; more than the mixture holds means further passes.
        seed: of the first weights; None: those of `start`, a model for runs of all seeds.
        order_seed: of the order of documents.
        out: the run's folder.
        dropout_seed: of dropout; None: `seed`, and without one `order_seed`.
        start: a trunk's folder; the run is a branch that decays over all its tokens.
        as_trunk: hold the rate to the end and keep what branches begin from.
        hooks: what weighs its rows and tokens, and what watches it.
        mixing: weights of sources over the run; None: the mixture's documents as they are.
        conduct: which rows it trains on, how much each counts, in which order it reads.
        piece: where it lies in a longer run, whose piece before is `start`; None: it is whole.
        device: "cpu", "cuda", "cuda:1".
        threads: of torch, one for the process; one is the reproducible one.
        compiled: whether torch.compile fuses the model: for a GPU and more than a tiny run.
        group: the processes that train it together, `curator.train.distributed`; None: this one.
        checkpoint_seconds: at most this much work is lost by a cut; 0: a checkpoint every step.
        progress: called after every step.

    Raises:
        BudgetError: `tokens` is less than one batch, or a source would be read too often.
        LedgerError: `out` holds another run, or `start` is no trunk, or piece before, of this one.
    """
    steps, opened = whole_steps(tokens, proxy), open_mixture(mixture)
    trunk = None if start is None else open_trunk(start, opened, proxy, seed)
    read = open_conduct(conduct, opened, proxy, steps, order_seed, hooks or Hooks())
    run = Run(
        opened, proxy, read.steps, seeds_of(seed, order_seed, dropout_seed, trunk), Path(out),
        trunk, as_trunk, device, threads, group or Alone(), read.hooks, compiled, mixing,
        read.picking, read.pruning, read.order, piece,
    )  # fmt: skip
    return run.served() or run.finish(checkpoint_seconds, progress)


@dataclass(frozen=True)
class Run:
    """The settings of one run, opened and checked."""

    mixture: Mixture
    proxy: Proxy
    steps: int
    seeds: Seeds
    out: Path
    trunk: Trunk | None = None
    as_trunk: bool = False
    device: str = "cpu"
    threads: int = 1
    group: Group = field(default_factory=Alone)
    hooks: Hooks = field(default_factory=Hooks)
    compiled: bool = False
    mixing: Mixing | None = None
    picking: Picking | None = None
    pruning: Pruning | None = None
    order: Curriculum | Iterative | None = None
    piece: Piece | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be read together."""
        require_sense(self)
        require_place(self)

    @property
    def compute(self) -> torch.dtype:
        """What matrices are multiplied in here."""
        return compute_dtype(self.proxy.precision, self.device)

    @property
    def precision(self) -> str:
        """What matrices are multiplied in here: "bfloat16" or "float32"."""
        return str(self.compute).removeprefix("torch.")

    @property
    def whole(self) -> int:
        """Steps of the run, or of the longer one that it is a piece of."""
        return self.steps if self.piece is None else self.piece.of

    @property
    def steps_before(self) -> int:
        """Steps that the trunk has done; 0 without one."""
        return 0 if self.trunk is None else self.trunk.steps

    @property
    def identity(self) -> str:
        """The fingerprint of all that the weights depend on, up to the processor's rounding."""
        return fingerprint(
            {
                "version": VERSION,
                "proxy": settings_of(self.proxy),
                "mixture": self.mixture.identity(),
                "steps": self.steps,
                "seeds": [self.seeds.init, self.seeds.order],
                "dropout": [self.seeds.dropout, self.group.size] if self.proxy.dropout else None,
                "trunk": self.trunk and self.trunk.record["identity"],
                "as_trunk": self.as_trunk,
                "hooks": self.hooks.changing(watched=self.mixing is not None),
                "mixing": self.mixing,
                **naming(self),
                **({"piece": [self.piece.before, self.piece.of]} if self.piece else {}),
            }
        )

    def served(self) -> RunRecord | None:
        """Return the record of this run if its folder holds it finished.

        Raises:
            LedgerError: the folder holds another run.
        """
        record = read_record(self.out)
        if record is not None and record["identity"] != self.identity:
            raise LedgerError("holds another run; train into another folder", where=str(self.out))
        return None if record is None else RunRecord(**record)

    def finish(
        self, checkpoint_seconds: float, progress: Callable[[Progress], None] | None
    ) -> RunRecord:
        """Train from the start or the last checkpoint, write weights and record."""
        torch.set_num_threads(self.threads)
        self.out.mkdir(parents=True, exist_ok=True)
        model, optimizer, average, position = self._begin()
        self.group.agree(position.step)
        resumed, began = position.step, time.perf_counter()
        saved = began
        batches = self.batches(position)
        watch = self.hooks.evaluation.open() if self.hooks.evaluation else None
        while not (self._over(batches, position) or broken(position.losses)):
            position.losses.append(self._step(model, optimizer, batches, position))
            if average is not None:
                average.take(position.step - 1)
            self._evaluate(model, watch, position)
            due = time.perf_counter() - saved >= checkpoint_seconds
            if due and self.group.is_writer and not self._over(batches, position):
                path = self.out / CHECKPOINT
                save_checkpoint(path, self.identity, position, model, optimizer, average)
                saved = time.perf_counter()
            if progress is not None:
                done = (position.step - resumed) * batches.batch_tokens
                speed = done / (time.perf_counter() - began)
                progress(Progress(position.step, self.steps, position.losses[-1], speed))
        seconds = time.perf_counter() - began
        speed = (position.step - resumed) * batches.batch_tokens / seconds
        if self.as_trunk and self.group.is_writer:
            save_checkpoint(self.out / TRUNK, self.identity, position, model, optimizer)
        if average is not None:
            average.put()
        return self.write(model, batches, position, seconds, speed)

    def _over(self, batches: RunBatches, position: Position) -> bool:
        """Return whether no step is left: a run that prunes takes fewer than its budget has."""
        if isinstance(batches, PrunedBatches):
            return batches.over(position.step)
        return position.step >= self.steps

    def _begin(self) -> tuple[Gpt, Optimizer, Average | None, Position]:
        """Return model, optimizer and average as the next step needs them, and how far it is."""
        model = Gpt(
            self.proxy.shape(self.mixture.vocab_size),
            seed=self.seeds.init,
            compute=self.compute,
            dropout=self.proxy.dropout,
            z_loss=self.proxy.z_loss,
        ).to(self.device)
        if self.compiled:
            model.compile()
        optimizer = Optimizer(model, self.proxy.rates)
        checkpoint = self.out / CHECKPOINT
        if self.trunk is not None and not checkpoint.exists():
            self.trunk.begin(model, optimizer)
        share, average = self.proxy.average_share, None
        if self.piece is not None:
            share = self.piece.averaged(share, self.steps)
        if share > 0:
            average = Average(model, steps=self.steps, share=share)
        state = (model, optimizer, average)
        return *state, restore_checkpoint(checkpoint, self.identity, *state)

    def batches(self, position: Position | None = None) -> RunBatches:
        """Return the batches that this run reads, by step.

        Args:
            position: how far it is, with what it has measured and picked: growing while it trains.
        """
        return batches_of(self, position or Position())

    def factor(self, step: int) -> float:
        """Return what the highest rate is multiplied by at `step`."""
        schedule = self.proxy.schedule
        if self.piece is not None:
            return self.piece.factor(schedule, step)
        if self.trunk is not None:
            return schedule.branch_factor(step, self.steps, self.trunk.steps)
        return (schedule.of_trunk() if self.as_trunk else schedule).factor(step, self.steps)

    def _step(
        self, model: Gpt, optimizer: Optimizer, batches: RunBatches, position: Position
    ) -> float:
        """Return the loss of one step, in nats a token, after moving the weights."""
        step, chance, at = position.step, None, position.step
        if isinstance(batches, PickedBatches):
            batches.choose(step, model)
        if isinstance(batches, PrunedBatches):
            batches.choose(step)
            at = batches.plain_step(step)
        batch = self._batch(batches, step)
        if self.proxy.dropout:
            # A branch's dropout goes on where its trunk's stopped.
            own = self.seeds.dropout * self.group.size + self.group.rank
            chance = dropout_chance(own, self.steps_before + step, self.device)
        met = weighted_loss(model, self.hooks, step, batch, chance)
        mean = self.group.backward(model, met.loss, weight=met.counted)
        if isinstance(batches, PrunedBatches) and met.row_losses is not None:
            batches.meet(step, met.row_losses.float().cpu().numpy())
        vitals = None
        if (step + 1) % (VITALS_EVERY * stride(self.whole)) == 0 or step + 1 == self.steps:
            vitals = Vitals(model, step, self.hooks)
        optimizer.step(self.factor(at))
        if vitals is not None:
            counted = met.effective_rows
            told = {} if counted is None else {"effective_rows": counted}
            position.statistics[step] = vitals.after() | told
        return mean if met.plain is None else met.plain

    def _batch(self, batches: RunBatches, step: int) -> Batch:
        """Return this process's rows of a step's batch, on its device."""
        inputs, targets = (
            torch.from_numpy(self.group.rows(part)).to(self.device) for part in batches.batch(step)
        )
        masked = self.proxy.document_mask
        mask = document_mask(inputs, self.mixture.bos_id) if masked else None
        weights = batches.weights(step) if isinstance(batches, Batches | PrunedBatches) else None
        counts = None if weights is None else torch.from_numpy(self.group.rows(weights))
        counts = None if counts is None else counts.to(self.device)
        if isinstance(batches, PrunedBatches):
            return Batch(inputs, targets, mask, rows=counts)
        return Batch(inputs, targets, mask, counts)

    def _evaluate(self, model: Gpt, watch: Measure | None, position: Position) -> None:
        """Measure the model if it is time to."""
        if watch is None or self.hooks.evaluation is None:
            return
        steps = position.step
        if steps % self.hooks.evaluation.every_steps == 0 or steps == self.steps:
            position.evaluations.append(Evaluated(steps, dict(watch(model))))

    def write(
        self, model: Gpt, batches: RunBatches, position: Position, seconds: float, speed: float
    ) -> RunRecord:
        """Return the run's record, written after its weights.

        Args:
            model: as the last step left it.
            batches: what it read.
            position: the loss of each step.
            seconds: how long the steps of this process took.
            speed: tokens a second.
        """
        reason = failure(position.losses, None if self.trunk is None else self.trunk.first_loss)
        if not reason and not all(bool(weight.isfinite().all()) for weight in model.parameters()):
            reason = "some weights are no numbers after the last step"
        if not reason and self.group.is_writer:
            save_weights(self.out, model)
            keep_tokenizer(self.mixture.folder, self.out)
            write_order(
                self.out,
                self.mixture,
                batches.positions,
                steps=position.step,
                batch_tokens=batches.batch_tokens,
            )
        record = record_of(self, model.shape, batches, position, reason, seconds, speed)
        if self.group.is_writer:
            write_record(self.out, record)
            (self.out / CHECKPOINT).unlink(missing_ok=True)
        self.group.wait()
        return record
