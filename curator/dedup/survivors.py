"""Who stays of several copies, what is written about the others, and when losing too many stops.

The survivor is the copy of the source named first in `source_priority`, then the best in a column
if the recipe names one, then the longest (or the shortest), then the one with the smallest doc_id.
File order never decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.engine.shuffle import rows_in_shard
from curator.errors import BudgetError, PluginError, RecipeError
from curator.schema import DECISION, DOC_ID, places_of

REMOVALS: Final = pa.schema(
    [
        pa.field("row", pa.uint64(), nullable=False),  # shard number << 40 | row in the shard
        DOC_ID.with_name("dropped_id"),
        DOC_ID.with_name("kept_id"),
        pa.field("kept_row", pa.uint64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("jaccard", pa.float32()),  # of the two shingle sets; null: not verified
        pa.field("containment", pa.float32()),  # share of the dropped set found in the kept one
    ],
    metadata={"curator.schema": "removals/1"},
)
DECISIONS: Final = pa.schema(
    [
        *DECISION,
        pa.field("kept_id", pa.binary(16)),  # the copy that stays; null: this document stays
        pa.field("jaccard", pa.float32()),
        pa.field("containment", pa.float32()),
    ],
    metadata={"curator.schema": "removal-decision/1"},
)
OF_REFERENCE: Final = 0  # the priority of documents that are no candidates for removal
EXTRA: Final = "extra."  # "extra.upvotes": a number in the JSON that ingest kept of a record
_MOST_BYTES: Final = np.uint64(1 << 62)
_63: Final = np.uint64(63)
# Below this many lost documents a share says nothing; `max_bad_records` has the same floor.
_FEW: Final = 10


@dataclass(frozen=True)
class Survivors:
    """Which of several copies stays: `standing` puts the best first.

    Attributes:
        source_priority: sources from the most to the least wanted; others come after them.
        column: of numbers or dates ("2026-11-21..."), or "extra.NAME"; it decides before the
            length. Copies without a value come after all that have one.
        prefer: which end of `column` is better.
        length: which of copies that are equal so far is better.
        reference: these documents are no candidates for removal: they stand before all others.
    """

    source_priority: tuple[str, ...] = ()
    column: str | None = None
    prefer: Literal["higher", "lower"] = "higher"
    length: Literal["longest", "shortest"] = "longest"
    reference: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that `standing` looks at."""
        ranked = self.field is not None and not self.reference
        return ("text", "doc_id", "source", *((str(self.field),) if ranked else ()))

    @property
    def field(self) -> str | None:
        """The table's column that holds `column`."""
        if self.column is not None and self.column.startswith(EXTRA):
            return EXTRA.rstrip(".")
        return self.column

    def standing(self, table: pa.Table) -> dict[str, pa.Array]:
        """Return columns that put the best survivor first when rows are sorted by them in order.

        Args:
            table: the columns of `reads`, and row.

        Raises:
            RecipeError: the column holds neither numbers nor dates.
        """
        n = table.num_rows
        names = pa.array(self.source_priority, pa.string())
        places = pc.index_in(table["source"].cast(pa.string()), names)
        priority = pc.add(pc.fill_null(places, len(names)).cast(pa.uint32()), 1)
        if self.reference:
            priority = pa.array(np.full(n, OF_REFERENCE, np.uint32))
        columns = {"priority": priority.cast(pa.uint32())}
        if self.column is not None and self.reference:
            columns["rank"] = pa.array(np.zeros(n, np.uint64))
        elif self.column is not None:
            columns["rank"] = pa.array(_ranks(column_values(table, self.column), self.prefer))
        lengths = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy().astype(np.uint64)
        if self.length == "longest":
            lengths = _MOST_BYTES - lengths  # bytes, so that longer sorts earlier
        return {
            **columns,
            "length": pa.array(lengths),
            "doc_id": table["doc_id"],
            "row": table["row"],
        }


LONGEST: Final = Survivors()  # the default policy


def column_values(table: pa.Table, column: str) -> npt.NDArray[np.float64]:
    """Return what `Survivors.column` says of each document, NaN where it says nothing.

    Args:
        table: with the column of `Survivors.field`.
        column: as in `Survivors`; dates become days.

    Raises:
        RecipeError: the column holds neither numbers nor dates, or "extra.NAME" has no such name.
    """
    if column.startswith(EXTRA):
        texts = pl.Series(table["extra"].cast(pa.large_string()))
        # Quoted, so that any key is one key; of two quotes JSONPath would make two.
        path = "$['" + column.removeprefix(EXTRA).replace("'", "") + "']"
        try:
            found = texts.str.json_path_match(path).cast(pl.Float64, strict=False)
        except pl.exceptions.ComputeError as error:
            raise RecipeError(
                f"{column!r} names no field that can be looked up; wanted extra.NAME with a name "
                "that needs no backslash",
                where="dedup.survivors",
            ) from error
        return found.fill_null(np.nan).to_numpy()
    values = table[column]
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        days = pl.Series(values.cast(pa.large_string())).str.slice(0, 10)
        found = days.str.to_date("%Y-%m-%d", strict=False).to_physical().cast(pl.Float64)
        return found.fill_null(np.nan).to_numpy()
    try:
        numbers = pc.fill_null(values.cast(pa.float64(), safe=False), np.nan)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RecipeError(
            f"column {column!r} holds {values.type}; wanted numbers, or dates as text",
            where="dedup.survivors",
        ) from error
    return np.asarray(numbers.to_numpy())


