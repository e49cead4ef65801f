"""Rewritten documents stand where their parents stood and name them."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.identity import derived_ids
from curator.ledger import Store
from curator.rewrite import CutSpans
from curator.shards import read_shard
from curator.text.spans import Spans, span_lists
from pipelines.check import reserved_names
from tests.support.corpus import corpus_of
from tests.support.stages import DropShort, Shout

TEXTS = ["a cat", "a dog runs", "the rest", "x gone with it", "still here", "up and away"]


@pytest.fixture
def driver(tmp_path):
    return Driver(Store(tmp_path), Inline(1), quiet=True)


def rows(artifact) -> list[dict]:
    return [row for shard in artifact.shards for row in read_shard(shard).to_pylist()]


def test_changed_documents_are_children_and_others_stay(driver):
    corpus = corpus_of(driver.store, TEXTS, 2)

    made = driver.rewrite(Shout(), corpus, step="shout")

    for before, after, said in zip(
        rows(corpus), rows(made.corpus), rows(made.decision), strict=True
    ):
        if "a" in before["text"]:
            assert after["text"] == before["text"].upper()
            parent = pa.array([before["doc_id"]], pa.binary(16))
            (child,) = derived_ids(parent, "shout", pa.array([after["text"]])).to_pylist()
            assert (after["doc_id"], after["parent_id"]) == (child, before["doc_id"])
        else:
            assert after == before
        assert said["keep"] is not before["text"].startswith("x")
        assert said["letters"] == before["text"].count("a")
    assert made.decision.dropped == {"shout.empty": 1}
    assert made.decision.rows_in == made.decision.rows_out + 1


def test_dead_rows_are_neither_read_nor_changed(driver):
    corpus = corpus_of(driver.store, TEXTS, 2)
    kept = driver.map_stage(DropShort(8), corpus, step="drop")

    made = driver.rewrite(Shout(), corpus, step="shout", alive=kept)

    texts = [row["text"] for row in rows(made.corpus)]
    assert "a cat" in texts
    assert "A DOG RUNS" in texts
    assert [said["keep"] for said in rows(made.decision)].count(None) == 1


def test_a_shard_without_changes_keeps_its_bytes_and_its_digest(driver):
    corpus = corpus_of(driver.store, ["so be it", "none here"], 1)

    made = driver.rewrite(Shout(), corpus, step="shout")

    (before,), (after,) = corpus.shards, made.corpus.shards
    assert after.digest == before.digest
    assert after.path != before.path
    assert Path(after.path).read_bytes() == Path(before.path).read_bytes()


def test_where_files_have_no_second_names_they_are_copied(driver, monkeypatch):
    def refuse(*_):
        raise OSError("not on this file system")

    corpus = corpus_of(driver.store, ["none here"], 1)
    monkeypatch.setattr(os, "link", refuse)

    made = driver.rewrite(Shout(), corpus, step="shout")

    assert rows(made.corpus) == rows(corpus)


def test_a_second_run_computes_nothing_and_any_workers_write_the_same(driver, tmp_path):
    corpus = corpus_of(driver.store, TEXTS, 3)
    first = driver.rewrite(Shout(), corpus, step="shout")
    assert driver.rewrite(Shout(), corpus, step="shout") == first
    assert [step.cached for step in driver.steps] == [False, True]

    with_two = Inline(2)
    other = Driver(Store(tmp_path / "other"), with_two, quiet=True)
    second = other.rewrite(Shout(), corpus_of(other.store, TEXTS, 3), step="shout")
    with_two.close()

    assert [one.digest for one in (second.corpus, second.decision)] == [
        one.digest for one in (first.corpus, first.decision)
    ]


def test_spans_are_cut_and_what_is_left_of_too_little_is_dropped():
    texts = pa.chunked_array([pa.array(["abc def", "ghi", "untouched"], pa.large_string())])
    spans = Spans(*map(pa.array, ([0, 1, 2, 2], [3, 0], [7, 3], [0, 1])))
    spans = Spans(*(column.to_numpy() for column in spans))
    table = pa.table({"text": texts, "spans": span_lists(spans, ("copy", "secret"))})
    stage = CutSpans(
        name="cut", column="spans", kinds=(("copy", ""), ("secret", "*")), least_characters=2
    )

    made = stage.process(None, table)

    assert made["text"].to_pylist() == ["abc", None, None]
    assert made["reason"].to_pylist() == [None, "cut.short", None]
    assert made["cut_cut_bytes"].to_pylist() == [4, 3, 0]


def test_steps_that_cut_count_in_columns_of_their_own():
    names = [
        CutSpans(name=name, column="spans", kinds=()).writes.names
        for name in ("dedup.paragraphs", "dedup.substring")
    ]

    assert [set(one) - {"keep", "reason", "text"} for one in names] == [
        {"paragraphs_cut_bytes"},
        {"substring_cut_bytes"},
    ]
    assert {"paragraphs_cut_bytes", "substring_cut_bytes"} <= reserved_names()


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: os.truncate(p, 10)])
def test_lost_decisions_of_a_rewriting_are_made_again(driver, damage):
    corpus = corpus_of(driver.store, TEXTS, 3)
    first = driver.rewrite(Shout(), corpus, step="shout")
    whole = rows(first.decision)
    damage(Path(first.decision.shards[1].path))

    again = driver.rewrite(Shout(), corpus, step="shout")

    assert [shard.digest for shard in again.corpus.shards] == [
        shard.digest for shard in first.corpus.shards
    ]
    assert rows(again.decision) == whole
