"""Decompress without trust: plain, gzip and zstd input as bounded chunks, breaks as values.

A `Break` says where a stream stopped making sense; everything before it was already yielded.
After a corrupt zstd frame reading goes on at the next frame; a corrupt gzip ends there, unless
the caller can tell its records from chance. Output is bounded whatever the input claims.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO

import zstandard

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
_GZIP_DEFLATE = GZIP_MAGIC + b"\x08"  # with the one method there is
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1
_READ_BYTES = 1 << 20
# A slice of 4 kB can hold 1365 zstd RLE blocks of 4 bytes, each 128 kB when decompressed:
# 175 MB is the most that one step can allocate, whatever the frame says of itself.
_ZSTD_SLICE = 4096
_GZIP_OUT = 4 << 20
_BOMB_GRACE_BYTES = 32 << 20  # ratios are not judged before so much has come out


@dataclass(frozen=True)
class Limits:
    """When decompression is called a bomb and stopped."""

    max_ratio: int  # bytes out per byte in
    max_bytes: int  # bytes out of one file


@dataclass(frozen=True)
class Break:
    """The place in the compressed file where reading failed."""

    offset: int
    reason: str  # "truncated", "corrupt", "bomb"
    error: str
    final: bool = True  # nothing follows


@dataclass(frozen=True)
class Chunk:
    """Decompressed bytes; `frame` is the offset of the frame or member they come from."""

    data: bytes
    frame: int


class BreakError(Exception):
    """A stream broke; kept inside this module."""

    def __init__(self, fault: Break) -> None:
        super().__init__(fault)
        self.fault = fault


def chunks(
    handle: BinaryIO, name: str, limits: Limits, start: int = 0, *, resume: bool = False
) -> Iterator[Chunk | Break]:
    """Yield a file's content decompressed, with breaks where it fails.

    Args:
        handle: the open file, at its beginning.
        name: its name: a `.gz` or `.zst` that is neither is corrupt, not text.
        limits: when to stop a decompression bomb.
        start: where to begin: a frame's offset for zstd, any byte for plain files.
        resume: go on behind a corrupt gzip member; for formats that know their records' marks,
            since three bytes of magic occur by chance once in 16 MB.
    """
    head = handle.read(4)
    handle.seek(start)
    if head.startswith(GZIP_MAGIC):
        yield from _gzip(handle, limits, resume=resume)
    elif compressed(head):
        yield from _zstd(handle, limits, start)
    elif name.endswith((".gz", ".zst")):
        kind = "gzip" if name.endswith(".gz") else "zstd"
        yield Break(0, "corrupt", f"the name says {kind}, the first bytes {head!r} do not")
    else:
        while data := handle.read(_READ_BYTES):
            yield Chunk(data, start)
            start += len(data)


def compressed(head: bytes) -> bool:
    """Return whether a file that begins with these 4 bytes is gzip or zstd."""
    return head.startswith(GZIP_MAGIC) or head == ZSTD_MAGIC or _skippable(head)


def frame_offsets(handle: BinaryIO) -> list[int]:
    """Return where each zstd frame of a file begins, by walking the block headers (RFC 8878, 3.1).

    Empty if the file is not whole zstd: then it is not split and is read in one piece.
    """
    offsets = []
    position = 0
    while magic := handle.read(4):
        if len(magic) < 4:
            return []
        offsets.append(position)
        if _skippable(magic):
            size = handle.read(4)
            handle.seek(int.from_bytes(size, "little"), 1)
        elif magic != ZSTD_MAGIC or not _skip_frame(handle):
            return []
        position = handle.tell()
    return offsets if position == handle.seek(0, 2) else []


def _skippable(magic: bytes) -> bool:
    return (
        len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and magic[0] >> 4 == 5
    )  # RFC 8878, 3.1.2


def _skip_frame(handle: BinaryIO) -> bool:
    """Move behind one frame whose magic was read; False where its blocks make no sense."""
    descriptor = handle.read(1)
    if not descriptor:
        return False
    flags = descriptor[0]
    single = bool(flags & 0x20)
    content_size = (1 if single else 0, 2, 4, 8)[flags >> 6]
    handle.seek((0 if single else 1) + (0, 1, 2, 4)[flags & 3] + content_size, 1)
    while len(block := handle.read(3)) == 3:
        header = int.from_bytes(block, "little")
        kind, size = (header >> 1) & 3, header >> 3
        if kind == 3:
            return False
        handle.seek(1 if kind == 1 else size, 1)
        if header & 1:
            handle.seek(4 if flags & 4 else 0, 1)
            return True
    return False


class _Meter:
    """Counts what goes in and comes out of one file, and stops a bomb."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._out = 0

    def check(self, produced: int, consumed: int) -> None:
        self._out += produced
        limits = self._limits
        ratio = self._out / max(consumed, 1)
        if self._out > limits.max_bytes:
            said = f"more than {limits.max_bytes} bytes came out (max_decompressed_bytes)"
        elif self._out > _BOMB_GRACE_BYTES and ratio > limits.max_ratio:
            said = f"{ratio:.0f} bytes came out per byte, limit {limits.max_ratio} (max_ratio)"
        else:
            return
        raise BreakError(Break(consumed, "bomb", f"decompression stopped: {said}"))


