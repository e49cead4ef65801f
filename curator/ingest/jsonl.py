"""JSON lines: plain, gzip or zstd; fields by name or dotted path; nothing known is retyped.

A block of lines is decoded by one C call into raw slices (msgspec.Raw), so that numbers and
unknown fields keep their literal text. A block with any fault in it is read again line by line,
and only the faulty lines are set aside. Blank lines are no records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import msgspec
import pyarrow as pa

from curator.errors import RecipeError
from curator.ingest.files import Digests, InputFile, find_files, open_file
from curator.ingest.lines import Fault, LineLimits, Lines, line_blocks
from curator.ingest.reader import Batch, Piece, Reader, Rejected, Unit
from curator.ingest.records import (
    ALIASES,
    documents_table,
    encode_json,
    row_origins,
    sift,
    text_array,
)
from curator.ingest.streams import GZIP_MAGIC, Limits, frame_offsets
from curator.ingest.units import grouped_units
from curator.stage import circumstance

_Row = dict[str, msgspec.Raw]
_ROWS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXTS = msgspec.json.Decoder(list[str])
_TEXT = msgspec.json.Decoder(str)
_STRINGS = msgspec.json.Decoder(list[str | None])
_NULL = msgspec.Raw(b"null")


class _FaultyLineError(Exception):
    """One line is no document: (reason, error)."""


@dataclass(frozen=True)
class JsonlReader(Reader):
    """One document a line. `text` may name several fields: they are joined by newlines."""

    name: ClassVar[str] = "jsonl"
    version: ClassVar[int] = 1
    libraries: ClassVar[tuple[str, ...]] = ("msgspec",)

    text: tuple[str, ...] = ("text",)
    id: str = "id"
    url: str = "url"
    max_line_bytes: int = 64 << 20
    max_ratio: int = 250  # real text compresses 3 to 20 times; gzip can claim 1032
    max_decompressed_bytes: int = 1 << 38  # of one file
    block_bytes: int = circumstance(2 << 20)
    split_bytes: int = circumstance(128 << 20)  # larger plain and multi-frame zstd files are split

    def __post_init__(self) -> None:
        if not self.text:
            raise RecipeError("`text` names no field; wanted at least one")

    def plan(self, digests: Digests | None = None) -> list[Unit]:
        """Return one unit a range of a large file, and one a group of small files."""
        known = digests or Digests()
        suffixes: tuple[str, ...] = (".jsonl", ".json", ".ndjson")
        suffixes += tuple(s + end for s in suffixes for end in (".gz", ".zst"))
        files = find_files(self.files, self.base, suffixes=suffixes)
        return grouped_units(files, lambda file: self._pieces(file, known))

    def _pieces(self, file: InputFile, known: Digests) -> tuple[list[Piece], str]:
        large = file.size_bytes > self.split_bytes
        head, frames = _frames(file) if large else (b"", [])
        split = self.split_bytes if large and not frames and not head.startswith(GZIP_MAGIC) else 0
        cuts = known.cuts(file, split)
        if len(frames) > 1:
            borders = _strides(frames, self.split_bytes)
            return [
                Piece(file.path, file.label, cuts[0].digest, (b or file.size_bytes) - a, a, b, None)
                for a, b in zip(borders, [*borders[1:], None], strict=True)
            ], ""
        note = ""
        if large and (frames or head.startswith(GZIP_MAGIC)):
            kind = "one zstd frame" if frames else "gzip"
            note = f"{file.label} is {kind} and cannot be split: one task reads all of it"
        return [
            Piece(
                file.path, file.label, cut.digest, cut.stop - cut.start,
                cut.start, cut.stop if split else None, cut.first_line,
            )
            for cut in cuts
        ], note  # fmt: skip

    def documents(self, unit: Unit) -> Iterator[Batch]:
        """Yield the documents of all lines, about `block_bytes` of input at a time."""
        limits = LineLimits(
            min(self.block_bytes, self.max_line_bytes),
            self.max_line_bytes,
            Limits(self.max_ratio, self.max_decompressed_bytes),
        )
        for piece in unit.pieces:
            for step in line_blocks(piece, limits):
                if isinstance(step, Fault):
                    fault = self.reject(step.origin, step.reason, step.error, step.raw)
                    yield Batch(documents_table("", [], []), (fault,), 1)
                else:
                    yield self._read(step)

    def _read(self, block: Lines) -> Batch:
        """Return a block's documents: all lines at once, or line by line where one is faulty."""
        if block.first_line is not None and len(block.data) <= self.max_line_bytes:
            try:
                rows = _ROWS.decode_lines(block.data)
                if len(rows) == block.newlines + (not block.data.endswith(b"\n")):
                    last = block.first_line + len(rows)
                    table = self._assemble(
                        rows, row_origins(block.place, range(block.first_line, last))
                    )
                    documents, rejected = sift(table, self)
                    return Batch(documents, tuple(rejected), len(rows))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _FaultyLineError):
                pass  # some line is faulty: find out which
            except pa.ArrowInvalid:
                pass  # invalid UTF-8 in a field that is carried unread
        return self._read_singly(block)

    def _read_singly(self, block: Lines) -> Batch:
        rows: list[_Row] = []
        origins: list[str] = []
        rejected: list[Rejected] = []
        records, offset = 0, block.offset
        # A loop over lines: this block has a fault, and neighbors must survive it.
        for number, line in enumerate(block.data.split(b"\n")):
            mark = f"+{offset}" if block.first_line is None else f"#{block.first_line + number}"
            offset += len(line) + 1
            if not line.strip():
                continue
            records += 1
            try:
                row = self._examine(line)
            except _FaultyLineError as fault:
                reason, error = fault.args
                rejected.append(self.reject(block.place + mark, reason, error, line))
                continue
            rows.append(row)
            origins.append(block.place + mark)
        documents, unfit = sift(self._assemble(rows, pa.array(origins, pa.string())), self)
        return Batch(documents, (*rejected, *unfit), records)

    def _examine(self, line: bytes) -> _Row:
        """Return one line's fields once everything that `_assemble` needs is known to decode.

        Raises:
            _FaultyLineError: with reason and error.
        """
        if len(line) > self.max_line_bytes:
            raise _FaultyLineError("overlong", f"the line has {len(line)} bytes (max_line_bytes)")
        try:
            line.decode()
        except UnicodeDecodeError as error:
            raise _FaultyLineError("invalid_utf8", f"invalid UTF-8 at byte {error.start}") from None
        try:
            row = _ROWS.decode(line)
        except msgspec.ValidationError as error:
            raise _FaultyLineError("wrong_type", f"the line is no JSON object: {error}") from None
        except (msgspec.DecodeError, RecursionError) as error:
            if _has_lone_surrogate(line):
                raise _FaultyLineError("surrogate", "a lone surrogate is no character") from None
            raise _FaultyLineError("malformed", f"malformed JSON: {error}") from None
        probe = dict(row)
        for path in self.text:
            raw = _pluck(probe, path)
            if raw is None:
                raise _FaultyLineError("missing_text", f"there is no field {path!r}")
            _text(raw, path)
        for path in (self.id, self.url, self.source_column, *sum(ALIASES.values(), ())):
            raw = _look(probe, path)
            if raw is not None and bytes(raw).startswith(b'"'):
                _text(raw, path)
        if self.source_column and not _literal(_look(row, self.source_column)):
            raise _FaultyLineError("missing_source", f"there is no field {self.source_column!r}")
        return row

    def _assemble(self, rows: list[_Row], origins: pa.Array) -> pa.Table:
        """Return the documents of `rows`, one column after the other; faults raise."""
        sources: str | list[str | None] = self.source
        if self.source_column:
            sources = _literals([_look(row, self.source_column) for row in rows], rows, "")
            if not all(sources):
                raise _FaultyLineError("missing_source", self.source_column)
        parts = []
        for path in self.text:
            raws = [_pluck(row, path) for row in rows] if "." in path else _taken(rows, path)
            if None in raws:
                raise _FaultyLineError("missing_text", path)
            parts.append(_TEXTS.decode(b"[" + b",".join(raws) + b"]"))  # type: ignore[arg-type]
        texts = parts[0] if len(parts) == 1 else ["\n".join(p) for p in zip(*parts, strict=True)]
        given: set[str] = set().union(*rows)  # most records lack most of the names looked for
        optional = {
            "source_id": self._optional(rows, (self.id,), given),
            **{
                name: self._optional(rows, (self.url,) if name == "url" else aliases, given)
                for name, aliases in ALIASES.items()
            },
        }
        extra = [encode_json(row) if row else None for row in rows]
        columns = {name: values for name, values in optional.items() if values is not None}
        table = documents_table(sources, origins, text_array(texts), columns)
        carried = pa.array(extra, pa.binary()).cast(pa.string())
        return table.set_column(table.schema.get_field_index("extra"), "extra", carried)

    def _optional(
        self, rows: list[_Row], names: tuple[str, ...], given: set[str]
    ) -> list[str | None] | None:
        """Return a column that records may leave out, or None where all of them do."""
        found: list[str | None] | None = None
        for name in names:
            dotted = "." in name
            if not dotted and name not in given:
                continue
            raws = [_look(row, name) for row in rows] if dotted else _taken(rows, name)
            if all(raw is None for raw in raws):
                continue
            values = _literals(raws, rows, "" if dotted else name)
            if found is not None:
                values = [a if a is not None else b for a, b in zip(found, values, strict=True)]
            found = values
        return found


