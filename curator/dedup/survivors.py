"""Who stays of several copies, what is written about the others, and when losing too many stops.

The survivor is the copy of the source named first in `source_priority`, then the longest, then the
one with the smallest doc_id. File order never decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import BudgetError, PluginError
from curator.schema import DECISION, DOC_ID

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
STANDING: Final = ("priority", "shortness", "doc_id", "row")  # ascending: the survivor is first
_ROW_IN_SHARD: Final = np.uint64((1 << 40) - 1)
_LONGEST: Final = np.uint64(1 << 62)
# Below this many lost documents a share says nothing; `max_bad_records` has the same floor.
_FEW: Final = 10


def standing(table: pa.Table, source_priority: Sequence[str]) -> dict[str, pa.Array]:
    """Return the columns `STANDING`: rows sorted by them have the best survivor first.

    Args:
        table: columns source, text, doc_id, row.
        source_priority: sources from the most to the least wanted; others come after them.
    """
    places = pc.index_in(table["source"].cast(pa.string()), pa.array(source_priority, pa.string()))
    lengths = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy().astype(np.uint64)
    return {
        "priority": pc.fill_null(places, len(source_priority)).cast(pa.uint32()),
        "shortness": pa.array(_LONGEST - lengths),  # bytes, so that longer sorts earlier
        "doc_id": table["doc_id"],
        "row": table["row"],
    }


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
    away, stays = partition.take(pa.array(dropped)), partition.take(pa.array(kept))
    n = len(dropped)
    columns = [
        away["row"],
        away["doc_id"],
        stays["doc_id"],
        stays["row"],
        pa.repeat(reason, n),
        pa.nulls(n, pa.float32()) if jaccard is None else pa.array(jaccard, pa.float32()),
        pa.nulls(n, pa.float32()) if containment is None else pa.array(containment, pa.float32()),
    ]
    return pa.table(columns, schema=REMOVALS)


def decisions(n_rows: int, removed: pa.Table) -> pa.Table:
    """Return `DECISIONS` for the `n_rows` documents of one shard: all kept but those `removed`.

    Raises:
        PluginError: a row lies outside the shard, or is removed twice.
    """
    rows = (removed["row"].to_numpy() & _ROW_IN_SHARD).astype(np.int64)
    if len(rows) and (rows.max() >= n_rows or len(np.unique(rows)) < len(rows)):
        raise PluginError(
            f"{len(rows)} removals name {len(np.unique(rows))} rows up to {rows.max()} of a shard "
            f"of {n_rows}; wanted each row at most once: pass the removals of this shard only"
        )
    places = np.full(n_rows, -1, np.int64)
    places[rows] = np.arange(len(rows))
    places_or_null = pa.array(places, mask=places < 0)
    columns = [pa.array(places < 0)]
    columns += [
        removed[name].combine_chunks().take(places_or_null)
        for name in ("reason", "kept_id", "jaccard", "containment")
    ]
    return pa.table(columns, schema=DECISIONS)


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
        f"source {source!r} would lose {count} of {documents[source]} documents "
        f"({count / documents[source]:.1%})"
        for source, count in sorted(lost.items())
        if count > max(_FEW, max_source_loss * documents[source])
    ]
    if faults:
        raise BudgetError(
            f"{'; '.join(faults)}; wanted at most {max_source_loss:.0%} of a source. Look at the "
            "removals; if the loss is right, confirm it with `max_source_loss: 1.0` in the "
            "recipe's `dedup` section, or name the source to keep first in `source_priority`",
            where=where,
        )
