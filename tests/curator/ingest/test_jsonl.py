from __future__ import annotations

import gzip
import json

import fsspec
import msgspec
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.ingest.jsonl import JsonlReader
from curator.ingest.reader import make_reader
from curator.schema import DOCUMENT


def read(content, tmp_path, name="a.jsonl", **spec):
    path = tmp_path / name
    path.write_bytes(content)
    reader = make_reader({"reader": "jsonl", "source": "s", "files": str(path), **spec})
    return rows_of(reader)


def rows_of(reader):
    batches = [batch for unit in reader.plan() for batch in reader.documents(unit)]
    table = pa.concat_tables([batch.documents for batch in batches])
    return table.to_pylist(), [fault for batch in batches for fault in batch.rejected]


def test_strings_stay_strings_and_numbers_keep_their_digits(tmp_path):
    content = b'{"text": "a", "id": "00123", "date": 1.10}\n{"text": "b", "id": 00, "x": 1}\n'
    content += b'{"text": "b", "id": 12345678901234567890123, "date": "2020"}\n'
    (one, two), (fault,) = read(content, tmp_path)
    assert (one["source_id"], one["date"]) == ("00123", "1.10")
    assert (two["source_id"], two["date"]) == ("12345678901234567890123", "2020")
    assert fault.reason == "malformed"  # 00 is no JSON


def test_unknown_fields_are_carried_as_they_were_written(tmp_path):
    content = b'{"z": 1.10, "text": "a", "m": {"b": [1e3, null], "a":"\\u00e9"}}\n'
    ((row,), _) = read(content, tmp_path)
    assert row["extra"] == '{"z":1.10,"m":{"b": [1e3, null], "a":"\\u00e9"}}'


def test_known_fields_that_are_no_strings_stay_in_extra(tmp_path):
    content = b'{"text": "a", "license": ["mit"], "url": {"x": 1}, "lang": null, "date": true}\n'
    ((row,), _) = read(content, tmp_path)
    assert (row["license"], row["url"], row["language"], row["date"]) == (None, None, None, "true")
    assert json.loads(row["extra"]) == {"license": ["mit"], "url": {"x": 1}}


def test_licence_and_lang_are_read_as_license_and_language(tmp_path):
    content = b'{"text": "a", "licence": "mit", "lang": "en"}\n{"text": "b", "license": "x"}\n'
    ((one, two), _) = read(content, tmp_path)
    assert (one["license"], one["language"], two["license"]) == ("mit", "en", "x")


def test_fields_may_be_dotted_and_text_may_be_several(tmp_path):
    content = b'{"q": "why", "a": {"text": "so", "n": 1}, "meta": {"id": 7, "source": "x"}}\n'
    spec = {"text": ["q", "a.text"], "id": "meta.id", "source": {"column": "meta.source"}}
    ((row,), _) = read(content, tmp_path, **spec)
    assert (row["text"], row["source_id"], row["source"]) == ("why\nso", "7", "x")
    assert row["extra"] == '{"a":{"n":1},"meta":{"id": 7, "source": "x"}}'


def test_a_record_without_its_source_is_rejected(tmp_path):
    content = b'{"text": "a", "s": "x"}\n{"text": "b"}\n{"text": "c", "s": null}\n'
    rows, faults = read(content, tmp_path, source={"column": "s"})
    assert [row["source"] for row in rows] == ["x"]
    assert [fault.reason for fault in faults] == ["missing_source"] * 2


def test_origins_count_lines_from_one_and_blank_lines_too(tmp_path):
    content = b'\xef\xbb\xbf{"text": "a"}\r\n\n  \n{"text": "b"}'
    rows, faults = read(content, tmp_path)
    assert [row["origin"].split("/")[-1] for row in rows] == ["a.jsonl#1", "a.jsonl#4"]
    assert not faults


def test_nul_characters_are_kept(tmp_path):
    ((row,), _) = read(b'{"text": "a\\u0000b"}\n', tmp_path)
    assert row["text"] == "a\x00b"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compression_is_known_by_content(pack, tmp_path):
    ((row,), _) = read(pack(b'{"text": "a"}\n'), tmp_path, "a.jsonl")
    assert row["text"] == "a"


def test_a_remote_url_reads_as_a_file_does():
    with fsspec.open("memory://bucket/x.jsonl.gz", "wb") as file:
        file.write(gzip.compress(b'{"text": "a"}\n'))
    spec = {"reader": "jsonl", "source": "s", "files": "memory://bucket/*.gz"}
    ((row,), _) = rows_of(make_reader(spec))
    assert row["origin"] == "memory:///bucket/x.jsonl.gz#1"


def whole_and_split(tmp_path, name, content, **cut):
    path = tmp_path / name
    path.write_bytes(content)
    common = {"source": "s", "files": (str(path),)}
    whole = JsonlReader(**common)
    split = JsonlReader(**common, **cut)
    return rows_of(whole), rows_of(split), split.plan()


def test_a_split_plain_file_gives_the_same_rows_with_the_same_origins(tmp_path):
    content = b"".join(b'{"text": "%d%s"}\n' % (i, b"x" * (i % 97)) for i in range(500))
    whole, split, units = whole_and_split(tmp_path, "a.jsonl", content, split_bytes=5000)
    assert whole == split
    assert len(units) > 5
    assert len({unit.key for unit in units}) == len(units)


def test_a_split_zstd_file_gives_every_row_once_wherever_frames_end(tmp_path):
    content = b"".join(b'{"text": "%d%s"}\n' % (i, b"x" * (i % 97)) for i in range(500))
    pack = zstandard.ZstdCompressor().compress
    frames = b"".join(pack(content[i : i + 777]) for i in range(0, len(content), 777))
    whole, split, units = whole_and_split(tmp_path, "a.jsonl.zst", frames, split_bytes=1000)
    assert [row["text"] for row in whole[0]] == [row["text"] for row in split[0]]
    assert not split[1]
    assert len(units) > 3


def test_a_large_gzip_says_that_it_cannot_be_split(tmp_path):
    content = gzip.compress(b'{"text": "a"}\n' * 10)
    _, _, (unit,) = whole_and_split(tmp_path, "a.jsonl.gz", content, split_bytes=10)
    assert "gzip and cannot be split" in unit.note


def test_block_size_changes_nothing(tmp_path):
    content = b"".join(b'{"text": "%d%s", "n": %d}\n' % (i, b"x" * i, i) for i in range(200))
    content += b"bad\n" + b'{"text": "last"}'
    whole, small, _ = whole_and_split(tmp_path, "a.jsonl", content, block_bytes=64)
    assert whole == small


def test_a_missing_file_names_the_pattern(tmp_path):
    spec = {"reader": "jsonl", "source": "s", "files": [str(tmp_path / "*.jsonl")]}
    with pytest.raises(RecipeError, match=r"no file matches .*\*\.jsonl"):
        make_reader(spec).plan()


words = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
keys = words.filter(lambda key: key not in {"text", "id", *DOCUMENT.names, "lang", "licence"})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, st.dictionaries(keys, json_values, max_size=4)), max_size=6))
def test_input_to_arrow_to_jsonl_is_the_same(tmp_path_factory, records):
    rows = [{"text": f"x{text}", **extra} for text, extra in records]
    content = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    found, faults = read(content or b"\n", tmp_path_factory.mktemp("r")) if rows else ([], [])
    assert not faults
    back = [{"text": row["text"], **json.loads(row["extra"] or "{}")} for row in found]
    assert back == rows
