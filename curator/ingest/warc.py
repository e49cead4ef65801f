"""WARC files: the main text of every HTML page that was answered with a status of 2xx.

Records are cut here, so that a truncated or corrupt file is accounted for to the byte; fastwarc
then parses each whole record (headers, chunked and compressed bodies). Requests, metadata, and
answers that are no HTML page are no documents and are not counted. One break is one rejected
record; behind a corrupt gzip member, or a damaged record, reading goes on at the next record.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from curator.ingest.extraction import DEFAULT_EXTRACTOR, decoded, extractor
from curator.ingest.files import Digests, InputFile, find_files, open_file
from curator.ingest.html import main_text
from curator.ingest.reader import Batch, Piece, Reader, Rejected, Unit
from curator.ingest.records import documents_table, encode_json, sift
from curator.ingest.streams import Break, Chunk, Limits, chunks, compressed
from curator.ingest.units import grouped_units

_HEAD_BYTES = 64 << 10
_BATCH_PAGES = 64
_MARK = b"WARC/1."
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)[ \t]*\r?$")
_RESPONSE = re.compile(rb"(?im)^warc-type:[ \t]*response[ \t]*\r?$")
_PAGE = re.compile(rb"(?im)^content-type:[ \t]*(text/html|application/xhtml\+xml)")
_GOOD_STATUS = re.compile(rb"HTTP/\S+ 2\d\d")


@dataclass(frozen=True)
class _Record:
    origin: str
    frame: int
    head: bytes
    body: bytes  # at most `max_page_bytes` and one
    size: int

    def is_page(self) -> bool:
        headers = self.body.partition(b"\r\n\r\n")[0]
        return bool(
            _RESPONSE.search(self.head) and _GOOD_STATUS.match(headers) and _PAGE.search(headers)
        )


@dataclass(frozen=True)
class _Torn:
    origin: str
    frame: int
    reason: str
    error: str
    raw: bytes


@dataclass(frozen=True)
class WarcReader(Reader):
    """One document an HTML response."""

    name: ClassVar[str] = "warc"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("fastwarc", "trafilatura", "resiliparse", "lxml")

    extractor: str = DEFAULT_EXTRACTOR
    max_page_bytes: int = 16 << 20
    max_ratio: int = 250
    max_decompressed_bytes: int = 1 << 38

    def __post_init__(self) -> None:
        extractor(self.extractor)

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return one unit a large file or group of small files."""
        known = digests or Digests()
        suffixes = (".warc", ".warc.gz", ".warc.zst")

        def pieces(file: InputFile) -> tuple[list[Piece], str]:
            digest = known.cuts(file, 0)[0].digest
            return [Piece(file.path, file.label, digest, file.size_bytes)], ""

        return grouped_units(find_files(self.files, self.base, suffixes=suffixes), pieces)

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the pages of the unit's files, `_BATCH_PAGES` at a time."""
        for piece in unit.pieces:
            held: list[_Record | _Torn] = []
            try:
                with open_file(piece.path) as handle:
                    limits = Limits(self.max_ratio, self.max_decompressed_bytes)
                    packed = compressed(handle.read(4))
                    handle.seek(0)
                    steps = chunks(handle, piece.path, limits, resume=True)
                    tape = _Tape(steps, piece.label, self.max_page_bytes, packed=packed)
                    for found in tape.records():
                        if isinstance(found, _Torn):
                            # A member whose checksum is wrong gave its record before it failed.
                            if held and found.reason == "corrupt" and held[-1].frame == found.frame:
                                held.pop()
                        elif not found.is_page():
                            continue
                        held.append(found)
                        if len(held) > _BATCH_PAGES:
                            yield self._batch(held[:-1])
                            held = held[-1:]
            except OSError as error:
                held.append(_Torn(f"{piece.label}@0", -1, "unreadable", str(error), b""))
            yield self._batch(held)

    def _batch(self, found: list[_Record | _Torn]) -> Batch:
        rows: list[dict[str, Any]] = []
        rejected: list[Rejected] = []
        for one in found:
            if isinstance(one, _Torn):
                rejected.append(self.reject(one.origin, one.reason, one.error, one.raw))
                continue
            row, fault = self._page(one)
            if fault is None:
                rows.append(row)
            else:
                rejected.append(self.reject(one.origin, *fault, one.body))
        optional = ("url", "date", "source_id", "extra")
        table = documents_table(
            self.source,
            [row["origin"] for row in rows],
            [row["text"] for row in rows],
            {name: [row[name] for row in rows] for name in optional},
        )
        documents, unfit = sift(table, self)
        return Batch(documents, (*rejected, *unfit), len(found))

    def _page(self, record: _Record) -> tuple[dict[str, Any], tuple[str, str] | None]:
        if record.size > self.max_page_bytes:
            said = f"the record has {record.size} bytes, limit {self.max_page_bytes}"
            return {}, ("gigantic", f"{said} (max_page_bytes)")
        from fastwarc.warc import ArchiveIterator

        whole = record.head + b"\r\n\r\n" + record.body + b"\r\n\r\n"
        try:
            parsed = next(iter(ArchiveIterator(io.BytesIO(whole), auto_decode="all")))
            content = parsed.reader.read(self.max_page_bytes + 1)
        except (OSError, ValueError, StopIteration) as error:
            return {}, ("malformed", f"fastwarc cannot parse the record: {error}")
        if len(content) > self.max_page_bytes:
            return {}, ("bomb", f"the page unpacks to over {self.max_page_bytes} bytes")
        text, fault = main_text(extractor(self.extractor), decoded(content, parsed.http_charset))
        headers = parsed.headers
        status = record.body[:64].split(b" ", 2)[1].decode(errors="replace")
        return {
            "origin": record.origin,
            "text": text,
            "url": headers.get("WARC-Target-URI"),
            "date": headers.get("WARC-Date"),
            "source_id": headers.get("WARC-Record-ID"),
            "extra": encode_json({"http_status": status}).decode(),
        }, fault


