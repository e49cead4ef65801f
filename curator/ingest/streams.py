"""Decompress without trust: plain, gzip and zstd input as bounded chunks, breaks as values.

A `Break` says where a stream stopped making sense; everything before it was already yielded.
After a corrupt zstd frame reading goes on at the next frame; gzip has no mark that could be
trusted for that, so a broken gzip ends there. Output is bounded whatever the input claims.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import zstandard

GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1
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
    final: bool  # nothing follows


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


def chunks(handle: BinaryIO, name: str, limits: Limits, start: int = 0) -> Iterator[Chunk | Break]:
    """Yield a file's content decompressed, with breaks where it fails.

    Args:
        handle: the open file, at its beginning.
        name: its name: a `.gz` or `.zst` that is neither is corrupt, not text.
        limits: when to stop a decompression bomb.
        start: where to begin: a frame's offset for zstd, any byte for plain files.
    """
    head = handle.read(4)
    handle.seek(start)
    if head.startswith(GZIP_MAGIC):
        yield from _gzip(handle, limits)
    elif head == ZSTD_MAGIC or (len(head) == 4 and _skippable(head)):
        yield from _zstd(handle, limits, start)
    elif name.endswith((".gz", ".zst")):
        kind = "gzip" if name.endswith(".gz") else "zstd"
        yield Break(0, "corrupt", f"the name says {kind}, the first bytes {head!r} do not", True)
    else:
        while data := handle.read(_READ_BYTES):
            yield Chunk(data, start)
            start += len(data)


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
    return 0x184D2A50 <= int.from_bytes(magic, "little") <= 0x184D2A5F  # RFC 8878, 3.1.2


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
        raise BreakError(Break(consumed, "bomb", f"decompression stopped: {said}", True))


def _gzip(handle: BinaryIO, limits: Limits) -> Iterator[Chunk | Break]:
    """Yield the members of a gzip file (RFC 1952); a break ends it."""
    meter = _Meter(limits)
    consumed, member = 0, 0
    state = None
    pending = b""
    try:
        while pending or (pending := handle.read(_READ_BYTES)):
            if state is None:
                pending = pending.lstrip(b"\x00")  # zero padding after a member, as tar leaves it
                if not pending:
                    continue
                state, member = zlib.decompressobj(wbits=31), consumed
            data = state.decompress(pending, _GZIP_OUT)
            rest = state.unused_data if state.eof else state.unconsumed_tail
            consumed += len(pending) - len(rest)
            pending = rest
            if data:
                meter.check(len(data), consumed)
                yield Chunk(data, member)
            if state.eof:
                state = None
        if state is not None:
            if tail := state.flush():
                yield Chunk(tail, member)
            yield Break(consumed, "truncated", "the gzip member ends before its trailer", True)
    except zlib.error as error:
        yield Break(consumed, "corrupt", f"gzip member at byte {member}: {error}", True)
    except BreakError as stop:
        yield stop.fault


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
            fault = Break(source.position, "truncated", "the last zstd frame has no end", True)
            break
        try:
            data = state.decompress(slice_)
            if state.eof:
                source.unread(len(state.unused_data))
            meter.check(len(data), source.position - start)
        except zstandard.ZstdError as error:
            fault = Break(frame, "corrupt", f"zstd frame at byte {frame}: {error}", False)
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