def _taken(rows: list[_Row], name: str) -> list[msgspec.Raw | None]:
    return [row.pop(name, None) for row in rows]


def _pluck(row: _Row, path: str) -> msgspec.Raw | None:
    """Remove and return the value at a name or dotted path; its siblings keep their bytes."""
    if path in row or "." not in path:
        return row.pop(path, None)
    head, _, rest = path.partition(".")
    try:
        inner = _ROWS.decode(row[head])
    except (KeyError, msgspec.MsgspecError):
        return None
    found = _pluck(inner, rest)
    if found is not None:
        row[head] = msgspec.Raw(encode_json(inner))
    return found


def _look(row: _Row, path: str) -> msgspec.Raw | None:
    """Return the value at a name or dotted path and leave it where it is."""
    if path in row or "." not in path:
        return row.get(path)
    head, _, rest = path.partition(".")
    try:
        return _look(_ROWS.decode(row[head]), rest)
    except (KeyError, msgspec.MsgspecError):
        return None


def _literals(raws: list[msgspec.Raw | None], rows: list[_Row], name: str) -> list[str | None]:
    """Return strings decoded, numbers and booleans as written; others go back into the row."""
    try:
        joined = b",".join([_NULL if raw is None else raw for raw in raws])
        strings: list[str | None] = _STRINGS.decode(b"[" + joined + b"]")
    except msgspec.ValidationError:
        strings = []  # not only strings: one by one
    if strings or not raws:
        return strings
    values = []
    for raw, row in zip(raws, rows, strict=True):
        value = _literal(raw)
        if value is None and raw is not None and name and bytes(raw) != b"null":
            row[name] = raw
        values.append(value)
    return values


