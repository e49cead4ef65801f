"""Benchmark files: every line is an item or an error with its place."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from curator.dedup.benchmarks import ITEMS, read_benchmark
from curator.errors import RecipeError
from tests.support.jsonl import write_lines


def test_fields_are_joined_however_nested(tmp_path):
    path = write_lines(
        tmp_path / "b.jsonl",
        {
            "id": "q1",
            "question": "Why?",
            "choices": {"text": ["a b", "c"], "label": [1, 2.5]},
            "x": 3,
        },
        {"id": 2, "question": "How?", "choices": [None, True, ["d"]]},
        {"question": "No id", "choices": []},
    )
    items = read_benchmark("b/test", path, ["question", "choices"])

    assert items.schema == ITEMS
    assert items["benchmark"].to_pylist() == ["b/test"] * 3
    assert items["item_id"].to_pylist() == ["q1", "2", "3"]
    assert items["text"].to_pylist() == ["Why?\na b\nc\n1\n2.5", "How?\nd", "No id"]


def test_dotted_fields_reach_into_objects_and_ids_may_have_another_name(tmp_path):
    path = write_lines(tmp_path / "b.jsonl", {"key": "k", "question": {"stem": "Why so?"}})
    items = read_benchmark("b", path, ["question.stem"], id_field="key")

    assert items.drop_columns(["parts"]).to_pylist() == [
        {"benchmark": "b", "item_id": "k", "text": "Why so?"}
    ]


def test_fields_are_told_apart_and_what_asks_is_marked(tmp_path):
    path = write_lines(tmp_path / "b.jsonl", {"q": "Wäre?", "none": [], "a": ["ja", "nein"]})
    item = read_benchmark("b", path, ["q", "none", "a"], prompt=["q"]).to_pylist()[0]
    parts = [(part["start"], part["end"], part["prompt"]) for part in item["parts"]]

    assert item["text"] == "Wäre?\nja\nnein"
    assert parts == [(0, 6, True), (7, 14, False)]


def test_packed_files_are_read(tmp_path):
    line = b'{"text": "some words"}\n'
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(line))
    with pa.CompressedOutputStream(str(tmp_path / "b.jsonl.zst"), "zstd") as file:
        file.write(line * 2)

    assert read_benchmark("b", tmp_path / "b.jsonl.gz", ["text"]).num_rows == 1
    assert read_benchmark("b", tmp_path / "b.jsonl.zst", ["text"])["item_id"].to_pylist() == [
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b'{"text": "cut', "not JSON"),
        (b'{"text": "\xff"}', "not UTF-8"),
        (b"[1, 2]", "a list; wanted a JSON object"),
        (b'{"question": "x"}', r"no field 'text'; it has \['question'\]"),
        (b'{"text": "?!"}', "have no words"),
        (rb'{"text": "half \ud83d"}', "surrogates not allowed"),
        (b"[" * 100_000, "nested too deeply|not JSON|recursion"),
    ],
)
def test_a_broken_line_is_an_error_with_its_place(tmp_path, line, complaint):
    path = tmp_path / "b.jsonl"
    path.write_bytes(b'{"text": "fine"}\n\n' + line + b"\n")

    with pytest.raises(RecipeError, match=f"b.jsonl:3: .*({complaint})"):
        read_benchmark("b", path, ["text"])


def test_many_broken_lines_are_counted(tmp_path):
    path = tmp_path / "b.jsonl"
    path.write_text("x\n" * 9)

    with pytest.raises(RecipeError, match=r"b\.jsonl:5: .*and 4 more"):
        read_benchmark("b", path, ["text"])


def test_missing_truncated_and_empty_files_are_errors(tmp_path):
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a"}\n' * 99)[:-9])
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pa.CompressedOutputStream(str(tmp_path / "whole.zst"), "zstd") as file:
        file.write(b'{"text": "a"}\n' * 99)
    (tmp_path / "torn.jsonl.zst").write_bytes((tmp_path / "whole.zst").read_bytes()[:-9])

    for name, complaint in [
        ("none", "cannot be read"),
        ("cut", "cannot be read"),
        ("torn", "cannot be read"),
        ("empty", "no items"),
    ]:
        found = next(tmp_path.glob(f"{name}*"), tmp_path / name)
        with pytest.raises(RecipeError, match=complaint):
            read_benchmark("b", found, ["text"])
