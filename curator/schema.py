"""The Arrow schemas that travel between stages, and `conform`, which holds tables to them.

Columns after the first five of `DOCUMENT` are *declared extras*: typed, known to curator,
nullable. Whatever else a reader finds is carried losslessly as one raw JSON string, `extra`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import PluginError, RecipeError

DOC_ID = pa.field("doc_id", pa.binary(16), nullable=False)

DOCUMENT = pa.schema(
    [
        DOC_ID,  # original: H(source, text); derived: H(parent, operation, text)
        pa.field("source", pa.string(), nullable=False),  # the unit that mixtures weigh
        pa.field("origin", pa.string(), nullable=False),  # URL, or file#row: where to look
        pa.field("text", pa.large_string(), nullable=False),  # large: a shard can pass 2 GiB
        pa.field("parent_id", pa.binary(16)),  # what this was rephrased from; null: original
        pa.field("source_id", pa.string()),  # the user's own id: kept, never identity
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("license", pa.string()),
        pa.field("language", pa.string()),
        pa.field("extra", pa.string()),  # a JSON object of everything else the reader found
    ],
    metadata={"curator.schema": "document/1"},
)

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),  # file#line or file@byte
        pa.field("reason", pa.string(), nullable=False),  # one word, counted
        pa.field("error", pa.string(), nullable=False),  # the full sentence
        pa.field("raw", pa.binary(), nullable=False),  # the first bytes of the record
    ],
    metadata={"curator.schema": "quarantine/1"},
)

DECISION = pa.schema(
    [
        pa.field("keep", pa.bool_()),  # null: the document was already dropped before
        pa.field("reason", pa.string()),  # null: kept
    ],
    metadata={"curator.schema": "decision/1"},
)

SELECTION = pa.schema(
    [
        DOC_ID,
        pa.field("source", pa.string(), nullable=False),
        pa.field("tokens", pa.uint32(), nullable=False),  # cost of one copy, BOS included
        pa.field("copies", pa.uint32(), nullable=False),  # identical rows in the pool
        pa.field("key", pa.float64(), nullable=False),  # what it was ranked by; higher first
    ],
    metadata={"curator.schema": "selection/1"},
)

DRAW = pa.schema(
    [
        DOC_ID,
        pa.field("source", pa.string(), nullable=False),
        pa.field("tokens", pa.uint32(), nullable=False),
        pa.field("epoch", pa.uint16(), nullable=False),  # 0 for the first time it is seen
    ],
    metadata={"curator.schema": "draw/1"},
)


def score_field(
    name: str,
    *,
    unit: str,
    better: str = "higher",
    about: str = "",
    kind: pa.DataType | None = None,
) -> pa.Field:
    """Return the Arrow field of a score column, saying its unit and which way is better.

    Args:
        name: column name.
        unit: such as "share in [0, 1]", "bits/byte", "nats".
        better: "higher", "lower", or "neither"; selectors flip by it.
        about: one sentence for tables and reports.
        kind: Arrow type, float32 unless told.

    Raises:
        PluginError: `better` is none of the three words.
    """
    if better not in ("higher", "lower", "neither"):
        raise PluginError(
            f"score column {name!r}: better={better!r}; wanted 'higher', 'lower' or 'neither'"
        )
    return pa.field(
        name, kind or pa.float32(), metadata={"unit": unit, "better": better, "about": about}
    )


def field_note(field: pa.Field, key: str, default: str = "") -> str:
    """Return one note of a field's metadata ("unit", "better", "about") as text."""
    raw = (field.metadata or {}).get(key.encode())
    return raw.decode() if raw is not None else default


def places_of(rows: NDArray[np.integer], n_rows: int) -> pa.Array:
    """Return for each of `n_rows` rows its place in `rows`, null where it is not there: (n_rows,).

    `column.take(places_of(rows, n_rows))` puts values said of some rows beside all.
    """
    places = np.full(n_rows, -1, np.int64)
    places[rows] = np.arange(len(rows))
    return pa.array(places, mask=places < 0)


def vector_matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Return (N, D) float32 of a column of N vectors without nulls.

    Raises:
        RecipeError: a null, or vectors of several lengths: they are not of one encoder.
    """
    array = column.combine_chunks()
    lengths = pc.unique(pc.list_value_length(array)).to_pylist()
    if len(lengths) > 1 or None in lengths:
        raise RecipeError(
            f"vectors have lengths {lengths[:5]} (None: no vector); wanted one, of one encoder: "
            "leave documents without a vector out, and embed all with the same settings"
        )
    flat = array.flatten().to_numpy(zero_copy_only=False)
    wide: NDArray[np.float32] = flat.astype(np.float32).reshape(len(column), -1 if len(flat) else 0)
    return wide


def conform(table: pa.Table, schema: pa.Schema, *, where: str = "") -> pa.Table:
    """Return `table` with exactly the columns, order, types and metadata of `schema`.

    Nullable columns that are absent become null; nothing else is invented or dropped silently.

    Raises:
        PluginError: a column is missing, unknown, of a type that does not cast safely, or null
            where null is forbidden. All faults are named at once.
    """
    faults: list[str] = []
    unknown = [name for name in table.column_names if name not in schema.names]
    if unknown:
        faults.append(f"unknown columns {unknown}; declare them in `writes`")
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            if not field.nullable:
                faults.append(f"column {field.name!r} ({field.type}) is missing")
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(field.name)
        try:
            column = column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            faults.append(f"column {field.name!r} is {column.type}; wanted {field.type}")
        if not field.nullable and column.null_count:
            faults.append(f"column {field.name!r} has {column.null_count} nulls; wanted none")
        columns.append(column)
    if faults:
        raise PluginError("; ".join(faults), where=where)
    return pa.table(columns, schema=schema)