def _literal(raw: msgspec.Raw | None) -> str | None:
    if raw is None:
        return None
    content = bytes(raw)
    if content[:1] == b'"':
        return _TEXT.decode(content)
    return None if content[:1] in b"{[" or content == b"null" else content.decode()


def _text(raw: msgspec.Raw, path: str) -> str:
    """Return a raw JSON value as the text it must be.

    Raises:
        _FaultyLineError: it is no string.
    """
    content = bytes(raw)
    if content[:1] != b'"':
        shown = content[:40].decode(errors="replace")
        raise _FaultyLineError("wrong_type", f"field {path!r} is {shown}; wanted a string")
    return _TEXT.decode(content)


def _has_lone_surrogate(line: bytes) -> bool:
    """Return whether a line is JSON but for half of a surrogate pair, which msgspec refuses."""
    try:
        shown = json.dumps(json.loads(line, parse_constant=_no_constant), ensure_ascii=False)
    except (ValueError, RecursionError):
        return False
    return any("\ud800" <= character <= "\udfff" for character in shown)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _frames(file: InputFile) -> tuple[bytes, list[int]]:
    """Return a file's first bytes and, if it is whole zstd, where its frames begin."""
    with open_file(file.path) as handle:
        head = handle.read(4)
        handle.seek(0)
        return head, frame_offsets(handle)


def _strides(offsets: list[int], stride: int) -> list[int]:
    """Return those offsets at which a new range of about `stride` bytes begins."""
    chosen = [offsets[0]]
    for offset in offsets[1:]:
        if offset - chosen[-1] >= stride:
            chosen.append(offset)
    return chosen
