"""Reduced rows go home: each shard's documents get what was decided about them.

Every reduced file can have rows of every shard. Where they are many, they are first gathered by
groups of neighboring shards, so that a shard's rows are looked for in one file of bounded size and
not in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from curator.engine.shuffle import REDUCE_BYTES, ROW, ROW_BITS, in_order
from curator.engine.tasks import Sight, accounts, committed, scatter
from curator.ledger import Store, TaskRecord
from curator.shards import Shard, read_shard, write_shard


@dataclass(frozen=True)
class GatherTask:
    """Bring together the reduced rows of the shards [start, stop) of an artifact."""

    key: str
    step: str
    reduced: tuple[Shard, ...]  # each sorted by `row`
    start: int
    stop: int
    store: Store

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step}, shards {self.start} to {self.stop - 1}"


@dataclass(frozen=True)
class RouteTask:
    """Make the decision sidecar of one shard from its reduced rows."""

    decide: Callable[[int, pa.Table], pa.Table]  # (rows of the shard, its reduced rows)
    key: str
    step: str
    reduced: tuple[Shard, ...]  # each sorted by `row`
    number: int  # of the shard in its artifact
    sight: Sight
    store: Store
    rename: tuple[tuple[str, str], ...] = ()  # a recipe's `as:` names a scorer's columns

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.step} of {self.sight.name}"


def groups_of(shards: int, reduced: Sequence[Shard]) -> list[tuple[int, int]]:
    """Return [start, stop) of groups of shards of about `REDUCE_BYTES` of reduced rows each."""
    size = sum(shard.size_bytes for shard in reduced)
    parts = min(max(1, shards), math.ceil(max(1, size) / REDUCE_BYTES))
    borders = [shards * part // parts for part in range(parts + 1)]
    return list(pairwise(borders))


def run_gather(task: GatherTask) -> TaskRecord:
    """Write the reduced rows of a group of shards, sorted, and return the record."""

    def make() -> TaskRecord:
        gathered = in_order(_rows_of(task.reduced, task.start, task.stop))
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(gathered, path, name=f"{task.start:06d}-{task.stop - 1:06d}")
        return TaskRecord(task.key, (shard,), gathered.num_rows, gathered.num_rows)

    return committed(task, make)


def run_route(task: RouteTask) -> TaskRecord:
    """Write the decisions on one shard and return the record."""

    def make() -> TaskRecord:
        mine = _rows_of(task.reduced, task.number, task.number + 1)
        decided = task.decide(task.sight.files[0].rows, mine)
        decided = decided.rename_columns(
            [dict(task.rename).get(c, c) for c in decided.column_names]
        )
        living = task.sight.living(decided)
        path = task.store.task_path(task.step, task.key)
        shard = write_shard(scatter(living, task.sight.mask()), path, name=task.sight.name)
        return accounts(task.key, (shard,), living)

    return committed(task, make)


def _rows_of(reduced: Sequence[Shard], start: int, stop: int) -> pa.Table:
    """Return the reduced rows of the shards [start, stop) of an artifact, from sorted files."""
    low, high = (np.uint64(number) << np.uint64(ROW_BITS) for number in (start, stop))
    pieces = []
    for shard in reduced:
        table = read_shard(shard)
        begin, end = 0, 0
        for chunk in table[ROW.name].chunks:  # without a copy of the column
            before = np.searchsorted(chunk.to_numpy(zero_copy_only=True), [low, high])
            begin, end = begin + int(before[0]), end + int(before[1])
        pieces.append(table.slice(begin, end - begin))
    return pa.concat_tables(pieces)
