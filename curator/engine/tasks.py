"""One shard's work, done where the worker is: read, call the stage, put back in place, commit.

Each function here takes one picklable job and writes its record itself, last. A driver that is
killed loses nothing that a worker finished.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import CuratorError, PluginError, ShardError
from curator.identity import fingerprint
from curator.ledger import SECONDS, Store, TaskRecord
from curator.schema import conform
from curator.shards import Shard, read_columns, read_shard, write_shard
from curator.stage import Corpus, Learning, Site, Stage, Work

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk, quota or file-size limit
_MODELS: dict[str, Any] = {}
_MODELS_KEPT = 2  # a worker meets stages one after the other; more would only hold memory


@dataclass(frozen=True)
class Sight:
    """What a task may read of one shard: row-aligned files, and which rows are alive."""

    name: str
    files: tuple[Shard, ...]  # the corpus shard first, then sidecars; earlier ones win a name
    alive: Shard | None  # a decision; None: every row

    def digests(self) -> list[Any]:
        """Return what names these bytes in a task's key."""
        return [[shard.digest for shard in self.files], self.alive and self.alive.digest]

    def mask(self) -> pa.ChunkedArray | None:
        """Return which rows are alive, None where all are."""
        if self.alive is None:
            return None
        return pc.fill_null(read_shard(self.alive, ("keep",))["keep"], fill_value=False)

    def living(self, table: pa.Table) -> pa.Table:
        """Return the rows of a row-aligned table that are alive."""
        mask = self.mask()
        return table if mask is None else table.filter(mask)

    def columns(self, names: tuple[str, ...]) -> pa.Table:
        """Return the named columns of all rows, each from the first file that has it."""
        return read_columns(self.files, names)


class Task(Protocol):
    """A job that leaves a record: work whose record is in the store is not done again."""

    @property
    def step(self) -> str:
        """Name of the artifact that it is a part of."""

    @property
    def key(self) -> str:
        """Fingerprint of all that determines what it makes."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def store(self) -> Store:
        """Where the record goes."""


class StageTask(Protocol):
    """A job that applies a stage to one shard."""

    @property
    def stage(self) -> Stage:
        """What is applied."""

    @property
    def sight(self) -> Sight:
        """What it may read."""

    @property
    def site(self) -> Site:
        """Where it runs."""

    @property
    def name(self) -> str:
        """What errors call it."""


@dataclass(frozen=True)
class MapTask:
    """Apply a stage to one shard."""

    stage: Stage
    key: str
    step: str  # the artifact's name: "clean", "score.sim"
    sight: Sight
    site: Site
    store: Store
    rename: tuple[tuple[str, str], ...] = ()  # a recipe's `as:` names a scorer's columns

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step} of {self.sight.name}"


@dataclass(frozen=True)
class FitTask:
    """Let one that learns do so, in a worker, into a folder."""

    stage: Learning
    corpora: dict[str, Corpus]
    out: Path
    site: Site

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"fit of {self.stage.name}"


@dataclass(frozen=True)
class FolderTask:
    """Let a worker fill a folder: what needs a kernel is not loaded in the driver for it."""

    work: Callable[..., None]  # a top-level function
    arguments: tuple[Any, ...]  # picklable; the folder comes after them
    out: Path
    name: str


def run_folder(task: FolderTask) -> None:
    """Fill the task's folder."""
    task.work(*task.arguments, task.out)


def run_map(task: MapTask) -> TaskRecord:
    """Make one shard of a sidecar and return its record."""

    def make() -> TaskRecord:
        made = processed(task)
        made = made.rename_columns([dict(task.rename).get(c, c) for c in made.column_names])
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(scatter(made, task.sight.mask()), path, name=task.sight.name)
        return accounts(task.key, (shard,), made)

    return committed(task, make)


