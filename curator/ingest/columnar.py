"""What Parquet and Hugging Face tables share: typed columns in, documents out.

Text must be text: numbers are not turned into it. Other columns become JSON in `extra`, with
times in ISO 8601, decimals as strings and bytes in base64 (msgspec's rules).
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curator.ingest.reader import Batch, Reader, Rejected
from curator.ingest.records import ALIASES, documents_table, encode_json, sift


@dataclass(frozen=True)
class ColumnarReader(Reader):
    """A reader of tables: which columns hold text, id and url; names may be dotted (a.b)."""

    text: str = "text"
    id: str = "id"
    url: str = "url"

    def read_table(self, table: pa.Table, origins: pa.Array) -> Batch:
        """Return the documents of `table`, one a row, and the rows that are none."""
        texts = column_at(table, self.text)
        sources = column_at(table, self.source_column) if self.source_column else None
        reasons: list[tuple[str, str] | None] = [None] * table.num_rows
        if texts is None:
            said = f"there is no column {self.text!r}; columns: {', '.join(table.column_names)}"
            reasons = [("missing_text", said)] * table.num_rows
        elif pa.types.is_binary(texts.type) or pa.types.is_large_binary(texts.type):
            texts, reasons = _decoded(texts)
        elif not _stringlike(texts.type):
            said = f"column {self.text!r} is {texts.type}; wanted string"
            reasons = [("wrong_type", said)] * table.num_rows
        for row in _null_rows(texts) if texts is not None else ():
            reasons[row] = reasons[row] or ("wrong_type", f"column {self.text!r} is null")
        for row in _null_rows(sources) if self.source_column and sources is not None else ():
            reasons[row] = reasons[row] or ("missing_source", f"{self.source_column!r} is null")
        if self.source_column and sources is None:
            reasons = [("missing_source", f"there is no {self.source_column!r}")] * table.num_rows
        return self._build(table, origins, texts, sources, reasons)

    def _build(
        self,
        table: pa.Table,
        origins: pa.Array,
        texts: pa.Array | None,
        sources: pa.Array | None,
        reasons: list[tuple[str, str] | None],
    ) -> Batch:
        bad = [row for row, reason in enumerate(reasons) if reason]
        rejected: list[Rejected] = []
        for row in bad:
            reason, error = reasons[row] or ("", "")
            shown = table[self.text][row].as_py() if self.text in table.column_names else None
            raw = shown if isinstance(shown, bytes) else str(shown).encode(errors="replace")
            rejected.append(self.reject(origins[row].as_py(), reason, error, raw))
        if texts is None or len(bad) == table.num_rows:
            return Batch(documents_table("", [], []), tuple(rejected), table.num_rows)
        good = pa.array([reason is None for reason in reasons], pa.bool_())
        optional, used = self._optional(table)
        rest = table.drop_columns([n for n in {*used, self.text} if n in table.column_names])
        columns: dict[str, pa.Array] = {**optional, "extra": _extra(rest)}
        whole = documents_table(
            self.source if sources is None else pc.fill_null(sources.cast(pa.string()), ""),
            origins,
            pc.fill_null(texts.cast(pa.large_string()), ""),
            columns,
        )
        documents, unfit = sift(whole.filter(good), self)
        return Batch(documents, (*rejected, *unfit), table.num_rows)

    def _optional(self, table: pa.Table) -> tuple[dict[str, pa.Array], list[str]]:
        """Return the optional columns as strings, and the names they were read from."""
        found: dict[str, pa.Array] = {}
        used: list[str] = []
        wanted = {**ALIASES, "source_id": (self.id,), "url": (self.url,)}
        for name, aliases in wanted.items():
            for alias in aliases:
                column = column_at(table, alias)
                if column is None or pa.types.is_nested(column.type) or name in found:
                    continue
                try:
                    found[name] = column.cast(pa.string())
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    continue  # bytes that are no text: they stay in `extra`
                used.append(alias)
        return found, used


def column_at(table: pa.Table, path: str) -> pa.Array | None:
    """Return the column at a name or a dotted path through structs, or None."""
    if path in table.column_names:
        return table[path].combine_chunks()
    head, _, rest = path.partition(".")
    if not rest or head not in table.column_names or not pa.types.is_struct(table[head].type):
        return None
    inner = table[head].combine_chunks()
    names = [field.name for field in inner.type]
    return column_at(pa.table(inner.flatten(), names=names), rest)


def _stringlike(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _stringlike(kind.value_type)
    return any(
        test(kind)
        for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _null_rows(column: pa.Array | None) -> list[int]:
    if column is None or not column.null_count:
        return []
    rows: list[int] = pc.indices_nonzero(column.is_null()).to_pylist()
    return rows


def _decoded(column: pa.Array) -> tuple[pa.Array, list[tuple[str, str] | None]]:
    """Return bytes as text; where one is no UTF-8, a loop finds which, so neighbors survive."""
    try:
        return column.cast(pa.large_string()), [None] * len(column)
    except pa.ArrowInvalid:
        pass
    texts: list[str | None] = []
    reasons: list[tuple[str, str] | None] = []
    for value in column.to_pylist():
        try:
            texts.append(None if value is None else value.decode())
            reasons.append(None)
        except UnicodeDecodeError as error:
            texts.append(None)
            reasons.append(("invalid_utf8", f"invalid UTF-8 at byte {error.start}"))
    return pa.array(texts, pa.large_string()), reasons


def _extra(rest: pa.Table) -> pa.Array:
    """Return one JSON object a row; a loop, since JSON is made row by row."""
    if not rest.num_columns:
        return pa.nulls(rest.num_rows, pa.string())
    rows = [encode_json(row) for row in rest.to_pylist()]
    return pa.array(rows, pa.binary()).cast(pa.string())
