"""Plain text, HTML pages and WARC files."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curator.errors import RecipeError
from curator.ingest.extraction import EXTRACTORS, decoded
from curator.ingest.reader import make_reader
from tests.support.broken import SENTENCE, page, warc_record


def rows_of(spec):
    reader = make_reader({"source": "s", **spec})
    batches = [batch for unit in reader.plan() for batch in reader.documents(unit)]
    rows = [row for batch in batches for row in batch.documents.to_pylist()]
    faults = [fault for batch in batches for fault in batch.rejected]
    assert sum(batch.records for batch in batches) == len(rows) + len(faults)
    return rows, faults


def test_a_folder_of_text_files_is_read_to_the_bottom(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "a.txt").write_text("one\n")
    (tmp_path / "d" / "e" / "b.txt.gz").write_bytes(gzip.compress(b"two"))
    rows, _ = rows_of({"reader": "plain", "files": str(tmp_path / "d")})
    assert [(row["origin"], row["text"]) for row in rows] == [
        ("d/a.txt", "one\n"),
        ("d/e/b.txt.gz", "two"),
    ]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("line", [("#1", "one"), ("#2", "two"), ("#5", "three")]),
        ("paragraph", [("#1", "one\ntwo"), ("#5", "three")]),
        ("file", [("", "one\r\ntwo\n\n \nthree")]),
    ],
)
def test_text_may_be_split_by_line_or_paragraph(split, expected, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\n \nthree")
    rows, _ = rows_of({"reader": "plain", "files": str(tmp_path / "a.txt"), "split": split})
    found = [(row["origin"].partition("a.txt")[2], row["text"]) for row in rows]
    assert found == expected


def test_one_bad_line_of_a_text_file_is_rejected_alone(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\nt\xffo\nthree\n")
    rows, (fault,) = rows_of({"reader": "plain", "files": str(tmp_path), "split": "line"})
    assert [row["text"] for row in rows] == ["one", "three"]
    assert (fault.reason, fault.origin.rpartition("#")[2]) == ("invalid_utf8", "2")


def test_an_unknown_split_is_refused():
    with pytest.raises(RecipeError, match="split is 'word'"):
        make_reader({"reader": "plain", "source": "s", "files": "a", "split": "word"})


@pytest.mark.parametrize("name", EXTRACTORS)
def test_every_extractor_finds_the_article(name, tmp_path):
    (tmp_path / "a.html").write_text(page(3))
    ((row,), _) = rows_of({"reader": "html", "files": str(tmp_path), "extractor": name})
    assert SENTENCE.strip() in row["text"]
    assert "<p>" not in row["text"]


def test_pages_may_be_a_column_of_records(tmp_path):
    pq.write_table(
        pa.table({"html": [page(1), "<p></p>"], "id": ["x", "y"]}), tmp_path / "a.parquet"
    )
    spec = {"reader": "html", "files": str(tmp_path / "a.parquet"), "column": "html"}
    (row,), (fault,) = rows_of({**spec, "extractor": "resiliparse"})
    assert (row["source_id"], fault.reason) == ("x", "no_text")


def test_pages_are_decoded_by_their_charset_or_by_what_they_look_like():
    text = "Größe und Maß überall, "
    assert decoded(text.encode("latin-1"), "ISO-8859-1") == text
    assert decoded(text.encode(), "no-such-charset") == text
    assert decoded((text * 9).encode("cp1252"), "utf-8") == text * 9


def warc(content, tmp_path, name="a.warc", **spec):
    (tmp_path / name).write_bytes(content)
    files = str(tmp_path / name)
    return rows_of({"reader": "warc", "files": files, "extractor": "resiliparse", **spec})


def test_warc_pages_carry_url_date_and_record_id(tmp_path):
    members = [gzip.compress(warc_record(i), mtime=0) for i in range(3)]
    rows, faults = warc(b"".join(members), tmp_path, "a.warc.gz")
    assert not faults
    assert [row["url"] for row in rows] == [f"http://example.org/{i}" for i in range(3)]
    assert (rows[1]["date"], rows[1]["source_id"]) == ("2020-01-02T00:00:00Z", "<urn:uuid:1>")
    offsets = [0, len(members[0]), len(members[0]) + len(members[1])]
    assert [int(row["origin"].rpartition("@")[2]) for row in rows] == offsets


def test_plain_and_gzipped_warc_give_the_same_texts(tmp_path):
    content = b"".join(map(warc_record, range(3)))
    plain, _ = warc(content, tmp_path)
    packed, _ = warc(gzip.compress(content), tmp_path, "b.warc.gz")
    assert [row["text"] for row in plain] == [row["text"] for row in packed]
    assert plain[1]["origin"].endswith(f"@{len(warc_record(0))}")


def test_warc_offsets_are_where_fastwarc_finds_the_records(tmp_path):
    from fastwarc.warc import ArchiveIterator

    content = b"".join(map(warc_record, range(3)))
    rows, _ = warc(content, tmp_path)
    theirs = [record.stream_pos for record in ArchiveIterator(io.BytesIO(content))]
    assert [int(row["origin"].rpartition("@")[2]) for row in rows] == theirs


def test_chunked_and_compressed_bodies_are_unpacked(tmp_path):
    body = gzip.compress(page(1).encode())
    record = warc_record(1, body).replace(
        b"\r\n\r\n\x1f", b"\r\nContent-Encoding: gzip\r\n\r\n\x1f"
    )
    old = record.split(b"Content-Length: ")[1].split(b"\r\n")[0]
    new = str(int(old) + len(b"\r\nContent-Encoding: gzip")).encode()
    record = record.replace(b"Content-Length: " + old, b"Content-Length: " + new)
    ((row,), _) = warc(record, tmp_path)
    assert SENTENCE.strip() in row["text"]


def test_errors_redirects_and_other_types_are_no_documents(tmp_path):
    missing = warc_record(0).replace(b"200 OK", b"404 No")
    request = warc_record(1).replace(b"WARC-Type: response", b"WARC-Type: request ")
    picture = warc_record(2, b"\x89PNG" * 9, kind="image/png")
    rows, faults = warc(missing + request + picture, tmp_path)
    assert (rows, faults) == ([], [])


def test_a_gigantic_page_is_skipped_without_being_held(tmp_path):
    content = warc_record(0, b"x" * 3_000_000) + warc_record(1)
    rows, (fault,) = warc(content, tmp_path, max_page_bytes=100_000)
    assert len(rows) == 1
    assert fault.reason == "gigantic"
