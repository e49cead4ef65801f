"""Wide steps: narrow rows go to disk by key range and are reduced range by range.

An emitted file is ordered by key range, so a reducer maps its slice of every file and nothing else.
There are always `RANGES` of them, whatever the corpus: one reducer takes as many
neighboring ranges as fit `REDUCE_BYTES`, so memory is bounded by one range and small corpora need
one reducer. `reduce` may not depend on where ranges end, and the output is the same on any engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curator.engine.tasks import Sight, accounts, committed, model_of, scatter
from curator.ledger import Store, TaskRecord
from curator.shards import Shard, read_shard, write_shard
from curator.stage import Site, WideStage

RANGES = 256
REDUCE_BYTES = 32 << 20  # sorting and reducing take several times this: less than mapping a shard
ROW = pa.field("row", pa.uint64(), nullable=False)
ROW_BITS = 40  # row of an artifact = shard number << 40 | row in the shard


@dataclass(frozen=True)
class EmitTask:
    """Turn one shard into narrow rows."""

    stage: WideStage
    key: str
    step: str
    sight: Sight
    site: Site
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step} of {self.sight.name}"


@dataclass(frozen=True)
class ReduceTask:
    """Reduce some neighboring key ranges of all shards."""

    stage: WideStage
    key: str
    step: str
    slices: tuple[tuple[Shard, int, int], ...]  # rows [start, stop) of each shard's emitted file
    ranges: str  # such as "000-255"
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step}, key ranges {self.ranges}"


@dataclass(frozen=True)
class RouteTask:
    """Bring reduced rows home: make the decision sidecar of one shard from them."""

    decide: Callable[[int, pa.Table], pa.Table]  # (rows of the shard, its reduced rows)
    key: str
    step: str
    reduced: tuple[Shard, ...]  # sorted by `row`
    number: int  # of the shard in its artifact
    sight: Sight
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step} of {self.sight.name}"


def run_emit(task: EmitTask) -> TaskRecord:
    """Write one shard's narrow rows in the order of key ranges, and return the record."""

    def make() -> TaskRecord:
        names = tuple(name for name in task.stage.reads if name != ROW.name)
        table = task.sight.columns(names)
        rows = pa.array(np.arange(table.num_rows, dtype=np.uint64))
        table = table.append_column(ROW, rows)
        living = task.sight.living(table)
        narrow = task.stage.emit(model_of(task.stage, task.site), living)
        ordered, bounds = _by_range(narrow, task.stage.key)
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(ordered, path, name=task.sight.name)
        n = living.num_rows
        return TaskRecord(task.key, (shard,), n, n, notes={"bounds": bounds})

    return committed(task, make)


def run_reduce(task: ReduceTask) -> TaskRecord:
    """Reduce the task's key ranges; rows of the output are sorted by all columns."""

    def make() -> TaskRecord:
        pieces = [
            _with_shard_number(read_shard(shard).slice(start, stop - start), number)
            for number, (shard, start, stop) in enumerate(task.slices)
        ]
        reduced = task.stage.reduce(_sorted(pa.concat_tables(pieces)))
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(_sorted(reduced), path, name=task.ranges)
        return TaskRecord(task.key, (shard,), reduced.num_rows, reduced.num_rows)

    return committed(task, make)


def run_route(task: RouteTask) -> TaskRecord:
    """Write the decisions on one shard and return the record."""

    def make() -> TaskRecord:
        low = np.uint64(task.number) << np.uint64(ROW_BITS)
        high = np.uint64(task.number + 1) << np.uint64(ROW_BITS)
        pieces = []
        for shard in task.reduced:
            table = read_shard(shard)
            start, stop = np.searchsorted(table[ROW.name].to_numpy(), [low, high])
            pieces.append(table.slice(start, stop - start))
        decided = task.decide(task.sight.files[0].rows, pa.concat_tables(pieces))
        living = task.sight.living(decided)
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(scatter(living, task.sight.mask()), path, name=task.sight.name)
        return accounts(task.key, (shard,), living)

    return committed(task, make)


def group_ranges(records: list[TaskRecord]) -> list[tuple[int, int]]:
    """Return neighboring key ranges grouped to about `REDUCE_BYTES` of emitted rows each."""
    size = np.zeros(RANGES)
    for record in records:
        rows = np.diff(np.asarray(record.notes["bounds"], dtype=np.int64))
        size += rows * (record.shards[0].size_bytes / max(1, rows.sum()))
    groups: list[tuple[int, int]] = []
    start, held = 0, 0.0
    for number in range(RANGES):
        if held and held + size[number] > REDUCE_BYTES:
            groups.append((start, number))
            start, held = number, 0.0
        held += size[number]
    return [*groups, (start, RANGES)]


def slices_of(
    records: list[TaskRecord], group: tuple[int, int]
) -> tuple[tuple[Shard, int, int], ...]:
    """Return what of each emitted file lies in the key ranges [start, stop) of `group`."""
    start, stop = group
    return tuple(
        (record.shards[0], record.notes["bounds"][start], record.notes["bounds"][stop])
        for record in records
    )


def _by_range(narrow: pa.Table, key: str) -> tuple[pa.Table, list[int]]:
    """Return rows ordered by key range, and where each of the ranges begins (and the last ends)."""
    keys = narrow[key].to_numpy()
    ranges = (keys >> np.uint64(64 - RANGES.bit_length() + 1)).astype(np.int64)
    order = np.argsort(ranges, kind="stable")
    bounds = np.searchsorted(ranges[order], np.arange(RANGES + 1))
    return narrow.take(pa.array(order)), bounds.tolist()


def _with_shard_number(narrow: pa.Table, number: int) -> pa.Table:
    """Return rows whose `row` names a row of the artifact, not of the shard."""
    at = narrow.column_names.index(ROW.name)
    rows = narrow[ROW.name].to_numpy() | (np.uint64(number) << np.uint64(ROW_BITS))
    return narrow.set_column(at, narrow.schema.field(at), pa.array(rows))


def _sorted(table: pa.Table) -> pa.Table:
    """Return rows in the one order that neither workers nor shards can change."""
    keys = [
        (field.name, "ascending")
        for field in table.schema
        if not pa.types.is_nested(field.type)  # Arrow sorts no lists; `row` decides before them
    ]
    return table.combine_chunks().sort_by(keys) if table.num_rows else table
