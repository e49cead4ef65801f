"""From what a reader found to columns of DOCUMENT: aliases, optional columns, `extra`, checks.

Strings stay as they were written: an id "00123" or 1.10 keeps its literal text. What no column
of DOCUMENT can hold is carried in `extra`, one raw JSON object a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.ingest.reader import RAW_BYTES, Reader, Rejected
from curator.schema import DOCUMENT

# Columns that a record may fill, and the other names they are read from.
ALIASES: dict[str, tuple[str, ...]] = {
    "url": ("url",),
    "date": ("date",),
    "license": ("license", "licence"),
    "language": ("language", "lang"),
}
# Something other than separators, controls, byte-order marks and zero-width spaces.
_VISIBLE = r"[^\s\x{00}-\x{20}\x{7F}-\x{A0}\p{Z}\x{200B}\x{FEFF}]"

encode_json = msgspec.json.encode


def documents_table(
    sources: str | Sequence[str] | pa.Array,
    origins: Sequence[str] | pa.Array,
    texts: Sequence[str] | pa.Array,
    optional: Mapping[str, Sequence[str | None] | pa.Array] | None = None,
) -> pa.Table:
    """Return rows of DOCUMENT without doc_id; absent optional columns are null."""
    columns: dict[str, pa.Array] = {
        "origin": _column(origins, pa.string()),
        "text": _column(texts, pa.large_string()),
    }
    rows = len(columns["text"])
    columns["source"] = (
        pa.repeat(pa.scalar(sources, pa.string()), rows)
        if isinstance(sources, str)
        else _column(sources, pa.string())
    )
    for name, values in (optional or {}).items():
        columns[name] = _column(values, DOCUMENT.field(name).type)
    fields = [field for field in DOCUMENT if field.name != "doc_id"]
    filled = [
        columns[field.name] if field.name in columns else pa.nulls(rows, field.type)
        for field in fields
    ]
    return pa.table(filled, schema=pa.schema(fields))


def sift(table: pa.Table, reader: Reader) -> tuple[pa.Table, list[Rejected]]:
    """Return the documents that have a readable text of sane size, and the others as rejected.

    A text of separators and control characters only is "empty"; one over `max_document_bytes`
    is "gigantic". NUL characters are legal UTF-8 and stay: ingestion changes no text.
    """
    limit = reader.max_document_bytes
    sizes = pc.binary_length(table["text"])
    gigantic = pc.greater(sizes, limit)
    empty = pc.invert(pc.match_substring_regex(table["text"], _VISIBLE))
    bad = pc.or_(gigantic, empty)
    if not pc.any(bad).as_py():
        return table, []
    rejected = []
    for row in np.flatnonzero(bad.to_numpy()).tolist():
        size = sizes[row].as_py()
        head = table["text"][row].as_buffer()[:RAW_BYTES].to_pybytes()
        reason, error = (
            ("gigantic", f"the text has {size} bytes, limit {limit} (max_document_bytes)")
            if size > limit
            else ("empty", f"the text of {size} bytes has no visible character")
        )
        source, origin = table["source"][row].as_py(), table["origin"][row].as_py()
        rejected.append(Rejected(source, origin, reason, error, head))
    return table.filter(pc.invert(bad)), rejected


def text_array(texts: Sequence[str]) -> pa.Array:
    """Return texts as an Arrow array, three times as fast as `pa.array` on strings just made.

    `pa.array` leaves a second, encoded copy inside every Python string and grows its buffer as
    it goes; here each is encoded once and all are joined at once.
    """
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(content) for content in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)


def row_origins(label: str, numbers: Sequence[int] | range) -> pa.Array:
    """Return "label#n" for every number."""
    texts = pa.array(np.asarray(numbers, dtype=np.int64)).cast(pa.string())
    return pc.binary_join_element_wise(label, texts, "#")


def _column(values: Sequence[str | None] | pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)
