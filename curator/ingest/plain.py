"""Plain text: one document a file, a paragraph or a line; folders are read to the bottom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from curator.errors import RecipeError
from curator.ingest.files import Digests, find_files, open_file
from curator.ingest.lines import Fault, LineLimits, line_blocks
from curator.ingest.reader import Batch, Piece, Reader, Rejected, Unit
from curator.ingest.records import documents_table, sift
from curator.ingest.streams import Break, Limits, chunks
from curator.ingest.units import grouped_units
from curator.stage import circumstance

_SPLITS = ("file", "paragraph", "line")
_BATCH_BYTES = 8 << 20
_Text = tuple[str, bytes]  # origin, content


@dataclass(frozen=True)
class PlainReader(Reader):
    """Text files, also compressed; a paragraph ends at an empty line."""

    name: ClassVar[str] = "plain"
    version: ClassVar[int] = 1

    split: str = "file"
    max_ratio: int = 250
    max_decompressed_bytes: int = 1 << 38
    block_bytes: int = circumstance(8 << 20)

    def __post_init__(self) -> None:
        if self.split not in _SPLITS:
            raise RecipeError(f"split is {self.split!r}; wanted one of {', '.join(_SPLITS)}")

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return one unit a large file or group of small files."""
        known = digests or Digests()
        files = find_files(self.files, self.base)
        return grouped_units(
            files,
            lambda f: ([Piece(f.path, f.label, known.cuts(f, 0)[0].digest, f.size_bytes)], ""),
        )

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the documents of the unit's files, a few megabytes at a time."""
        held: list[_Text] = []
        rejected: list[Rejected] = []
        size = 0
        for piece in unit.pieces:
            for step in self._whole(piece) if self.split == "file" else self._parts(piece):
                if isinstance(step, Fault):
                    rejected.append(self.reject(step.origin, step.reason, step.error, step.raw))
                else:
                    held.append(step)
                    size += len(step[1])
                if size >= _BATCH_BYTES:
                    yield self._batch(held, rejected)
                    held, rejected, size = [], [], 0
        yield self._batch(held, rejected)

    def _whole(self, piece: Piece) -> Iterator[_Text | Fault]:
        """Yield a file as one text, never holding more than `max_document_bytes` of it."""
        gathered = b""
        limits = Limits(self.max_ratio, self.max_decompressed_bytes)
        try:
            with open_file(piece.path) as handle:
                for step in chunks(handle, piece.path, limits):
                    if isinstance(step, Break):
                        where = f"{piece.label}@{step.offset}"
                        yield Fault(where, step.reason, step.error, gathered[:512])
                        return
                    gathered += step.data
                    if len(gathered) > self.max_document_bytes:
                        said = (
                            f"the text passes {self.max_document_bytes} bytes (max_document_bytes)"
                        )
                        yield Fault(piece.label, "gigantic", said, gathered[:512])
                        return
        except OSError as error:
            yield Fault(piece.label, "unreadable", f"cannot be read: {error}", b"")
            return
        yield piece.label, gathered.removeprefix(b"\xef\xbb\xbf")

    def _parts(self, piece: Piece) -> Iterator[_Text | Fault]:
        """Yield lines or paragraphs, named by their first line."""
        limit = self.max_document_bytes
        limits = LineLimits(
            min(self.block_bytes, limit), limit, Limits(self.max_ratio, self.max_decompressed_bytes)
        )
        held: list[bytes] = []
        size = start = 0
        for step in line_blocks(piece, limits):
            if isinstance(step, Fault):
                yield step
                continue
            lines = step.data.split(b"\n")
            for number, line in enumerate(lines[:-1] if lines[-1] == b"" else lines):
                place = (step.first_line or 1) + number
                text = line.rstrip(b"\r")
                if self.split == "line":
                    if text.strip():
                        yield f"{piece.label}#{place}", text
                elif text.strip() and size <= limit:
                    start = start or place
                    held.append(text)
                    size += len(text) + 1
                elif not text.strip() and held:
                    yield f"{piece.label}#{start}", b"\n".join(held)
                    held, size, start = [], 0, 0
        if held:
            yield f"{piece.label}#{start}", b"\n".join(held)

    def _batch(self, held: list[_Text], rejected: list[Rejected]) -> Batch:
        origins, texts, faults = [], [], list(rejected)
        for origin, content in held:
            try:
                texts.append(content.decode())
                origins.append(origin)
            except UnicodeDecodeError as error:
                said = f"invalid UTF-8 at byte {error.start} of the text"
                faults.append(self.reject(origin, "invalid_utf8", said, content))
        table, unfit = sift(
            documents_table(self.source, pa.array(origins, pa.string()), texts), self
        )
        return Batch(table, (*faults, *unfit), len(held) + len(rejected))
