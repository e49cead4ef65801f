"""Mixtures become proxies, one a seed, side by side; a cut run goes on from its checkpoint.

With a trunk, one run a seed is trained first, and the arms' proxies are short branches of it.
On a GPU, proxies of one shape and budget are trained together as a stack.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from curator.engine.driver import Driver
from curator.engine.progress import StepProgress
from curator.errors import LedgerError, RecipeError, ShardError
from curator.identity import file_digest
from curator.ledger import RECORD, Store, write_folder_record
from curator.pulse import Pulse, told
from curator.recipe import TrainSpec, suggestion
from curator.stage import library_versions
from curator.train import VERSION
from curator.train.conduct import PLAIN, Conduct
from curator.train.piece import Piece
from curator.train.proxy import Proxy, find_proxy
from pipelines.runs import state_digest

if TYPE_CHECKING:
    from curator.train.loop import Progress
    from curator.train.record import RunRecord

PROXY = "proxy"
PULSE = "pulse"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
DIFFICULTY = "difficulty.arrow"
LARGEST_STACK = 32  # proxies that share a GPU's kernels: what the target was set for
# Weights of a stack: 32 proxies of some millions each. More were not measured, need memory in
# proportion, and a stack keeps no checkpoints: larger proxies are trained one by one. Ours.
STACKED_WEIGHTS = 128_000_000


@dataclass(frozen=True)
class TrainJob:
    """Train one proxy on one mixture from one seed, or from the end of a trunk of that seed."""

    mixture: Path
    proxy: str
    tokens: int
    seed: int
    store: Store
    arm: str = ""
    device: str = "cpu"
    precision: str = ""  # what matrices are multiplied in; found where the job is made
    trunk: TrainJob | None = None  # what it goes on from
    as_trunk: bool = False  # others go on from it
    conduct: Conduct = PLAIN  # which rows it trains on, how they count, in which order
    start: Path | None = None  # the model with state that runs of all seeds go on from
    piece: Piece | None = None  # where it lies in a longer run; `trunk` is the piece before

    def __post_init__(self) -> None:
        """Find the precision once: the folder must have one name on all machines of a cluster."""
        if not self.precision:
            found = _precision(find_proxy(self.proxy), self.device)
            object.__setattr__(self, "precision", found)

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"proxy {self.proxy} on {self.arm or self.mixture.name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Where the run lies: the same for all that its weights depend on."""
        return self.store.folder_path(PROXY, self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """Return what names the run."""
        described = json.loads((self.mixture / "mixture.json").read_text())
        return {
            "version": VERSION,
            "libraries": library_versions(("torch",)),
            "precision": self.precision,
            "draw_hash": described["draw_hash"],
            "tokenizer": described["tokenizer_digest"],
            "proxy": find_proxy(self.proxy),
            "tokens": self.tokens,
            "seed": self.seed,
            "trunk": None if self.trunk is None else self.trunk.identity,
            "as_trunk": self.as_trunk,
            **self.conduct.parts(),
            **({"difficulty": self._difficulty} if self.conduct.order else {}),
            **({"start": state_digest(self.start)} if self.start else {}),
            **({"piece": self.piece} if self.piece else {}),
        }

    @property
    def _difficulty(self) -> str:
        """What names the numbers that documents are ordered by.

        Raises:
            LedgerError: the mixture has none.
        """
        path = self.mixture / DIFFICULTY
        if not path.is_file():
            raise LedgerError(f"{path} is missing; mix again with `order` in the recipe")
        return file_digest(path)


def require_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        RecipeError: it is not.
    """
    if device == "cpu":
        return
    import torch

    known = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if (f"{device}:0" if device == "cuda" else device) not in known:
        raise RecipeError(f"--device: {device!r} is not here; there are {', '.join(known)}")


def _precision(proxy: Proxy, device: str) -> str:
    """Return what a proxy's matrices are multiplied in here: "bfloat16" or "float32"."""
    if proxy.precision == "fp32":
        return "float32"
    from curator.train.loop import compute_dtype

    return str(compute_dtype(proxy.precision, device)).removeprefix("torch.")


def run_train(job: TrainJob) -> Path:
    """Train, or go on training, and return the run's folder; its record is written last."""
    from curator.train.loop import train

    folder = job.folder
    if Store.whole(folder):
        return folder
    _forget_damaged(folder)
    pulse = Pulse(folder / PULSE)
    # One seed for all streams: arms of a comparison share first weights and order of documents.
    trained = train(
        job.mixture,
        find_proxy(job.proxy),
        tokens=job.tokens,
        seed=job.seed if job.start is None else None,
        order_seed=job.seed,
        out=folder,
        start=job.start if job.trunk is None else job.trunk.folder,
        as_trunk=job.as_trunk,
        conduct=job.conduct,
        piece=job.piece,
        device=job.device,
        progress=lambda where: pulse.tell(where.step, where.steps),
    )
    return _close(job, folder, trained)


@dataclass(frozen=True)
class TrainStack:
    """Proxies that differ in mixture and seed alone, trained at once in one process."""

    jobs: tuple[TrainJob, ...]

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{len(self.jobs)} proxies, the first of them {self.jobs[0].name}"


def stacks_of(jobs: Sequence[TrainJob]) -> list[TrainStack]:
    """Return the jobs that are faster together: small ones on a GPU, from first weights."""
    alike: dict[tuple[str, int, str, str, str, int], list[TrainJob]] = {}
    for job in jobs:
        before = (job.trunk, job.start, job.piece) != (None, None, None)
        alone = before or job.as_trunk or not job.conduct.plain
        if job.device != "cpu" and not alone:
            described = json.loads((job.mixture / "mixture.json").read_text())
            if described.get("weighted"):
                continue  # a stack counts all documents alike
            weights = find_proxy(job.proxy).shape(described["vocab_size"]).parameters
            most = min(LARGEST_STACK, STACKED_WEIGHTS // sum(weights.values()))
            vocabulary = described["tokenizer_digest"]
            key = (job.proxy, job.tokens, job.device, job.precision, vocabulary, most)
            if most > 1:
                alike.setdefault(key, []).append(job)
    return [
        TrainStack(tuple(group[start : start + most]))
        for (*_, most), group in alike.items()
        for start in range(0, len(group), most)
    ]


def run_stack(stack: TrainStack) -> list[Path]:
    """Train the jobs of a stack, and return their folders as `run_train` would have made them."""
    from curator.train.stacked import Member, train_stack

    todo = {folder: job for job in stack.jobs if not Store.whole(folder := job.folder)}
    if todo:
        for folder in todo:
            _forget_damaged(folder)
            folder.mkdir(parents=True, exist_ok=True)
        pulses = [Pulse(folder / PULSE) for folder in todo]

        def progress(where: Progress) -> None:
            for pulse in pulses:
                pulse.tell(where.step, where.steps)

        one = stack.jobs[0]
        members = [Member(job.mixture, job.seed, job.seed, folder) for folder, job in todo.items()]
        found = train_stack(
            members, find_proxy(one.proxy), tokens=one.tokens, device=one.device, progress=progress
        )
        for (folder, job), trained in zip(todo.items(), found, strict=True):
            _close(job, folder, trained)
    return [job.folder for job in stack.jobs]


def _forget_damaged(folder: Path) -> None:
    """Remove a run that was finished, and has lost something since."""
    if (folder / RECORD).exists():
        shutil.rmtree(folder)


def _close(job: TrainJob, folder: Path, trained: RunRecord) -> Path:
    """Return the folder of a run that is over, made an artifact.

    Raises:
        ShardError: the run failed.
    """
    Pulse(folder / PULSE).end()
    if not trained.finished:
        raise ShardError(
            f"{trained.reason}; a failed run is never averaged in: lower the proxy's rates, or "
            "look at the mixture",
            where=job.name,
        )
    shutil.copyfile(job.mixture / TOKENIZER, folder / TOKENIZER)  # the scorer perplexity reads it
    write_folder_record(folder, {"name": PROXY, "identity": trained.identity})
    return folder


def train_arms(
    spec: TrainSpec | None,
    mixtures: Mapping[str, Path],
    driver: Driver,
    conducts: Mapping[str, Conduct] = MappingProxyType({}),
    *,
    models: Mapping[str, Path] = MappingProxyType({}),
    device: str = "cpu",
) -> dict[str, list[Path]]:
    """Return the runs of every arm, in the order of the seeds; `conducts` are those of arms."""
    if spec is None:
        return {}
    jobs = jobs_of(spec, mixtures, driver.store, conducts, models=models, device=device)
    runs: dict[str, list[Path]] = {arm: [] for arm in mixtures}
    for job, folder in zip(jobs, train_jobs(jobs, driver), strict=True):
        runs[job.arm].append(folder)
    return runs


def jobs_of(
    spec: TrainSpec,
    mixtures: Mapping[str, Path],
    store: Store,
    conducts: Mapping[str, Conduct] = MappingProxyType({}),
    *,
    models: Mapping[str, Path] = MappingProxyType({}),
    device: str = "cpu",
) -> list[TrainJob]:
    """Return a job for every seed and arm; arms share the trunk of their seed, or one start.

    `conducts` says of arms that do not train plainly how they read their mixture.

    Raises:
        RecipeError: the trunk's arm is not among the mixtures, or the start among `models`.
        LedgerError: the start has no state.
    """
    start = None
    if spec.start is not None:
        if spec.start not in models:
            raise RecipeError(
                f"train.start: no model {spec.start!r}{suggestion(spec.start, models)}"
            )
        start = models[spec.start]
        state_digest(start)
    trunks: dict[int, TrainJob] = {}
    if spec.trunk is not None:
        arm, tokens = spec.trunk.arm, spec.trunk.tokens
        if arm not in mixtures:
            raise RecipeError(f"train.trunk.arm: no arm {arm!r}{suggestion(arm, mixtures)}")
        trunks = {
            seed: TrainJob(
                mixtures[arm], spec.proxy, tokens, seed, store, arm, device, as_trunk=True
            )
            for seed in spec.seeds
        }
    return [
        TrainJob(
            mixture,
            spec.proxy,
            spec.tokens,
            seed,
            store,
            arm,
            device,
            trunk=trunks.get(seed),
            conduct=conducts.get(arm, PLAIN),
            start=start,
        )
        for seed in spec.seeds  # seeds outermost: a cut run leaves whole pairs behind
        for arm, mixture in mixtures.items()
    ]


def train_jobs(jobs: Sequence[TrainJob], driver: Driver) -> list[Path]:
    """Return the run of every job, in their order; finished ones are served.

    Trunks are trained before the first branch: only those that a missing branch begins from.
    """
    folders = [job.folder for job in jobs]  # once: naming a run reads its mixture and its proxy
    # Two arms that drew the same documents in the same order are one run.
    distinct = {f: job for f, job in zip(folders, jobs, strict=True) if not Store.whole(f)}
    trunks = {job.trunk.folder: job.trunk for job in distinct.values() if job.trunk is not None}
    _train_all({f: job for f, job in trunks.items() if not Store.whole(f)}, driver, "train.trunk")
    _train_all(distinct, driver, "train")
    kept = {job.trunk.folder for job in jobs if job.trunk is not None}
    driver.folders |= dict.fromkeys([*sorted(kept), *folders])
    return folders


def _train_all(jobs: Mapping[Path, TrainJob], driver: Driver, step: str) -> None:
    """Train jobs, by folder, side by side; none waits for another."""
    stacks = stacks_of(list(jobs.values()))
    stacked = {job for stack in stacks for job in stack.jobs}
    todo = [job for job in jobs.values() if job not in stacked]

    def watch() -> float:
        return sum(told(folder / PULSE) for folder in jobs)

    with StepProgress(step, len(jobs), quiet=driver.quiet, unit="tokens", watch=watch) as progress:
        for number, _ in driver.engine.map(run_stack, stacks):
            for job in stacks[number].jobs:
                progress.advance(job.tokens, 0, {})
        for number, _ in driver.engine.map(run_train, todo):
            progress.advance(todo[number].tokens, 0, {})
