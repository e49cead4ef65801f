"""Wide steps: narrow rows go to disk in the order of their keys and are reduced range by range.

An emitted file is sorted by key, so a reducer maps its slice of every file and nothing else. Files
say where each of `RANGES` key ranges begins in them: one reducer takes as many neighboring ranges
as fit `REDUCE_BYTES`, or an even part of a range that has more. So memory is bounded by
`REDUCE_BYTES`, or by the rows of one key, whatever the corpus, and small corpora need one reducer.
`reduce` may not depend on where ranges end, and the output is the same on any engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.tasks import Sight, committed, model_of
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
class KeyRange:
    """Key ranges [start, stop) of `RANGES`; or of one that is too large, one of some even parts."""

    start: int
    stop: int
    part: int = 0
    parts: int = 1

    @property
    def name(self) -> str:
        """What files and errors call it."""
        whole = f"{self.start:03d}-{self.stop - 1:03d}"
        return whole if self.parts == 1 else f"{whole}.{self.part:04d}-of-{self.parts:04d}"

    @property
    def bounds(self) -> tuple[int, int]:
        """The first key, and the one past the last."""
        width = (1 << 64) // RANGES
        if self.parts == 1:
            return self.start * width, self.stop * width
        low = self.start * width
        return (
            low + width * self.part // self.parts,
            low + width * (self.part + 1) // self.parts,
        )


@dataclass(frozen=True)
class ReduceTask:
    """Reduce some neighboring key ranges of all shards."""

    stage: WideStage
    key: str
    step: str
    slices: tuple[tuple[Shard, int, int], ...]  # rows [start, stop) of each shard's emitted file
    keys: KeyRange
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step}, key ranges {self.keys.name}"


def run_emit(task: EmitTask) -> TaskRecord:
    """Write one shard's narrow rows in the order of their keys, and return the record."""

    def make() -> TaskRecord:
        names = tuple(name for name in task.stage.reads if name != ROW.name)
        table = task.sight.columns(names)
        rows = pa.array(np.arange(table.num_rows, dtype=np.uint64))
        table = table.append_column(ROW, rows)
        living = task.sight.living(table)
        narrow = task.stage.emit(model_of(task.stage, task.site), living)
        ordered, bounds = _by_key(narrow, task.stage.key)
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(ordered, path, name=task.sight.name)
        n = living.num_rows
        return TaskRecord(task.key, (shard,), n, n, notes={"bounds": bounds})

    return committed(task, make)


def run_reduce(task: ReduceTask) -> TaskRecord:
    """Reduce the task's key ranges; rows of the output are sorted by all columns."""

    def make() -> TaskRecord:
        pieces = [
            _with_shard_number(_within(rows, task.stage.key, task.keys), number)
            for number, (shard, start, stop) in enumerate(task.slices)
            for rows in [read_shard(shard).slice(start, stop - start)]
        ]
        reduced = task.stage.reduce(in_order(pa.concat_tables(pieces)))
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(in_order(reduced), path, name=task.keys.name)
        return TaskRecord(task.key, (shard,), reduced.num_rows, reduced.num_rows)

    return committed(task, make)


def group_ranges(records: list[TaskRecord]) -> list[KeyRange]:
    """Return key ranges of about `REDUCE_BYTES` of emitted rows each."""
    size = np.zeros(RANGES)
    for record in records:
        rows = np.diff(np.asarray(record.notes["bounds"], dtype=np.int64))
        size += rows * (record.shards[0].size_bytes / max(1, rows.sum()))
    groups: list[KeyRange] = []
    start, held = 0, 0.0
    for number in range(RANGES):
        if held and held + size[number] > REDUCE_BYTES:
            groups += _parts(start, number, held)
            start, held = number, 0.0
        held += size[number]
    return [*groups, *_parts(start, RANGES, held)]


def _parts(start: int, stop: int, size: float) -> list[KeyRange]:
    parts = max(1, math.ceil(size / REDUCE_BYTES)) if stop - start == 1 else 1
    return [KeyRange(start, stop, part, parts) for part in range(parts)]


def slices_of(records: list[TaskRecord], keys: KeyRange) -> tuple[tuple[Shard, int, int], ...]:
    """Return what of each emitted file lies in the key ranges of which `keys` is the whole or a
    part."""
    return tuple(
        (record.shards[0], record.notes["bounds"][keys.start], record.notes["bounds"][keys.stop])
        for record in records
    )


def _by_key(narrow: pa.Table, key: str) -> tuple[pa.Table, list[int]]:
    """Return rows sorted by key, and where each of the ranges begins (and the last ends)."""
    keys = narrow[key].to_numpy()
    order = np.argsort(keys, kind="stable")
    width = (1 << 64) // RANGES
    starts = np.array([width * number for number in range(RANGES)], np.uint64)
    bounds = np.searchsorted(keys[order], starts).tolist()
    return narrow.take(pa.array(order)), [*bounds, len(keys)]


def _within(rows: pa.Table, key: str, keys: KeyRange) -> pa.Table:
    """Return the rows, sorted by key, whose keys lie in a part of a range."""
    if keys.parts == 1:
        return rows
    low, high = keys.bounds
    column = rows[key].to_numpy()
    start = np.searchsorted(column, np.uint64(low))
    stop = len(column) if high >= 1 << 64 else np.searchsorted(column, np.uint64(high))
    return rows.slice(start, stop - start)


def rows_in_shard(rows: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the row in its shard of each row of an artifact, (n,) int64."""
    in_shard: npt.NDArray[np.uint64] = rows.to_numpy() & np.uint64((1 << ROW_BITS) - 1)
    return in_shard.astype(np.int64)


def _with_shard_number(narrow: pa.Table, number: int) -> pa.Table:
    """Return rows whose `row` names a row of the artifact, not of the shard."""
    at = narrow.column_names.index(ROW.name)
    rows = narrow[ROW.name].to_numpy() | (np.uint64(number) << np.uint64(ROW_BITS))
    return narrow.set_column(at, narrow.schema.field(at), pa.array(rows))


def in_order(table: pa.Table) -> pa.Table:
    """Return rows in the one order that neither workers nor shards can change."""
    names = [
        field.name
        for field in table.schema
        if not pa.types.is_nested(field.type)  # Arrow sorts no lists; `row` decides before them
    ]
    table = table.combine_chunks()
    if not table.num_rows or not names:
        return table
    if not pa.types.is_integer(table[names[0]].type):
        return table.sort_by([(name, "ascending") for name in names])
    first = table[names[0]].to_numpy()
    order = np.argsort(first, kind="stable")
    # Most keys are unlike all others; Arrow's slower sort by every column is for those that tie.
    ranked = first[order]
    like_next = ranked[1:] == ranked[:-1]
    ties = np.flatnonzero(np.append(like_next, False) | np.append(False, like_next))
    if len(ties):
        tied = table.select(names).take(pa.array(order[ties]))
        by = [(name, "ascending") for name in names]
        order[ties] = order[ties][pc.sort_indices(tied, sort_keys=by).to_numpy()]
    return table.take(pa.array(order))
