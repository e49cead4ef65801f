"""Runs that much of a pool has do not count, and are listed with how often they stand there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup.benchmark_index import BenchmarkIndex, build_index
from curator.dedup.benchmarks import ITEMS
from curator.dedup.coverage import coverage, uncovered
from curator.dedup.frequency import GuardedRuns, frequencies, write_without_common
from curator.dedup.overlap import find_overlap, runs_of_each
from curator.shards import read_shard
from tests.support.copies import random_words

RNG = np.random.default_rng(5)
PHRASE, ITEM, SHORT = (" ".join(random_words(RNG, n)) for n in (13, 30, 9))
TEXTS = [f"{PHRASE} {ITEM}", SHORT]
COLUMNS = [["quiz"] * 2, ["0", "1"], TEXTS, pa.nulls(2, ITEMS.field("parts").type)]
INDEX = build_index(pa.table(COLUMNS, schema=ITEMS))
POOL = [f"one {PHRASE}", f"{PHRASE} {PHRASE}", ITEM, f"{SHORT} here", f"so {SHORT}", SHORT, ""]


def column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def counted(*shards: list[str]) -> np.ndarray:
    stage = GuardedRuns(index=INDEX.digest)
    tables = [stage.process(INDEX, pa.table({"text": column(texts)})) for texts in shards]
    return frequencies(INDEX, tables)


def without(most: int, folder) -> tuple[BenchmarkIndex, list[dict]]:
    write_without_common(INDEX, counted(POOL), most, folder)
    return BenchmarkIndex.load(folder), read_shard(folder / "common.arrow").to_pylist()


def contaminated(index: BenchmarkIndex, texts: list[str]) -> list[int]:
    return find_overlap(index, column(texts)).pairs["document"].unique().sort().to_list()


def test_documents_are_counted_and_not_occurrences():
    assert sorted(counted(POOL).tolist(), reverse=True)[:3] == [3, 2, 1]
    assert counted(POOL[:3], POOL[3:]).tolist() == counted(POOL).tolist()


def test_runs_of_each_text_are_distinct_and_rise():
    for runs in runs_of_each(INDEX, column(POOL)).to_pylist():
        assert runs == sorted(set(runs))


@pytest.mark.parametrize(("most", "left"), [(3, 6), (2, 3), (1, 1), (10, 6)])
def test_runs_in_more_documents_than_allowed_no_longer_count(most, left, tmp_path):
    index, _ = without(most, tmp_path)

    assert len(contaminated(INDEX, POOL)) == 6
    assert len(contaminated(index, POOL)) == left


def test_they_are_listed_with_their_text_and_counts(tmp_path):
    index, listed = without(1, tmp_path)

    assert [(row["documents"], row["text"], row["item_id"]) for row in listed] == [
        (3, SHORT, "1"),
        (2, PHRASE, "0"),
    ]
    row = coverage(index).to_pylist()[0]
    assert (row["common_ngrams"], row["unguarded"], row["by_ngrams"]) == (2, 1, 1)
    assert uncovered(index)["item_id"].to_pylist() == ["1"]


def test_an_index_without_them_is_another_and_stays_whole_otherwise(tmp_path):
    index, _ = without(1, tmp_path)

    assert index.digest != INDEX.digest
    assert contaminated(index, [f"x {ITEM} y"]) == [0]
    assert without(10, tmp_path / "all")[0].runs[0].hashes.tolist() == INDEX.runs[0].hashes.tolist()


def test_an_index_of_which_nothing_is_left_finds_nothing(tmp_path):
    everything = np.full(len(counted(POOL)), 9)
    write_without_common(INDEX, everything, 8, tmp_path)
    index = BenchmarkIndex.load(tmp_path)

    assert contaminated(index, POOL) == []
    assert coverage(index)["unguarded"].to_pylist() == [2]
