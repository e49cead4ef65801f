"""The engine's shuffle without engine or disk: any cut of shards, any number of partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa

from curator.stage import Site, WideStage


def run_inline(
    stage: WideStage, tables: Sequence[pa.Table], partitions: int = 1, site: Site | None = None
) -> list[pa.Table]:
    """Return what each of `partitions` equal key ranges reduces to; `tables` are the shards."""
    model = stage.load(site or Site())
    narrow = pa.concat_tables(
        [_numbered(stage, model, shard, number) for number, shard in enumerate(tables)]
    )
    keys = narrow[stage.key].to_numpy()
    borders = [int(Fraction(p, partitions) * 2**64) for p in range(1, partitions)]
    ranges = np.searchsorted(np.array(borders, np.uint64), keys, side="right")
    return [
        stage.reduce(_sorted(narrow.filter(pa.array(ranges == number))))
        for number in range(partitions)
    ]


def cut(table: pa.Table, pieces: int) -> list[pa.Table]:
    """Return the rows of `table` in `pieces` neighboring shards of about equal length."""
    borders = np.linspace(0, table.num_rows, pieces + 1).astype(int)
    return [table.slice(start, stop - start) for start, stop in pairwise(borders.tolist())]


def beside(
    tables: Sequence[pa.Table],
    reduced: Sequence[pa.Table],
    decide: Callable[[int, pa.Table], pa.Table],
) -> list[pa.Table]:
    """Return each shard with the columns that `decide` makes of its reduced rows."""
    found = pa.concat_tables(reduced)
    shards = found["row"].to_numpy() >> np.uint64(40)
    widened = []
    for number, table in enumerate(tables):
        made = decide(table.num_rows, found.filter(pa.array(shards == number)))
        for name in made.column_names:
            table = table.append_column(name, made[name])
        widened.append(table)
    return widened


def _numbered(stage: WideStage, model: object, shard: pa.Table, number: int) -> pa.Table:
    rows = np.arange(shard.num_rows, dtype=np.uint64)
    table = shard.select(list(stage.reads)).append_column("row", pa.array(rows))
    narrow = stage.emit(model, table)
    at = narrow.column_names.index("row")
    named = narrow["row"].to_numpy() | (np.uint64(number) << np.uint64(40))
    return narrow.set_column(at, "row", pa.array(named))


def _sorted(table: pa.Table) -> pa.Table:
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    order = [(name, "ascending") for name in flat]
    return table.combine_chunks().sort_by(order) if table.num_rows else table