def _ranks(values: npt.NDArray[np.float64], prefer: str) -> npt.NDArray[np.uint64]:
    """Return integers that rise from the best value to the worst; NaN comes last."""
    absent = np.isnan(values)
    bits = (np.where(absent, 0.0, values) + 0.0).view(np.uint64)  # -0.0 + 0.0 is 0.0
    rising = np.where(bits >> _63, ~bits, bits | (np.uint64(1) << _63))  # IEEE 754 order
    ranks = ~rising if prefer == "higher" else rising
    return np.where(absent, np.uint64(2**64 - 1), ranks)


def segment_starts(*columns: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return (n,) bool, True where any of the sorted columns differs from the row before."""
    first = np.ones(len(columns[0]), np.bool_)
    first[1:] = False
    for column in columns:
        first[1:] |= column[1:] != column[:-1]
    return first


def segment_heads(first: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return (n,) int64: for each row the row at which its segment starts."""
    return np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))


def removals(
    partition: pa.Table,
    dropped: npt.NDArray[np.int64],
    kept: npt.NDArray[np.int64],
    reason: str,
    *,
    jaccard: npt.NDArray[np.float64] | None = None,
    containment: npt.NDArray[np.float64] | None = None,
) -> pa.Table:
    """Return `REMOVALS` for places `dropped` of a partition, each for the sake of its `kept`."""
    n = len(dropped)
    columns = [
        *removed_rows(partition, dropped, kept, reason),
        pa.nulls(n, pa.float32()) if jaccard is None else pa.array(jaccard, pa.float32()),
        pa.nulls(n, pa.float32()) if containment is None else pa.array(containment, pa.float32()),
    ]
    return pa.table(columns, schema=REMOVALS)


def removed_rows(
    partition: pa.Table, dropped: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], reason: str
) -> list[pa.Array | pa.ChunkedArray]:
    """Return the columns row, dropped_id, kept_id, kept_row and reason of some removals."""
    names = ["row", "doc_id"]
    away = partition.select(names).take(pa.array(dropped))
    stays = partition.select(names).take(pa.array(kept))
    reasons = pa.repeat(reason, len(dropped))
    return [away["row"], away["doc_id"], stays["doc_id"], stays["row"], reasons]


def decisions(n_rows: int, removed: pa.Table) -> pa.Table:
    """Return `DECISIONS` for the `n_rows` documents of one shard: all kept but those `removed`."""
    return decided(n_rows, removed, DECISIONS)


def decided(n_rows: int, removed: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `keep`, and the other columns of `schema` from `removed`, a row a document of a shard.

    Raises:
        PluginError: a row lies outside the shard, or is removed twice.
    """
    rows = rows_in_shard(removed["row"])
    if len(rows) and (rows.max() >= n_rows or len(np.unique(rows)) < len(rows)):
        raise PluginError(
            f"{len(rows)} removals name {len(np.unique(rows))} rows up to {rows.max()} of a shard "
            f"of {n_rows}; wanted each row at most once: pass the removals of this shard only"
        )
    places = places_of(rows, n_rows)
    columns = [places.is_null()]
    columns += [removed[name].combine_chunks().take(places) for name in schema.names[1:]]
    return pa.table(columns, schema=schema)


def check_source_loss(
    lost: Mapping[str, int],
    documents: Mapping[str, int],
    max_source_loss: float | None,
    *,
    where: str = "dedup",
) -> None:
    """Return only if no source loses more of its documents than `max_source_loss` allows.

    The reports that the default of 0.9 is made for are sources of 859,092, 154,406 and 55,454
    documents wiped down to 2, 2,613 and 1,629 by fuzzy deduplication (marin issue 6854): losses
    of 97 % and more. A source that loses 10 documents or fewer is let pass.

    Args:
        lost: removed documents by source.
        documents: documents by source before the removal.
        max_source_loss: share in [0, 1]; null lets every loss pass.
        where: the recipe section that asked for the removal.

    Raises:
        BudgetError: naming each such source, its loss, and the setting that confirms it.
    """
    if max_source_loss is None:
        return
    faults = [
        f"source {source!r} would lose {count} of {documents[source]} documents ({share:.1%})"
        for source, count, share in losing(lost, documents, max_source_loss, few=_FEW)
    ]
    if faults:
        raise BudgetError(
            f"{'; '.join(faults)}; wanted at most {max_source_loss:.0%} of a source. Look at the "
            "removals; if the loss is right, confirm it with `max_source_loss: 1.0` in the "
            "recipe's `dedup` section, or name the source to keep first in `source_priority`",
            where=where,
        )


def losing(
    lost: Mapping[str, int], total: Mapping[str, int], most: float, *, few: int
) -> Iterator[tuple[str, int, float]]:
    """Yield each source that loses more than the share `most`, with its loss, whole and as a share.

    Args:
        lost: by source, in any unit.
        total: by source, in that unit.
        most: share in [0, 1].
        few: what any source may lose: of less a share says nothing.
    """
    for source, size in sorted(lost.items()):
        if size > max(few, most * total[source]):
            yield source, size, size / total[source]
