"""Parquet files, by row groups: a unit is a few row groups, and types survive into `extra`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from curator.ingest.columnar import ColumnarReader
from curator.ingest.files import Digests, InputFile, find_files, open_file
from curator.ingest.reader import Batch, Piece, Unit
from curator.ingest.records import documents_table, row_origins
from curator.ingest.units import grouped_units
from curator.stage import circumstance


@dataclass(frozen=True)
class ParquetReader(ColumnarReader):
    """One document a row. A file whose footer cannot be read is one rejected record."""

    name: ClassVar[str] = "parquet"
    version: ClassVar[int] = 1

    batch_rows: int = circumstance(1024)
    split_bytes: int = circumstance(128 << 20)

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return one unit a range of row groups of large files, and one a group of small files."""
        known = digests or Digests()
        files = find_files(self.files, self.base, suffixes=(".parquet", ".pq"))
        return grouped_units(files, lambda file: (self._pieces(file, known), ""))

    def _pieces(self, file: InputFile, known: Digests) -> list[Piece]:
        digest = known.cuts(file, 0)[0].digest
        whole = Piece(file.path, file.label, digest, file.size_bytes)
        if file.size_bytes <= self.split_bytes:
            return [whole]
        try:
            with open_file(file.path) as handle:
                about = pq.ParquetFile(handle).metadata
        except (pa.ArrowException, OSError):
            return [whole]  # reading it will say what is wrong
        sizes = [about.row_group(i).total_byte_size for i in range(about.num_row_groups)]
        borders, held = [0], 0
        for group, size in enumerate(sizes):
            if held >= self.split_bytes:
                borders.append(group)
                held = 0
            held += size
        stops = [*borders[1:], len(sizes)]
        return [
            Piece(file.path, file.label, digest, sum(sizes[a:b]), a, b)
            for a, b in zip(borders, stops, strict=True)
        ]

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the documents of the unit's row groups, `batch_rows` at a time."""
        for piece in unit.pieces:
            try:
                with open_file(piece.path) as handle:
                    yield from self._rows(piece, pq.ParquetFile(handle))
            except (pa.ArrowException, OSError) as error:
                said = f"the Parquet file cannot be read: {error}"
                fault = self.reject(f"{piece.label}@0", "unreadable", said)
                yield Batch(documents_table("", [], []), (fault,), 1)

    def _rows(self, piece: Piece, file: pq.ParquetFile) -> Iterator[Batch]:
        about = file.metadata
        stop = about.num_row_groups if piece.stop is None else piece.stop
        first = sum(about.row_group(i).num_rows for i in range(piece.start)) + 1
        for group in range(piece.start, stop):
            begin, expected = first, about.row_group(group).num_rows
            try:
                for batch in file.iter_batches(self.batch_rows, row_groups=[group]):
                    table = pa.Table.from_batches([batch])
                    origins = row_origins(piece.label, range(first, first + table.num_rows))
                    yield self.read_table(table, origins)
                    first += table.num_rows
            except (pa.ArrowException, OSError) as error:  # the page is broken, others may not be
                lost = begin + expected - first
                said = f"row group {group} breaks here, {lost} rows are lost: {error}"
                fault = self.reject(f"{piece.label}#{first}", "corrupt", said)
                yield Batch(documents_table("", [], []), (fault,), 1)
            first = begin + expected
