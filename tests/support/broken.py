"""Inputs that are broken in one way each, made on the fly, with what must come of them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard


@dataclass
class Broken:
    """A reader's settings for one broken file, and the exact account that it must give."""

    spec: dict[str, Any]
    good: list[str]  # texts that must survive, in order
    rejected: dict[str, int]  # reason: records
    origins: list[str] = field(default_factory=list)  # of the rejected; not checked if empty


def texts(n: int) -> list[str]:
    """Return n different texts with quotes, newlines, and letters of several alphabets."""
    return [
        f'Text {i} says "naïve Ω 漢字 \U0001f600"\nand goes on for {i * 7919} words.'
        for i in range(n)
    ]


def line(text: object, **fields: object) -> bytes:
    """Return one JSON line."""
    return json.dumps({"text": text, **fields}, ensure_ascii=False).encode() + b"\n"


def lines(n: int) -> list[bytes]:
    """Return the JSON lines of `texts(n)`."""
    return [line(text, id=f"{i:05d}") for i, text in enumerate(texts(n))]


def _jsonl(
    folder: Path, content: bytes, name: str = "in.jsonl", **settings: object
) -> dict[str, Any]:
    path = folder / name
    path.write_bytes(content)
    return {"reader": "jsonl", "source": "broken", "files": str(path), **settings}


def _with_line(bad: bytes, reason: str) -> Callable[[Path], Broken]:
    """Return a maker of ten good lines with `bad` as the fifth."""

    def make(folder: Path) -> Broken:
        rows = lines(10)
        content = b"".join([*rows[:4], bad + b"\n", *rows[4:]])
        origin = f"{folder.name}/in.jsonl#5"
        return Broken(_jsonl(folder, content), texts(10), {reason: 1}, [origin])

    return make


def invalid_byte_at_line_401(folder: Path) -> Broken:
    """Return the case in which datatrove writes 360 of 1000 documents (peers.md 2.1)."""
    rows = lines(1000)
    rows[400] = rows[400].replace(b"Text", b"T\xffxt")
    good = [text for i, text in enumerate(texts(1000)) if i != 400]
    origin = f"{folder.name}/in.jsonl#401"
    return Broken(_jsonl(folder, b"".join(rows)), good, {"invalid_utf8": 1}, [origin])


def invalid_byte_in_an_unread_field(folder: Path) -> Broken:
    rows = lines(5)
    rows[2] = rows[2].replace(b'"id"', b'"note": "\xff", "id"')
    good = [text for i, text in enumerate(texts(5)) if i != 2]
    return Broken(_jsonl(folder, b"".join(rows)), good, {"invalid_utf8": 1})


def gigantic(folder: Path) -> Broken:
    rows = lines(3)
    rows.insert(1, line("x" * 5001))
    spec = _jsonl(folder, b"".join(rows), max_document_bytes=5000)
    return Broken(spec, texts(3), {"gigantic": 1}, [f"{folder.name}/in.jsonl#2"])


def overlong_line(folder: Path) -> Broken:
    """Return a line so long that it is skipped without being held."""
    rows = lines(3)
    rows.insert(1, line("x" * 5_000_000))
    spec = _jsonl(folder, b"".join(rows), max_line_bytes=1 << 20)
    return Broken(spec, texts(3), {"overlong": 1}, [f"{folder.name}/in.jsonl#2"])


def _recoverable(data: bytes) -> int:
    """Return how many whole lines zlib gets out of a cut gzip file: an independent count."""
    return zlib.decompressobj(wbits=31).decompress(data).count(b"\n")


