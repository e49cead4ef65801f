"""HTML pages: files, or a column of a JSONL or Parquet file; the text is the main content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from curator.errors import RecipeError
from curator.ingest.extraction import (
    DEFAULT_EXTRACTOR,
    ExtractionError,
    Extractor,
    decoded,
    extractor,
)
from curator.ingest.files import Digests, find_files, open_file
from curator.ingest.jsonl import JsonlReader
from curator.ingest.parquet import ParquetReader
from curator.ingest.reader import Batch, Piece, Reader, Rejected, Unit
from curator.ingest.records import documents_table, sift
from curator.ingest.streams import Break, Limits, chunks
from curator.ingest.units import grouped_units

_SUFFIXES = (".html", ".htm", ".xhtml", ".html.gz", ".htm.gz", ".html.zst")
_BATCH_PAGES = 64


@dataclass(frozen=True)
class HtmlReader(Reader):
    """One document a page. With `column`, pages are that field of JSONL or Parquet records."""

    name: ClassVar[str] = "html"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("trafilatura", "resiliparse", "lxml")

    extractor: str = DEFAULT_EXTRACTOR
    column: str = ""  # "html": pages are in this field; files are .jsonl or .parquet
    max_ratio: int = 250

    def __post_init__(self) -> None:
        extractor(self.extractor)
        if self.source_column and not self.column:
            raise RecipeError("`source: {column: ...}` needs records; name `column` too")

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return one unit a group of files."""
        if self.column:
            return self._records().plan(digests)
        known = digests or Digests()
        files = find_files(self.files, self.base, suffixes=_SUFFIXES)
        return grouped_units(
            files,
            lambda f: ([Piece(f.path, f.label, known.cuts(f, 0)[0].digest, f.size_bytes)], ""),
        )

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the main text of every page."""
        if not self.column:
            for start in range(0, len(unit.pieces), _BATCH_PAGES):
                yield self._files(unit.pieces[start : start + _BATCH_PAGES])
            return
        for batch in self._records().documents(unit):
            rows = batch.documents.num_rows
            for start in range(0, max(rows, 1), _BATCH_PAGES):
                pages = batch.documents[start : start + _BATCH_PAGES]
                faults = () if start else batch.rejected
                records = pages.num_rows + (0 if start else batch.records - rows)
                done = self._extracted(pages)
                yield Batch(done.documents, (*faults, *done.rejected), records)

    def _records(self) -> Reader:
        parquet = all(str(name).endswith((".parquet", ".pq")) for name in self.files)
        common = {
            "source": self.source, "source_column": self.source_column, "files": self.files,
            "base": self.base, "max_document_bytes": self.max_document_bytes,
        }  # fmt: skip
        if parquet:
            return ParquetReader(**common, text=self.column)  # type: ignore[arg-type]
        return JsonlReader(**common, text=(self.column,))  # type: ignore[arg-type]

    def _files(self, pieces: tuple[Piece, ...]) -> Batch:
        origins, pages, rejected = [], [], []
        for piece in pieces:
            try:
                pages.append(decoded(self._content(piece)))
                origins.append(piece.label)
            except _UnreadableError as fault:
                rejected.append(self.reject(piece.label, *fault.args))
        done = self._extracted(documents_table(self.source, pa.array(origins, pa.string()), pages))
        return Batch(done.documents, (*rejected, *done.rejected), len(pieces))

    def _content(self, piece: Piece) -> bytes:
        gathered = b""
        try:
            with open_file(piece.path) as handle:
                for step in chunks(handle, piece.path, Limits(self.max_ratio, 1 << 40)):
                    if isinstance(step, Break):
                        raise _UnreadableError(step.reason, step.error, gathered)
                    gathered += step.data
                    if len(gathered) > self.max_document_bytes:
                        said = f"the page passes {self.max_document_bytes} bytes"
                        raise _UnreadableError("gigantic", said, gathered)
        except OSError as error:
            raise _UnreadableError("unreadable", f"cannot be read: {error}", b"") from error
        return gathered

    def _extracted(self, table: pa.Table) -> Batch:
        """Return `table` with pages replaced by their main text; pages without it are rejected."""
        extract = extractor(self.extractor)
        texts: list[str] = []
        kept: list[bool] = []
        rejected: list[Rejected] = []
        # A loop over pages: an extractor takes one, and is a thousand times the loop's cost.
        for origin, page in zip(
            table["origin"].to_pylist(), table["text"].to_pylist(), strict=True
        ):
            text, fault = main_text(extract, page)
            kept.append(fault is None)
            if fault is None:
                texts.append(text)
            else:
                rejected.append(self.reject(origin, *fault, page.encode()))
        pages = table.filter(pa.array(kept, pa.bool_()))
        index = pages.schema.get_field_index("text")
        replaced = pages.set_column(
            index, pages.schema.field("text"), pa.array(texts, pa.large_string())
        )
        documents, unfit = sift(replaced, self)
        return Batch(documents, (*rejected, *unfit), table.num_rows)


class _UnreadableError(Exception):
    """One file is no page: (reason, error, raw)."""


def main_text(extract: Extractor, page: str) -> tuple[str, tuple[str, str] | None]:
    """Return (text, None), or ("", (reason, error)) for a page without main text."""
    try:
        text = extract(page).encode(errors="replace").decode()
    except ExtractionError as error:
        return "", ("malformed", f"the page cannot be parsed: {error}")
    return (text, None) if text.strip() else ("", ("no_text", "the page has no main text"))