def _gzip(handle: BinaryIO, limits: Limits, *, resume: bool) -> Iterator[Chunk | Break]:
    """Yield the members of a gzip file (RFC 1952); a corrupt one ends it unless `resume`."""
    source = _Slices(handle, 0)
    meter = _Meter(limits)
    doubtful = False
    while source.more():
        member = source.position
        fault = None
        for step in _member(source, meter):
            if isinstance(step, Break):
                fault = step
            else:
                doubtful = False
                yield Chunk(step, member)
        if fault is None:
            continue
        if fault.reason == "corrupt" and resume:
            source.seek(member + len(GZIP_MAGIC))
            fault = replace(fault, final=not source.find(_GZIP_DEFLATE))
        if not doubtful or fault.reason != "corrupt":
            yield fault
        doubtful = True
        if fault.final:
            return


def _member(source: _Slices, meter: _Meter) -> Iterator[bytes | Break]:
    """Yield one gzip member in pieces; last, if it broke, the break."""
    member = source.position
    state = zlib.decompressobj(wbits=31)
    saved = state
    pending = b""
    try:
        while not state.eof:
            pending = pending or source.read(_READ_BYTES)
            if not pending:
                if tail := state.flush():
                    yield tail
                said = "the gzip member ends before its trailer"
                yield Break(source.position, "truncated", said)
                return
            saved = state.copy()
            data = state.decompress(pending, _GZIP_OUT)
            pending = state.unconsumed_tail
            if data:
                meter.check(len(data), source.position - len(pending))
                yield data
        source.unread(len(state.unused_data))
    except zlib.error as error:
        yield from _salvaged(saved, pending)
        yield Break(member, "corrupt", f"gzip member at byte {member}: {error}")
    except BreakError as stop:
        yield stop.fault


def _salvaged(state: zlib._Decompress, content: bytes) -> Iterator[bytes]:
    """Yield what comes out before a fault: a failing call of zlib returns nothing of its work."""
    with suppress(zlib.error):
        for at in range(len(content)):
            if data := state.decompress(content[at : at + 1], _GZIP_OUT):
                yield data


def _zstd(handle: BinaryIO, limits: Limits, start: int) -> Iterator[Chunk | Break]:
    """Yield the frames of a zstd file; after a corrupt frame go on at the next magic."""
    source = _Slices(handle, start)
    meter = _Meter(limits)
    doubtful = False  # after a break the next magic may be chance: then it yields nothing
    while source.more():
        frame = source.position
        fault = None
        for step in _frame(source, meter, start):
            if isinstance(step, Break):
                fault = step
            else:
                doubtful = False
                yield Chunk(step, frame)
        if fault is None:
            continue
        if fault.reason == "corrupt":
            source.seek(frame + len(ZSTD_MAGIC))
            fault = replace(fault, offset=frame, final=not source.find(ZSTD_MAGIC))
        if not doubtful or fault.reason != "corrupt":
            yield fault
        doubtful = True
        if fault.final:
            return


def _frame(source: _Slices, meter: _Meter, start: int) -> Iterator[bytes | Break]:
    """Yield one frame in pieces of about `_READ_BYTES`; last, if it broke, the break."""
    frame = source.position
    state = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    gathered: list[bytes] = []
    size = 0
    fault = None
    while not state.eof and fault is None:
        slice_ = source.read(_ZSTD_SLICE)
        if not slice_:
            fault = Break(source.position, "truncated", "the last zstd frame has no end")
            break
        try:
            data = state.decompress(slice_)
            if state.eof:
                source.unread(len(state.unused_data))
            meter.check(len(data), source.position - start)
        except zstandard.ZstdError as error:
            fault = Break(frame, "corrupt", f"zstd frame at byte {frame}: {error}", final=False)
            break
        except BreakError as stop:
            fault = stop.fault
            break
        gathered.append(data)
        size += len(data)
        if size >= _READ_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)
    if fault is not None:
        yield fault


class _Slices:
    """A file read in small slices that can step back a little."""

    def __init__(self, handle: BinaryIO, start: int) -> None:
        self._handle = handle
        self._buffer = b""
        self._at = 0  # next byte in the buffer
        self.position = start  # next byte in the file

    def more(self) -> bool:
        if self._at == len(self._buffer):
            self._buffer, self._at = self._handle.read(_READ_BYTES), 0
        return self._at < len(self._buffer)

    def read(self, count: int) -> bytes:
        if not self.more():
            return b""
        taken = self._buffer[self._at : self._at + count]
        self._at += len(taken)
        self.position += len(taken)
        return taken

    def unread(self, count: int) -> None:
        self._at -= count
        self.position -= count

    def seek(self, position: int) -> None:
        self._handle.seek(position)
        self._buffer, self._at, self.position = b"", 0, position

    def find(self, mark: bytes) -> bool:
        """Move to the next `mark`; False if there is none."""
        kept = b""
        while self.more():
            window = kept + self.read(_READ_BYTES)
            at = window.find(mark)
            if at >= 0:
                self.seek(self.position - len(window) + at)
                return True
            kept = window[-len(mark) + 1 :]
        return False
