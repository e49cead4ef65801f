from __future__ import annotations

import pytest

from curator.errors import ShardError
from curator.ingest.pack import ingest_unit
from curator.ingest.reader import make_reader
from curator.shards import read_shard
from tests.support import broken


def ingested(spec, folder):
    reader = make_reader(spec)
    results = [ingest_unit(reader, unit, folder / "out") for unit in reader.plan()]
    texts = [t for r in results for s in r.shards for t in read_shard(s)["text"].to_pylist()]
    faults = [row for r in results if r.quarantine for row in read_shard(r.quarantine).to_pylist()]
    return results, texts, faults


@pytest.mark.parametrize("kind", broken.KINDS)
def test_every_record_is_accounted_for(kind, tmp_path):
    case = broken.KINDS[kind](tmp_path)
    results, texts, faults = ingested(case.spec, tmp_path)
    assert len(texts) == len(case.good)
    assert all(good in text for good, text in zip(case.good, texts, strict=True))
    counted = {}
    for result in results:
        assert result.rows_in == result.rows_out + sum(result.quarantined.values())
        for reason, n in result.quarantined.items():
            counted[reason] = counted.get(reason, 0) + n
    assert counted == case.rejected
    assert sorted(fault["reason"] for fault in faults) == sorted(
        reason for reason, n in case.rejected.items() for _ in range(n)
    )
    assert all(fault["error"] and len(fault["raw"]) <= 512 for fault in faults)
    if case.origins:
        assert [fault["origin"] for fault in faults] == case.origins


def test_one_bad_byte_in_a_thousand_lines_loses_one_document(tmp_path):
    # datatrove writes 360 of these 1000 and reports success (peers.md, 2.1).
    case = broken.invalid_byte_at_line_401(tmp_path)
    (result,), texts, (fault,) = ingested(case.spec, tmp_path)
    assert (result.rows_in, result.rows_out, len(texts)) == (1000, 999, 999)
    assert fault["origin"].endswith("#401")
    assert b"T\xffxt" in fault["raw"]


def test_a_wrong_text_field_stops_early_with_one_clear_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"body": "a"}\n' * 20_000)
    reader = make_reader({"reader": "jsonl", "source": "s", "files": str(path)})
    with pytest.raises(ShardError, match=r"none of the first .*there is no field 'text'"):
        ingest_unit(reader, reader.plan()[0], tmp_path / "out")


def test_a_file_that_vanished_is_one_rejected_record(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n')
    reader = make_reader({"reader": "jsonl", "source": "s", "files": str(path)})
    (unit,) = reader.plan()
    path.unlink()
    assert ingest_unit(reader, unit, tmp_path / "out").quarantined == {"unreadable": 1}


def test_a_reader_that_loses_records_fails(tmp_path, monkeypatch):
    from curator.ingest import jsonl
    from curator.ingest.reader import Batch

    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "b"}\n')
    reader = make_reader({"reader": "jsonl", "source": "s", "files": str(path)})
    whole = jsonl.JsonlReader.documents

    def losing(self, unit):
        for batch in whole(self, unit):
            yield Batch(batch.documents[1:], batch.rejected, batch.records)

    monkeypatch.setattr(jsonl.JsonlReader, "documents", losing)
    with pytest.raises(ShardError, match="2 records came in, 1 documents"):
        ingest_unit(reader, reader.plan()[0], tmp_path / "out")
