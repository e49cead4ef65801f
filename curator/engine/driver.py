"""The driver: turns stages into jobs with keys, hands them to an engine, collects records.

A job's key is the fingerprint of the stage's identity and of the digests of all it reads. Work
whose record is in the store is not handed out at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import pyarrow as pa

from curator.engine import rewriting, routing, shuffle, tasks
from curator.engine.progress import StepProgress
from curator.engine.run import Engine
from curator.identity import fingerprint
from curator.ledger import Artifact, Store, TaskRecord, folder_digest
from curator.pulse import forget_in, told_in
from curator.rewrite import Rewriter
from curator.shards import Shard
from curator.stage import Corpus, Learning, Site, Stage, WideStage

Task = TypeVar("Task", bound=tasks.Task)


@dataclass
class Step:
    """How one step of a run went: what the summary prints a line of."""

    artifact: Artifact
    seconds: float
    cached: bool  # nothing had to be computed


@dataclass(frozen=True)
class Reference:
    """Documents that others are compared with, and what emits their rows."""

    stage: WideStage
    corpus: Artifact
    alive: Artifact | None


@dataclass
class Driver:
    """Runs steps on an engine, in a store, and remembers how they went."""

    store: Store
    engine: Engine
    quiet: bool = False
    steps: list[Step] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)  # all made or served, by id
    folders: dict[Path, None] = field(default_factory=dict)  # the same
    _wide_seconds: float = 0.0  # of shuffles whose rows have not been routed home yet

    def map_stage(
        self,
        stage: Stage,
        corpus: Artifact,
        *,
        step: str,
        sidecars: Sequence[Artifact] = (),
        alive: Artifact | None = None,
        site: Site | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> Artifact:
        """Return the sidecar that `stage` makes of `corpus`: same shards, same rows, same order."""
        place = site or Site()
        names = tuple(sorted((rename or {}).items()))
        fitted = folder_digest(place.fitted) if place.fitted else None
        identity = {**stage.identity(), "rename": names, "fitted": fitted}
        jobs = [
            tasks.MapTask(
                stage, fingerprint([step, identity, sight.digests()]), step, sight, place,
                self.store, names,
            )
            for sight in sights(corpus, sidecars, alive)
        ]  # fmt: skip
        return self.publish(
            step, identity, (corpus, *sidecars, alive), self.run_tasks(tasks.run_map, jobs)
        )

    def rewrite(
        self,
        stage: Rewriter,
        corpus: Artifact,
        *,
        step: str,
        sidecars: Sequence[Artifact] = (),
        alive: Artifact | None = None,
    ) -> rewriting.Rewritten:
        """Return what `stage` makes of `corpus`: documents and decisions, rows as they were."""
        identity = stage.identity()
        jobs = [
            rewriting.RewriteTask(
                stage, fingerprint([step, identity, sight.digests()]), step, sight, Site(),
                self.store,
            )
            for sight in sights(corpus, sidecars, alive)
        ]  # fmt: skip
        for job in jobs:
            if self.store.task(step, job.key) is None:  # its decisions were removed or damaged
                self.store.withdraw(job.step, job.key)
        parents = (corpus, *sidecars, alive)
        records, computed, seconds = self.run_tasks(rewriting.run_rewrite, jobs)
        made = (records, computed, seconds)
        documents = self.publish(f"{step}.text", identity, parents, made, listed=False)
        decided = [self.store.task(step, job.key) for job in jobs]
        told = ([record for record in decided if record is not None], computed, seconds)
        return rewriting.Rewritten(documents, self.publish(step, identity, parents, told))

    def shuffle_stage(
        self,
        stage: WideStage,
        corpus: Artifact,
        *,
        step: str,
        sidecars: Sequence[Artifact] = (),
        alive: Artifact | None = None,
        site: Site | None = None,
        references: Sequence[Reference] = (),
    ) -> Artifact:
        """Return what `stage` reduces `corpus` to: shards by key range, not aligned to anything.

        Rows of `references` take part; they are numbered after the shards of `corpus`, so that
        what is said of them is routed nowhere.
        """
        place = site or Site()
        fitted = {"fitted": folder_digest(place.fitted)} if place.fitted else {}
        identity = {**stage.identity(), **fitted}
        emitters = [(stage, identity, sight) for sight in sights(corpus, sidecars, alive)]
        for one in references:
            told = {**one.stage.identity(), **fitted}
            emitters += [(one.stage, told, sight) for sight in sights(one.corpus, (), one.alive)]
        emit = [
            shuffle.EmitTask(
                emitter, fingerprint([step, "emit", told, sight.digests()]), f"{step}.emit",
                sight, place, self.store,
            )
            for emitter, told, sight in emitters
        ]  # fmt: skip
        begun = time.monotonic()
        made = self.run_tasks(shuffle.run_emit, emit)
        emitted, computed = made[:2]
        parents = (corpus, *sidecars, alive)
        narrow = self.publish(f"{step}.emit", identity, parents, made, listed=False)
        reduce = []
        digests = [one.shards[0].digest for one in emitted]
        for keys in shuffle.group_ranges(emitted):
            slices = shuffle.slices_of(emitted, keys)
            key = fingerprint([step, "reduce", identity, digests, keys.name])
            reduce.append(
                shuffle.ReduceTask(stage, key, f"{step}.reduce", slices, keys, self.store)
            )
        records, more, _ = self.run_tasks(shuffle.run_reduce, reduce)
        made = (records, computed + more, time.monotonic() - begun)
        artifact = self.publish(f"{step}.reduce", identity, (*parents, narrow), made, listed=False)
        self._wide_seconds += made[2]
        return artifact

    def route(
        self,
        decide: Callable[[int, pa.Table], pa.Table],
        reduced: Artifact,
        corpus: Artifact,
        *,
        step: str,
        alive: Artifact | None = None,
        rename: Mapping[str, str] | None = None,
    ) -> Artifact:
        """Return the sidecar that `decide` makes of the reduced rows of each shard."""
        what = decide if isinstance(decide, FunctionType) else type(decide)
        identity = {**reduced.identity, "decide": f"{what.__module__}.{what.__qualname__}"}
        names = tuple(sorted((rename or {}).items()))
        if names:
            identity["rename"] = names
        homes = self._gathered(reduced, corpus, step)
        jobs = [
            routing.RouteTask(
                decide,
                fingerprint([step, identity, [s.digest for s in homes[n]], n, sight.digests()]),
                step, homes[n], n, sight, self.store, names,
            )
            for n, sight in enumerate(sights(corpus, (), alive))
        ]  # fmt: skip
        made = self.run_tasks(routing.run_route, jobs)
        artifact = self.publish(step, identity, (corpus, reduced, alive), made)
        self.steps[-1].seconds += self._wide_seconds
        self._wide_seconds = 0.0
        return artifact

    def _gathered(self, reduced: Artifact, corpus: Artifact, step: str) -> list[tuple[Shard, ...]]:
        """Return for each shard of `corpus` the files that have its reduced rows."""
        groups = routing.groups_of(len(corpus.shards), reduced.shards)
        if len(groups) == 1:
            return [reduced.shards] * len(corpus.shards)
        digests = [shard.digest for shard in reduced.shards]
        jobs = [
            routing.GatherTask(
                fingerprint([step, "gather", reduced.identity, digests, group]),
                f"{step}.gather", reduced.shards, *group, self.store,
            )
            for group in groups
        ]  # fmt: skip
        made = self.run_tasks(routing.run_gather, jobs)
        gathered = self.publish(f"{step}.gather", reduced.identity, (reduced,), made, listed=False)
        self._wide_seconds += made[2]
        homes = zip(groups, gathered.shards, strict=True)
        return [(shard,) for (start, stop), shard in homes for _ in range(start, stop)]

    def fit(
        self,
        stage: Learning,
        corpora: Mapping[str, Corpus],
        *,
        step: str,
        site: Site,
    ) -> Path:
        """Return the folder of what was learned, learning it in a worker if need be."""
        identity = {
            **stage.identity(),
            "corpora": {role: corpus.digest for role, corpus in sorted(corpora.items())},
        }
        return self.folder(
            f"fit.{step}",
            identity,
            lambda out: self.run(tasks.run_fit, [tasks.FitTask(stage, dict(corpora), out, site)]),
        )

    def folder(self, name: str, identity: Mapping[str, Any], make: Callable[[Path], Any]) -> Path:
        """Return a folder artifact, made once for its identity."""
        path = self.store.folder(name, identity, make)
        self.folders[path] = None
        return path

    def folder_of(
        self, name: str, identity: Mapping[str, Any], work: Callable[..., None], *arguments: Any
    ) -> Path:
        """Return a folder artifact that a worker makes: `work(*arguments, folder)`."""
        return self.folder(
            name,
            identity,
            lambda out: self.run(tasks.run_folder, [tasks.FolderTask(work, arguments, out, name)]),
        )

    def run(self, work: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
        """Return the results of `work` over `jobs`, in the order of the jobs."""
        results: dict[int, Any] = dict(self.engine.map(work, jobs))
        return [results[number] for number in range(len(jobs))]

    def publish(
        self,
        step: str,
        identity: Mapping[str, Any],
        parents: Sequence[Artifact | None],
        made: tuple[list[TaskRecord], int, float],
        *,
        listed: bool = True,
    ) -> Artifact:
        """Return a step's artifact, with its record written and how the step went remembered."""
        records, computed, seconds = made
        artifact = Artifact(step, identity, tuple(records), tuple(p.id for p in parents if p))
        self.artifacts[artifact.id] = self.store.publish(artifact)
        if listed:
            self.steps.append(Step(artifact, seconds, cached=computed == 0))
        return artifact

    def run_tasks(
        self, work: Callable[[Task], TaskRecord], jobs: Sequence[Task]
    ) -> tuple[list[TaskRecord], int, float]:
        """Return (records in the order of the jobs, how many were computed now, seconds)."""
        begun = time.monotonic()
        records = {n: self.store.task(job.step, job.key) for n, job in enumerate(jobs)}
        todo = [n for n, record in records.items() if record is None]
        step = jobs[0].step if jobs else ""
        with (
            _watch(jobs[todo[0]] if todo else None) as watch,
            StepProgress(step, len(todo), quiet=self.quiet, watch=watch) as progress,
        ):
            for number, record in self.engine.map(work, [jobs[n] for n in todo]):
                job = jobs[todo[number]]
                records[todo[number]] = record
                sight = getattr(job, "sight", None)
                size = sight.files[0].size_bytes if sight else record.notes.get("read", 0)
                progress.advance(record.rows_in, size, {**record.dropped, **record.quarantined})
        done = [record for _, record in sorted(records.items()) if record is not None]
        return done, len(todo), time.monotonic() - begun


@contextmanager
def _watch(job: tasks.Task | None) -> Iterator[Callable[[], float] | None]:
    """Yield what tells how far jobs such as this have come; None if they keep it to themselves.

    What killed ones left is removed before and after: only one driver writes to a store.
    """
    site = getattr(job, "site", None)
    if site is None or site.cache is None:
        yield None
        return
    forget_in(site.cache)
    try:
        yield partial(told_in, site.cache)
    finally:
        forget_in(site.cache)


def sights(
    corpus: Artifact, sidecars: Sequence[Artifact], alive: Artifact | None
) -> list[tasks.Sight]:
    """Return what may be read of each shard of a corpus."""
    beside = [sidecar.shards for sidecar in sidecars]
    decisions = alive.shards if alive else (None,) * len(corpus.shards)
    return [
        tasks.Sight(shard.name, (shard, *(files[n] for files in beside)), decisions[n])
        for n, shard in enumerate(corpus.shards)
    ]
