"""Parquet files and saved datasets."""

from __future__ import annotations

import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curator.errors import RecipeError
from curator.ingest.reader import make_reader


def rows_of(reader):
    batches = [batch for unit in reader.plan() for batch in reader.documents(unit)]
    rows = [row for batch in batches for row in batch.documents.to_pylist()]
    assert sum(batch.records for batch in batches) == len(rows) + sum(
        len(batch.rejected) for batch in batches
    )
    return rows, [fault for batch in batches for fault in batch.rejected]


def parquet(table, tmp_path, spec=None, **options):
    pq.write_table(table, tmp_path / "a.parquet", **options)
    files = str(tmp_path / "a.parquet")
    return make_reader({"reader": "parquet", "source": "s", "files": files, **(spec or {})})


def test_parquet_columns_keep_their_types_in_extra(tmp_path):
    table = pa.table(
        {
            "text": ["a", "b"],
            "id": pa.array([7, None], pa.int64()),
            "lang": ["en", None],
            "when": pa.array([datetime.datetime(2020, 1, 2)] * 2),
            "price": pa.array([decimal.Decimal("1.10")] * 2),
            "tags": [["x"], None],
        }
    )
    (one, two), _ = rows_of(parquet(table, tmp_path))
    assert (one["source_id"], one["language"], two["source_id"]) == ("7", "en", None)
    extra = json.loads(one["extra"])
    assert extra == {"when": "2020-01-02T00:00:00", "price": "1.10", "tags": ["x"]}
    assert one["origin"].endswith("/a.parquet#1")


def test_parquet_text_of_another_type_is_not_turned_into_text(tmp_path):
    rows, faults = rows_of(parquet(pa.table({"text": [1, 2]}), tmp_path))
    assert not rows
    assert [fault.reason for fault in faults] == ["wrong_type"] * 2


def test_parquet_row_groups_are_split_into_units_with_the_same_rows(tmp_path):
    texts = [f"text {i}" for i in range(1000)]
    table = pa.table({"body": pa.array(texts).dictionary_encode()})
    whole = parquet(table, tmp_path, {"text": "body"}, row_group_size=100)
    split = parquet(table, tmp_path, {"text": "body", "split_bytes": 1000}, row_group_size=100)
    assert len(split.plan()) > 1
    assert rows_of(split) == rows_of(whole)
    assert [row["text"] for row in rows_of(whole)[0]] == texts


def test_a_broken_page_loses_its_row_group_only(tmp_path):
    table = pa.table({"text": [f"text number {i}" for i in range(300)]})
    reader = parquet(table, tmp_path, row_group_size=100, compression="zstd", use_dictionary=False)
    path = tmp_path / "a.parquet"
    about = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    begin = about.data_page_offset + 40
    content[begin : begin + 60] = b"\x00" * 60
    path.write_bytes(bytes(content))
    rows, faults = rows_of(reader)
    assert len(rows) == 200
    assert [fault.reason for fault in faults] == ["corrupt"]
    assert faults[0].origin.endswith("#101")
    assert rows[100]["origin"].endswith("#201")


def test_dotted_columns_reach_into_structs(tmp_path):
    table = pa.table({"doc": [{"text": "a", "id": 1}], "meta": [{"src": "x"}]})
    spec = {"text": "doc.text", "id": "doc.id", "source": {"column": "meta.src"}}
    ((row,), _) = rows_of(parquet(table, tmp_path, spec))
    assert (row["text"], row["source_id"], row["source"]) == ("a", "1", "x")


def test_a_saved_dataset_is_read_split_by_split(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    parts = {"train": ["a", "b", "c"], "test": ["d"]}
    made = {k: datasets.Dataset.from_dict({"text": v, "n": [1] * len(v)}) for k, v in parts.items()}
    datasets.DatasetDict(made).save_to_disk(str(tmp_path / "ds"))
    spec = {"reader": "hub", "source": "s", "files": "ds", "unit_rows": 2}
    reader = make_reader(spec, base=str(tmp_path))
    rows, _ = rows_of(reader)
    assert sorted(row["origin"] for row in rows) == [
        "ds/test#1", "ds/train#1", "ds/train#2", "ds/train#3",
    ]  # fmt: skip
    assert json.loads(rows[0]["extra"]) == {"n": 1}
    (only,) = rows_of(make_reader({**spec, "split": "test"}, base=str(tmp_path)))[0]
    assert only["text"] == "d"


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    reader = make_reader({"reader": "hub", "source": "s", "files": str(tmp_path)})
    with pytest.raises(RecipeError, match="no dataset written by save_to_disk"):
        reader.plan()


def test_a_hub_id_that_cannot_be_reached_says_what_to_check(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    reader = make_reader({"reader": "hub", "source": "s", "dataset": "org/none"})
    with pytest.raises(RecipeError, match="HF_HUB_OFFLINE"):
        reader.plan()