def truncated_gzip(folder: Path) -> Broken:
    whole = gzip.compress(b"".join(lines(2000)), mtime=0)
    cut = whole[: len(whole) // 2]
    kept = _recoverable(cut)
    assert 100 < kept < 1900
    origin = f"{folder.name}/in.jsonl.gz@{len(cut)}"
    spec = _jsonl(folder, cut, "in.jsonl.gz")
    return Broken(spec, texts(kept), {"truncated": 1}, [origin])


def gzip_with_a_wrong_checksum(folder: Path) -> Broken:
    whole = bytearray(gzip.compress(b"".join(lines(20)), mtime=0))
    whole[-8] ^= 1
    return Broken(_jsonl(folder, bytes(whole), "in.jsonl.gz"), texts(20), {"corrupt": 1})


def gzip_that_is_none(folder: Path) -> Broken:
    return Broken(_jsonl(folder, b"no gzip at all\n" * 9, "in.jsonl.gz"), [], {"corrupt": 1})


def _frames(n: int) -> list[bytes]:
    """Return n zstd frames of 100 lines each."""
    rows = lines(100 * n)
    pack = zstandard.ZstdCompressor(write_checksum=True).compress
    return [pack(b"".join(rows[i * 100 : i * 100 + 100])) for i in range(n)]


def truncated_zstd(folder: Path) -> Broken:
    frames = _frames(3)
    cut = b"".join(frames)[:-6]
    out = zstandard.ZstdDecompressor().decompressobj().decompress(frames[2][:-6])
    kept = 200 + out.count(b"\n")
    spec = _jsonl(folder, cut, "in.jsonl.zst")
    return Broken(spec, texts(kept), {"truncated": 1}, [f"{folder.name}/in.jsonl.zst@{len(cut)}"])


def corrupt_zstd_frame_in_the_middle(folder: Path) -> Broken:
    """Return three frames whose second has a hole: the third must be read."""
    frames = _frames(3)
    middle = len(frames[1]) // 2
    frames[1] = frames[1][:middle] + b"\x00" * 50 + frames[1][middle + 50 :]
    good = [text for i, text in enumerate(texts(300)) if not 100 <= i < 200]
    origin = f"{folder.name}/in.jsonl.zst@{len(frames[0])}"
    spec = _jsonl(folder, b"".join(frames), "in.jsonl.zst")
    return Broken(spec, good, {"corrupt": 1}, [origin])


def zstd_bomb(folder: Path) -> Broken:
    """Return a few good lines, then 300 MB of one letter in 10 kB."""
    good = zstandard.ZstdCompressor().compress(b"".join(lines(5)))
    bomb = zstandard.ZstdCompressor().compress(b"a" * 300_000_000)
    spec = _jsonl(folder, good + bomb, "in.jsonl.zst")
    return Broken(spec, texts(5), {"bomb": 1})


def gzip_over_the_absolute_limit(folder: Path) -> Broken:
    content = gzip.compress(b"".join(lines(50)) + b"\n" * 100_000, mtime=0)
    spec = _jsonl(folder, content, "in.jsonl.gz", max_decompressed_bytes=50_000)
    return Broken(spec, [], {"bomb": 1})


def parquet_without_a_footer(folder: Path) -> Broken:
    (folder / "a.parquet").write_bytes(b"PAR1" + b"\x00" * 100)
    pq.write_table(pa.table({"text": texts(3)}), folder / "b.parquet")
    spec = {"reader": "parquet", "source": "broken", "files": str(folder / "*.parquet")}
    return Broken(spec, texts(3), {"unreadable": 1}, [f"{folder.name}/a.parquet@0"])


def parquet_with_bad_rows(folder: Path) -> Broken:
    values = [b"good one", None, b"bad \xff", b"  ", b"good two"]
    pq.write_table(pa.table({"text": pa.array(values, pa.binary())}), folder / "a.parquet")
    spec = {"reader": "parquet", "source": "broken", "files": str(folder / "a.parquet")}
    account = {"wrong_type": 1, "invalid_utf8": 1, "empty": 1}
    return Broken(spec, ["good one", "good two"], account)


def plain_files(folder: Path) -> Broken:
    for name, content in {
        "a.txt": b"good", "b.txt": b"bad \xff", "c.txt": b" \n", "d.txt": b"x" * 2000,
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)
    spec = {"reader": "plain", "source": "broken", "files": str(folder), "max_document_bytes": 1000}
    account = {"invalid_utf8": 1, "empty": 1, "gigantic": 1}
    return Broken(spec, ["good"], account)


SENTENCE = "Rivers carry sand and stones from the mountains to the sea in the course of years. "


def page(number: int) -> str:
    """Return an HTML page with an article that extractors find."""
    body = f"<p>{SENTENCE * 4} Page {number}.</p><p>{SENTENCE * 3}</p>"
    return f"<html><head><title>t</title></head><body><article>{body}</article></body></html>"


def warc_record(number: int, body: bytes | None = None, kind: str = "text/html") -> bytes:
    """Return one WARC response record, uncompressed."""
    content = page(number).encode() if body is None else body
    http = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n".encode() + content
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"WARC-Target-URI: http://example.org/{number}\r\n"
        f"WARC-Date: 2020-01-0{number + 1}T00:00:00Z\r\n"
        "Content-Type: application/http;msgtype=response\r\n"
        f"Content-Length: {len(http)}\r\n\r\n"
    )
    return head.encode() + http + b"\r\n\r\n"


def _warc(folder: Path, content: bytes, name: str = "in.warc.gz") -> dict[str, Any]:
    (folder / name).write_bytes(content)
    files = str(folder / name)
    return {"reader": "warc", "source": "broken", "files": files, "extractor": "resiliparse"}


