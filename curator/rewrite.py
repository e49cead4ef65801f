"""Declared changes of text: a changed document is a new one that names its parent.

Nothing is edited in place. A rewriter says what each text becomes; the engine writes shards with
the same rows in the same order, in which a changed document has the id
H(parent, operation, new text) and its parent's id beside it, and everything else is as it was. The
parents stay in the artifact that was read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import PluginError
from curator.identity import derived_ids
from curator.schema import DECISION, places_of
from curator.stage import Stage

NEW_TEXT: Final = pa.field("text", pa.large_string())  # null: unchanged


class Rewriter(Stage):
    """A stage that may change texts, and may drop documents of which nothing is left."""

    notes: ClassVar[pa.Schema] = pa.schema([])  # columns about the change, for every document

    @property
    def writes(self) -> pa.Schema:
        """A decision, the new text, the notes."""
        return pa.schema([*DECISION, NEW_TEXT, *self.notes])

    @abstractmethod
    def rewrite(self, model: Any, table: pa.Table) -> pa.Table:
        """Return a row a document: `text` (new; null where it stays) and the columns of `notes`.

        A column `reason` may drop documents: null keeps them.
        """

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `rewrite` as decisions; a text of which only white space is left is dropped."""
        made = self.rewrite(model, table)
        if made.num_rows != table.num_rows:
            raise PluginError(
                f"returned {made.num_rows} rows for {table.num_rows} documents; return one each",
                where=self.name,
            )
        changed = made["text"].cast(pa.large_string())
        same = pc.fill_null(pc.equal(changed, table["text"]), fill_value=False)
        changed = pc.if_else(same, pa.scalar(None, pa.large_string()), changed)
        blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(changed)), 0)
        reason = pc.if_else(pc.fill_null(blank, fill_value=False), f"{self.name}.empty", None)
        if "reason" in made.column_names:
            reason = pc.coalesce(made["reason"].cast(pa.string()), reason)
        keep = pc.is_null(reason)
        changed = pc.if_else(keep, changed, pa.scalar(None, pa.large_string()))
        columns = {"keep": keep, "reason": reason.cast(pa.string()), "text": changed}
        columns |= {field.name: made[field.name] for field in self.notes}
        return pa.table(columns)


@dataclass(frozen=True)
class CutSpans(Rewriter):
    """Replaces the spans that an earlier step found.

    Attributes:
        name: of the operation, such as "dedup.substring": part of the new documents' ids.
        column: of the spans, a sidecar column of `curator.text.spans.SPANS`.
        kinds: the spans' kinds that are replaced, each with its replacement; others stay.
        least_characters: a changed document of fewer is dropped as `NAME.short`.
    """

    version: ClassVar[int] = 2

    name: str  # type: ignore[misc]  # of the instance: one class serves several steps
    column: str
    kinds: tuple[tuple[str, str], ...]
    least_characters: int = 0

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the setting
        """The text and the spans."""
        return ("text", self.column)

    @property
    def notes(self) -> pa.Schema:
        """Bytes that were cut, in a column of the step's own: several steps cut."""
        return pa.schema([pa.field(cut_column(self.name), pa.int64())])

    def rewrite(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the texts without the spans, and how many bytes of each went."""
        from curator.text.spans import replace_spans  # brings numba: recipes do without

        wanted = [kind for kind, _ in self.kinds]
        spans = _of_kinds(table[self.column], wanted)
        texts = replace_spans(table["text"], spans, [word for _, word in self.kinds])
        cut = pa.array(spans.sizes)
        texts = pc.if_else(pc.greater(cut, 0), texts, pa.scalar(None, pa.large_string()))
        short = pc.less(pc.utf8_length(texts), self.least_characters)
        reason = pc.if_else(pc.fill_null(short, fill_value=False), f"{self.name}.short", None)
        return pa.table({"text": texts, "reason": reason, cut_column(self.name): cut})


def cut_column(step: str) -> str:
    """Return where a step of `CutSpans` writes its bytes: `substring_cut_bytes`."""
    return f"{step.rpartition('.')[2]}_cut_bytes"


def rewritten(documents: pa.Table, texts: pa.ChunkedArray, operation: str) -> pa.Table:
    """Return a shard's documents with new texts, ids and parents where `texts` is not null.

    Args:
        documents: columns of `curator.schema.DOCUMENT`, perhaps more.
        texts: row-aligned, large_string.
        operation: part of the new ids.
    """
    places = np.flatnonzero(texts.is_valid().to_numpy())
    rows = pa.array(places)
    changed = texts.take(rows)
    parents = documents["doc_id"].take(rows).combine_chunks()
    index = places_of(places, documents.num_rows)
    new = {"doc_id": derived_ids(parents, operation, changed), "parent_id": parents}
    columns: dict[str, Any] = {"text": pc.coalesce(texts, documents["text"])}
    for name, values in new.items():
        columns[name] = pc.coalesce(values.take(index), documents[name].combine_chunks())
    for name, column in columns.items():
        at = documents.schema.get_field_index(name)
        documents = documents.set_column(at, documents.schema.field(at), column)
    return documents


def _of_kinds(column: pa.ChunkedArray, wanted: Sequence[str]) -> Any:
    """Return the spans of the wanted kinds, kinds numbered as they stand in `wanted`."""
    from curator.text.spans import Spans, spans_of

    flat = column.combine_chunks().flatten()
    names = [*wanted, *sorted(set(pc.unique(flat.field("kind")).to_pylist()) - set(wanted))]
    spans = spans_of(column, names)
    keep = spans.kinds < len(wanted)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])
    kept = (spans.starts[keep], spans.ends[keep], spans.kinds[keep])
    return Spans(before[spans.offsets], *kept)
