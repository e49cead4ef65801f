from __future__ import annotations

import pyarrow.compute as pc
import pytest

from curator.identity import document_ids
from curator.ingest.pack import ingest_unit, shard_prefix
from curator.ingest.reader import make_reader
from curator.schema import DOCUMENT, QUARANTINE
from curator.shards import read_shard


def reader_of(folder, **spec):
    return make_reader({"reader": "jsonl", "source": "web/../x", "files": str(folder), **spec})


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        rows = [f'{{"text": "{number} {i} {"y" * 50}"}}\n' for i in range(100)]
        (folder / f"{number}.jsonl").write_text("".join(rows))
    return folder


def test_shards_hold_the_document_schema_and_ids_of_source_and_text(corpus, tmp_path):
    reader = reader_of(corpus)
    (unit,) = reader.plan()
    (shard,) = ingest_unit(reader, unit, tmp_path / "out").shards
    table = read_shard(shard)
    assert table.schema.equals(DOCUMENT, check_metadata=True)
    assert table["doc_id"].combine_chunks() == document_ids("web/../x", table["text"])


def test_shards_are_cut_near_the_target_and_named_safely(corpus, tmp_path):
    reader = reader_of(corpus)
    (unit,) = reader.plan()
    result = ingest_unit(reader, unit, tmp_path / "out", target_bytes=5000)
    sizes = [pc.sum(pc.binary_length(read_shard(s)["text"])).as_py() for s in result.shards]
    assert all(5000 <= size < 5060 for size in sizes[:-1])
    assert sum(shard.rows for shard in result.shards) == result.rows_out == 500
    stem = f"{shard_prefix(reader)}-{unit.key[:10]}"
    assert [shard.name for shard in result.shards[:2]] == [f"{stem}-000", f"{stem}-001"]
    assert "/" not in stem


def test_the_same_unit_gives_the_same_bytes(corpus, tmp_path):
    reader = reader_of(corpus)
    (unit,) = reader.plan()
    one = ingest_unit(reader, unit, tmp_path / "a", target_bytes=5000)
    two = ingest_unit(reader, unit, tmp_path / "b", target_bytes=5000)
    assert [s.digest for s in one.shards] == [s.digest for s in two.shards]


def test_no_quarantine_file_is_written_when_nothing_is_set_aside(corpus, tmp_path):
    reader = reader_of(corpus)
    (unit,) = reader.plan()
    assert ingest_unit(reader, unit, tmp_path / "out").quarantine is None
    assert not list((tmp_path / "out").glob("*quarantine*"))


def test_quarantine_has_its_schema(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\nbad\n')
    reader = reader_of(path)
    (unit,) = reader.plan()
    quarantine = ingest_unit(reader, unit, tmp_path / "out").quarantine
    assert read_shard(quarantine).schema.equals(QUARANTINE, check_metadata=True)


def test_several_sources_in_one_file_get_ids_of_their_own(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "s": "x"}\n{"text": "a", "s": "y"}\n{"text": "a", "s": "x"}\n')
    reader = make_reader({"reader": "jsonl", "source": {"column": "s"}, "files": str(path)})
    (unit,) = reader.plan()
    (shard,) = ingest_unit(reader, unit, tmp_path / "out").shards
    one, two, three = read_shard(shard)["doc_id"].to_pylist()
    assert one == three != two