def _members(n: int) -> list[bytes]:
    return [gzip.compress(warc_record(i), mtime=0) for i in range(n)]


def truncated_warc_member(folder: Path) -> Broken:
    cut = b"".join(_members(3))[:-60]
    return Broken(_warc(folder, cut), _articles([0, 1]), {"truncated": 1})


def corrupt_warc_member(folder: Path) -> Broken:
    members = _members(4)
    members[1] = members[1][:60] + bytes(b ^ 0x5A for b in members[1][60:100]) + members[1][100:]
    spec = _warc(folder, b"".join(members))
    origin = f"{folder.name}/in.warc.gz@{len(members[0])}"
    return Broken(spec, _articles([0, 2, 3]), {"corrupt": 1}, [origin])


def warc_member_with_a_wrong_checksum(folder: Path) -> Broken:
    members = _members(3)
    members[1] = members[1][:-8] + b"\x00\x00\x00\x00" + members[1][-4:]
    return Broken(_warc(folder, b"".join(members)), _articles([0, 2]), {"corrupt": 1})


def truncated_plain_warc(folder: Path) -> Broken:
    content = warc_record(0) + warc_record(1)[:-300]
    return Broken(_warc(folder, content, "in.warc"), _articles([0]), {"truncated": 1})


def warc_with_garbage_between(folder: Path) -> Broken:
    content = warc_record(0) + b"garbage\r\n" * 20 + b"\r\n" + warc_record(1)
    return Broken(_warc(folder, content, "in.warc"), _articles([0, 1]), {"malformed": 1})


def warc_page_without_text(folder: Path) -> Broken:
    content = warc_record(0) + warc_record(1, b"<html><body></body></html>")
    content += warc_record(2, b"%PDF-1.5 \x00", kind="application/pdf")  # no page: not counted
    return Broken(_warc(folder, content, "in.warc"), _articles([0]), {"no_text": 1})


def _articles(numbers: list[int]) -> list[str]:
    """Return what every extractor must find in these pages: a part of each article."""
    return [f"Page {number}." for number in numbers]


KINDS: dict[str, Callable[[Path], Broken]] = {
    "malformed line": _with_line(b'{"text": "no end', "malformed"),
    "NaN": _with_line(b'{"text": "a", "score": NaN}', "malformed"),
    "two objects on a line": _with_line(b'{"text": "a"} {"text": "b"}', "malformed"),
    "deeply nested line": _with_line(b'{"text": "a", "x": ' + b"[" * 100_000, "malformed"),
    "text is a number": _with_line(b'{"text": 12}', "wrong_type"),
    "text is null": _with_line(b'{"text": null}', "wrong_type"),
    "text is a list": _with_line(b'{"text": ["a"]}', "wrong_type"),
    "line is a list": _with_line(b'["text"]', "wrong_type"),
    "no text": _with_line(b'{"body": "a"}', "missing_text"),
    "empty text": _with_line(b'{"text": ""}', "empty"),
    "white text": _with_line(b'{"text": "\\u00a0\\u3000\\ufeff \\u0000\\t"}', "empty"),
    "invalid UTF-8": _with_line(b'{"text": "a\xc3("}', "invalid_utf8"),
    "lone surrogate": _with_line(b'{"text": "a \\ud800 b"}', "surrogate"),
    "lone surrogate in url": _with_line(b'{"text": "a", "url": "\\udfff"}', "surrogate"),
    "UTF-16 line": _with_line('{"text": "a"}'.encode("utf-16"), "invalid_utf8"),
    **{
        make.__name__.replace("_", " "): make
        for make in (
            invalid_byte_at_line_401, invalid_byte_in_an_unread_field, gigantic, overlong_line,
            truncated_gzip, gzip_with_a_wrong_checksum, gzip_that_is_none, truncated_zstd,
            corrupt_zstd_frame_in_the_middle, zstd_bomb, gzip_over_the_absolute_limit,
            parquet_without_a_footer, parquet_with_bad_rows, plain_files, truncated_warc_member,
            corrupt_warc_member, warc_member_with_a_wrong_checksum, truncated_plain_warc,
            warc_with_garbage_between, warc_page_without_text,
        )
    },
}  # fmt: skip


def write_all(folder: Path) -> dict[str, Broken]:
    """Write every kind into a folder of its own below `folder`, and return what must come of it."""
    made = {}
    for number, (name, make) in enumerate(KINDS.items()):
        inner = folder / f"{number:02d}"
        inner.mkdir(parents=True)
        made[name] = make(inner)
    return made
