from __future__ import annotations

import gzip
import io
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from curator.ingest.streams import Break, Chunk, Limits, chunks, frame_offsets

LIMITS = Limits(max_ratio=250, max_bytes=1 << 30)


def read(content, name="x", limits=LIMITS, **options):
    steps = list(chunks(io.BytesIO(content), name, limits, **options))
    data = b"".join(step.data for step in steps if isinstance(step, Chunk))
    return data, [step for step in steps if isinstance(step, Break)]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=5))
def test_members_and_frames_decompress_to_what_went_in(parts):
    whole = b"".join(parts)
    assert read(b"".join(gzip.compress(p) for p in parts)) == (whole, [])
    assert read(b"".join(zstandard.ZstdCompressor().compress(p) for p in parts)) == (whole, [])


@given(st.integers(1, 400))
def test_a_cut_gzip_gives_all_that_zlib_can_and_one_break(cut):
    packed = gzip.compress(bytes(range(256)) * 20, mtime=0)[:-1]
    packed = packed[: max(10, len(packed) - cut)]
    data, (fault,) = read(packed, "x.gz")
    assert data == zlib.decompressobj(wbits=31).decompress(packed)
    assert (fault.reason, fault.offset) == ("truncated", len(packed))


def test_frame_offsets_are_where_frames_were_written():
    pack = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False)
    skippable = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    frames = [pack.compress(b"a" * 300_000), skippable, pack.compress(b""), pack.compress(b"b")]
    offsets = [sum(map(len, frames[:i])) for i in range(4)]
    assert frame_offsets(io.BytesIO(b"".join(frames))) == offsets
    assert frame_offsets(io.BytesIO(b"".join(frames)[:-1])) == []
    assert read(b"".join(frames))[0] == b"a" * 300_000 + b"b"


def test_reading_begins_at_a_frame():
    one, two = (zstandard.ZstdCompressor().compress(part) for part in (b"one", b"two"))
    assert read(one + two, start=len(one)) == (b"two", [])


def test_a_frame_may_not_claim_a_window_of_gigabytes():
    options = zstandard.ZstdCompressionParameters(window_log=29)
    frame = zstandard.ZstdCompressor(compression_params=options)
    out = frame.compressobj()
    packed = out.compress(b"x" * 100) + out.flush()
    _, (fault,) = read(packed, "x.zst")
    assert fault.reason == "corrupt"
    assert "memory" in fault.error


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_bomb_is_stopped_by_its_ratio(pack):
    data, (fault,) = read(pack(b"\x00" * 100_000_000), limits=Limits(100, 1 << 40))
    assert fault.reason == "bomb"
    assert "max_ratio" in fault.error
    assert len(data) < 100_000_000


def test_behind_a_corrupt_gzip_member_reading_goes_on_only_when_asked():
    members = [gzip.compress(part * 100, mtime=0) for part in (b"one", b"two", b"three")]
    members[1] = members[1][:12] + b"\xff\xff\xff" + members[1][15:]
    packed = b"".join(members)
    assert b"three" not in read(packed)[0]
    data, (fault,) = read(packed, resume=True)
    assert data.startswith(b"one" * 100)
    assert data.endswith(b"three" * 100)
    assert (fault.reason, fault.offset) == ("corrupt", len(members[0]))


def test_zeros_between_gzip_members_are_a_break_that_loses_nothing_before_them():
    data, faults = read(gzip.compress(b"one") + b"\x00" * 100)
    assert data == b"one"
    assert [fault.reason for fault in faults] == ["corrupt"]