class _BrokenTapeError(Exception):
    """The stream ended or broke inside a record: the break, or None at the end of the file."""


class _Tape:
    """Cuts records from decompressed chunks; knows the offset in the file of what it reads."""

    def __init__(
        self, steps: Iterator[Chunk | Break], label: str, max_body: int, *, packed: bool
    ) -> None:
        self._steps, self._label, self._max_body = steps, label, max_body
        self._packed = packed
        self._buffer = b""
        self._frame = 0  # of the last chunk taken
        self._past = 0  # bytes of that frame already out of the buffer
        self._ended = False

    def records(self) -> Iterator[_Record | _Torn]:
        """Yield every record, and one `_Torn` for each place where the file breaks."""
        while True:
            origin, frame, head = self._origin(), self._frame, b""
            try:
                if not self._skip_blank():
                    return
                origin, frame = self._origin(), self._frame
                head = self._head()
                length = _LENGTH.search(head)
                if not head.startswith(_MARK) or length is None:
                    self._take(1)
                    yield _Torn(
                        origin, frame, "malformed", "no WARC record begins here", head[:512]
                    )
                    self._find_mark()
                    continue
                self._take(len(head) + 4)
                size = int(length[1])
                body = self._read(min(size, self._max_body + 1))
                self._drop(size - len(body))
                yield _Record(origin, frame, head, body, size)
            except _BrokenTapeError as stop:
                fault: Break | None = stop.args[0]
                torn, self._buffer = self._buffer, b""
                if fault is not None:
                    where = f"{self._label}@{fault.offset}"
                    raw = (head + torn)[:512]
                    yield _Torn(where, fault.offset, fault.reason, fault.error, raw)
                    if fault.final:
                        return
                elif head or torn:
                    said = "the file ends inside this record"
                    yield _Torn(origin, frame, "truncated", said, (head + torn)[:512])
                    return
                else:
                    return

    def _origin(self) -> str:
        if not self._packed:
            return f"{self._label}@{self._frame + self._past}"
        return f"{self._label}@{self._frame}" + (f"+{self._past}" if self._past else "")

    def _more(self) -> None:
        """Take one more chunk into the buffer."""
        step = None if self._ended else next(self._steps, None)
        if step is None or isinstance(step, Break):
            self._ended = step is None or step.final
            raise _BrokenTapeError(step)
        if self._packed and not self._buffer and step.frame != self._frame:
            self._frame, self._past = step.frame, 0
        self._buffer += step.data

    def _take(self, count: int) -> bytes:
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        self._past += len(taken)
        return taken

    def _skip_blank(self) -> bool:
        """Move to the next record; False at the end of the file."""
        while True:
            self._take(len(self._buffer) - len(self._buffer.lstrip(b"\r\n")))
            if self._buffer:
                return True
            try:
                self._more()
            except _BrokenTapeError as stop:
                if stop.args[0] is None:
                    return False
                raise

    def _head(self) -> bytes:
        """Return what stands before the next empty line, and leave it where it is."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0 and len(self._buffer) < _HEAD_BYTES:
            self._more()
        return self._buffer[: max(end, 0)]

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        return self._take(count)

    def _drop(self, count: int) -> None:
        while count > len(self._buffer):
            count -= len(self._take(len(self._buffer)))
            self._more()
        self._take(count)

    def _find_mark(self) -> None:
        """Move to the next record's mark, dropping what cannot be part of it."""
        while (at := self._buffer.find(b"\n" + _MARK)) < 0:
            self._take(max(0, len(self._buffer) - len(_MARK)))
            self._more()
        self._take(at + 1)
