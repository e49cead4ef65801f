"""Cut a stream of bytes into blocks of whole lines, keeping count of where each line is.

A broken stream loses the line it broke in and nothing before it; a line too long to hold is
skipped without holding it. Memory is one block and the line that straddles its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from curator.ingest.files import open_file
from curator.ingest.reader import RAW_BYTES, Piece
from curator.ingest.streams import Break, Chunk, Limits, chunks

_BOM = b"\xef\xbb\xbf"  # UTF-8's byte-order mark: of the file, not of its first record


@dataclass(frozen=True)
class LineLimits:
    """How much is held at once, and when a stream is given up."""

    block_bytes: int
    max_line_bytes: int
    stream: Limits


@dataclass(frozen=True)
class Lines:
    """Whole lines: `data` ends with a newline unless the input does not."""

    data: bytes
    newlines: int
    first_line: int | None  # number of the first line, from 1; None in a split zstd file
    offset: int  # of the first line, in decompressed bytes from the piece's start
    place: str  # what origins begin with: the label, and "@start" where lines have no numbers


@dataclass(frozen=True)
class Fault:
    """A record that could not be cut out: it becomes one rejected record."""

    origin: str
    reason: str
    error: str
    raw: bytes


def line_blocks(piece: Piece, limits: LineLimits) -> Iterator[Lines | Fault]:
    """Yield the lines of `piece` in blocks, with faults where the input has them."""
    try:
        with open_file(piece.path) as handle:
            yield from _Cutter(piece, limits).cut(_ranged(piece, handle, limits))
    except OSError as error:
        yield Fault(f"{piece.label}@0", "unreadable", f"cannot be read: {error}", b"")


def _ranged(piece: Piece, handle: object, limits: LineLimits) -> Iterator[Chunk | Break]:
    """Yield the chunks of a piece; plain ranges stop exactly, compressed ones at a line's end."""
    exact = piece.first_line is not None and piece.stop is not None
    for step in chunks(handle, piece.path, limits.stream, piece.start):  # type: ignore[arg-type]
        if (
            piece.stop is None
            or (step.frame if isinstance(step, Chunk) else step.offset) < piece.stop
        ):
            if exact and isinstance(step, Chunk) and step.frame + len(step.data) > piece.stop:  # type: ignore[operator]
                yield Chunk(step.data[: piece.stop - step.frame], step.frame)  # type: ignore[operator]
                return
            yield step
        elif exact or isinstance(step, Break):
            return
        else:  # the line that straddles the border belongs to the piece it begins in
            border = step.data.find(b"\n") + 1
            yield Chunk(step.data[:border] if border else step.data, step.frame)
            if border:
                return


class _Cutter:
    """Gathers chunks and cuts them at newlines."""

    def __init__(self, piece: Piece, limits: LineLimits) -> None:
        self._piece = piece
        self._limits = limits
        self._line = piece.first_line
        self._offset = 0
        self._held: list[bytes] = []
        self._size = 0
        # A later piece of a split zstd file begins inside a line that its neighbor has read.
        self._skipping = piece.first_line is None and piece.start > 0
        self._place = (
            piece.label if piece.first_line is not None else f"{piece.label}@{piece.start}"
        )

    def cut(self, steps: Iterator[Chunk | Break]) -> Iterator[Lines | Fault]:
        fresh = self._piece.start == 0
        for step in steps:
            if isinstance(step, Break):
                yield from self._flush()
                yield self._broken(step)
                continue
            data = step.data.removeprefix(_BOM) if fresh else step.data
            fresh = False
            if self._skipping:
                data = self._skip(data)
            self._held.append(data)
            self._size += len(data)
            if self._size >= self._limits.block_bytes:
                yield from self._flush()
                if self._size > self._limits.max_line_bytes:
                    yield self._overlong()
        yield from self._flush()
        if rest := self._take():
            yield self._lines(rest)

    def _skip(self, data: bytes) -> bytes:
        border = data.find(b"\n") + 1
        self._offset += border or len(data)
        if not border:
            return b""
        self._skipping = False
        if self._line is not None:
            self._line += 1
        return data[border:]

    def _take(self) -> bytes:
        joined = b"".join(self._held)
        self._held, self._size = [], 0
        return joined

    def _flush(self) -> Iterator[Lines]:
        """Yield the whole lines held and keep the rest."""
        joined = self._take()
        border = joined.rfind(b"\n") + 1
        if border:
            yield self._lines(joined[:border])
        self._held, self._size = [joined[border:]], len(joined) - border

    def _lines(self, data: bytes) -> Lines:
        newlines = int(np.count_nonzero(np.frombuffer(data, np.uint8) == 10))
        block = Lines(data, newlines, self._line, self._offset, self._place)
        self._offset += len(data)
        if self._line is not None:
            self._line += newlines
        return block

    def _broken(self, fault: Break) -> Fault:
        torn = self._take()
        self._offset += len(torn)
        if torn and self._line is not None:
            self._line += 1
        return Fault(
            f"{self._piece.label}@{fault.offset}", fault.reason, fault.error, torn[:RAW_BYTES]
        )

    def _overlong(self) -> Fault:
        torn = self._take()
        where = f"#{self._line}" if self._line is not None else f"+{self._offset}"
        self._offset += len(torn)
        self._skipping = True
        return Fault(
            self._place + where,
            "overlong",
            f"the line passes {self._limits.max_line_bytes} bytes (max_line_bytes)",
            torn[:RAW_BYTES],
        )
