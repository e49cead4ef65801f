"""Exact duplicates against grouping in plain Python, under any cut of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup.exact import ExactDuplicates
from curator.dedup.survivors import Survivors
from tests.support.copies import documents_of
from tests.support.wide import cut, run_inline

TEXTS = [
    "The cat sat.",
    "the CAT sat",
    "The  cat, sat!",
    "The cat sat down.",
    "Un café noir",
    "un cafe noir",
    "1 + 2",
    "1 < 2",
    "",
    "!!!",
    "???",
]


def pairs(tables: list[pa.Table]) -> list[tuple[bytes, bytes]]:
    table = pa.concat_tables(tables)
    found = zip(table["dropped_id"].to_pylist(), table["kept_id"].to_pylist(), strict=True)
    return sorted(found)


def test_equal_words_and_symbols_make_copies_and_the_longest_stays():
    table = documents_of(TEXTS)
    ids = table["doc_id"].to_pylist()

    assert pairs(run_inline(ExactDuplicates(), [table])) == sorted(
        [(ids[0], ids[2]), (ids[1], ids[2]), (ids[5], ids[4])]
    )


def test_texts_without_words_are_not_copies_of_each_other():
    assert pairs(run_inline(ExactDuplicates(), [documents_of(["!!!", "???", "...", ""])])) == []


def test_priority_wins_over_length():
    table = documents_of(["a b!", "a b"], ["web", "books"])
    ids = table["doc_id"].to_pylist()

    found = pairs(run_inline(ExactDuplicates(survivors=Survivors(("books",))), [table]))

    assert found == [(ids[0], ids[1])]


@pytest.mark.parametrize(("partitions", "shards"), [(1, 1), (3, 7), (17, 2)])
def test_cuts_partitions_and_row_order_do_not_change_the_removals(partitions, shards):
    rng = np.random.default_rng(5)
    texts = [f"text number {i}" + "!" * j for i, j in rng.integers(0, 40, (300, 2)).tolist()]
    table = documents_of(texts, [f"s{i % 3}" for i in range(300)])
    shuffled = table.take(pa.array(rng.permutation(300)))
    stage = ExactDuplicates(survivors=Survivors(("s2",)))

    expected = pairs(run_inline(stage, [table]))

    assert len(expected) == 300 - len({text.rstrip("!") for text in texts})
    assert pairs(run_inline(stage, cut(shuffled, shards), partitions)) == expected


def test_rows_name_the_removed_and_the_kept_document():
    table = documents_of(["same words", "other", "Same words."])
    removed = pa.concat_tables(run_inline(ExactDuplicates(), cut(table, 3)))

    assert removed["row"].to_pylist() == [0]
    assert removed["kept_row"].to_pylist() == [2 << 40]
    assert removed["reason"].to_pylist() == ["exact"]


def test_an_empty_shard_gives_nothing():
    assert run_inline(ExactDuplicates(), [documents_of([])])[0].num_rows == 0