def processed(task: StageTask) -> pa.Table:
    """Return what the task's stage says of the living rows of its shard, one row each.

    Raises:
        PluginError: the stage returned other columns than it declares, or other rows.
    """
    living = task.sight.living(task.sight.columns(task.stage.reads))
    made = task.stage.process(model_of(task.stage, task.site), living)
    made = conform(made, task.stage.writes, where=task.name)
    if made.num_rows != living.num_rows:
        raise PluginError(
            f"returned {made.num_rows} rows for {living.num_rows}; return one a document",
            where=task.name,
        )
    return made


def run_fit(task: FitTask) -> None:
    """Fill the task's folder with what was learned."""
    try:
        task.stage.fit(task.corpora, task.out, task.site)
    except CuratorError:
        raise
    except Exception as error:
        _let_through(error)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise full_disk(error, task.name) from error
        raise PluginError(f"{type(error).__name__}: {error}", where=task.name) from error


def model_of(stage: Work, site: Site) -> Any:
    """Return what `stage.load` returns, loaded once a worker."""
    key = fingerprint([stage.identity(), site.device, str(site.fitted), str(site.cache)])
    if key not in _MODELS:
        while len(_MODELS) >= _MODELS_KEPT:
            del _MODELS[next(iter(_MODELS))]
        _MODELS[key] = stage.load(site)
    return _MODELS[key]


def scatter(made: pa.Table, mask: pa.ChunkedArray | None) -> pa.Table:
    """Return `made` with a row for every row of the shard: null where a row was not alive."""
    if mask is None:
        return made
    alive = mask.to_numpy()
    places = np.cumsum(alive) - 1
    rows = pa.array(places, mask=~alive)
    spread = made.take(rows)
    fields = [field.with_nullable(nullable=True) for field in made.schema]
    return spread.cast(pa.schema(fields, metadata=made.schema.metadata))


def accounts(key: str, shards: tuple[Shard, ...], made: pa.Table) -> TaskRecord:
    """Return the record of a stage's output: a stage that decides drops, any other keeps all."""
    dropped: dict[str, int] = {}
    if "keep" in made.column_names:
        reasons = made.filter(pc.invert(made["keep"]))["reason"]
        if reasons.null_count:
            raise PluginError(f"{reasons.null_count} dropped rows have no reason", where=key)
        dropped = {v["values"]: v["counts"] for v in reasons.value_counts().to_pylist()}
    rows_out = made.num_rows - sum(dropped.values())
    return TaskRecord(key, shards, made.num_rows, rows_out, dict(sorted(dropped.items())))


def committed(task: Task, make: Callable[[], TaskRecord]) -> TaskRecord:
    """Return the record that is in the store, or that `make` returns, checked and written.

    Any error names the task.
    """
    done = task.store.task(task.step, task.key)
    if done is not None:
        return done
    name = task.name
    begun = time.monotonic()
    try:
        record = make()
        if record.missing():
            raise ShardError(
                f"{record.missing()} of {record.rows_in} records are unaccounted for "
                f"(out {record.rows_out}, dropped {dict(record.dropped)}, quarantined "
                f"{dict(record.quarantined)}); this is a fault of the stage, nothing was committed"
            )
        spent = round(time.monotonic() - begun, 3)
        record = replace(record, notes={**record.notes, SECONDS: spent})
        task.store.commit(task.step, record)
    except CuratorError as error:
        raise error.located(name) from error.__cause__
    except OSError as error:
        if error.errno in NO_ROOM:
            raise full_disk(error, name) from error
        raise ShardError(f"{error}; rerun: finished shards are kept", where=name) from error
    except Exception as error:
        _let_through(error)
        raise ShardError(f"{type(error).__name__}: {error}", where=name) from error
    return record


def _let_through(error: Exception) -> None:
    """Raise Ctrl-C where a library wrapped it: a compiled kernel's call makes it a SystemError."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, SystemError) and isinstance(cause, KeyboardInterrupt):
        raise KeyboardInterrupt from error


def full_disk(error: OSError, where: str) -> ShardError:
    """Return what to say and do where there was no room to write."""
    return ShardError(f"{error}; free some space, then rerun: finished work is kept", where=where)
