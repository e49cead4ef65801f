"""Who stays, what is said of the others, and when losing too many stops the run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.dedup.survivors import (
    DECISIONS,
    REMOVALS,
    STANDING,
    check_source_loss,
    decisions,
    standing,
)
from curator.errors import BudgetError, PluginError
from tests.support.copies import documents_of


def removed(*rows: int) -> pa.Table:
    n = len(rows)
    columns = [
        pa.array(rows, pa.uint64()),
        pa.array([bytes([row % 256]) * 16 for row in rows], pa.binary(16)),
        pa.array([b"k" * 16] * n, pa.binary(16)),
        pa.array([7] * n, pa.uint64()),
        pa.array(["exact"] * n),
        pa.array([1.0] * n, pa.float32()),
        pa.array([1.0] * n, pa.float32()),
    ]
    return pa.table(columns, schema=REMOVALS)


def in_order(table: pa.Table, priority: tuple[str, ...]) -> list[int]:
    rows = table.append_column("row", pa.array(np.arange(table.num_rows, dtype=np.uint64)))
    ranked = pa.table(standing(rows, priority))
    return ranked.sort_by([(name, "ascending") for name in STANDING])["row"].to_pylist()


def test_survivors_are_ordered_by_source_then_length_then_id():
    table = documents_of(["aa", "aaaa", "bbbb", "c"], ["web", "web", "web", "books"])
    ids = table["doc_id"].to_pylist()
    tie = sorted([1, 2], key=lambda row: ids[row])

    assert in_order(table, ("books",)) == [3, *tie, 0]


def test_sources_without_priority_come_after_those_with():
    table = documents_of(["aaaa", "a", "aa"], ["other", "second", "first"])

    assert in_order(table, ("first", "second")) == [2, 1, 0]


def test_decisions_name_the_kept_document_and_leave_the_others_alone():
    table = decisions(4, removed((3 << 40) | 2))

    assert table.schema == DECISIONS
    assert table["keep"].to_pylist() == [True, True, False, True]
    assert table["reason"].to_pylist() == [None, None, "exact", None]
    assert table["kept_id"].to_pylist() == [None, None, b"k" * 16, None]


def test_a_shard_without_removals_keeps_all():
    assert decisions(3, removed())["keep"].to_pylist() == [True] * 3
    assert decisions(0, removed()).num_rows == 0


@pytest.mark.parametrize("rows", [(4,), (1, 1)])
def test_removals_of_another_shard_or_twice_are_refused(rows):
    with pytest.raises(PluginError, match="each row at most once"):
        decisions(4, removed(*rows))


def test_a_source_that_would_vanish_stops_the_run_and_the_message_says_how_to_confirm():
    with pytest.raises(BudgetError, match="'calls' would lose 998 of 1000") as error:
        check_source_loss({"calls": 998, "web": 10}, {"calls": 1000, "web": 1000}, 0.9)

    assert "max_source_loss" in str(error.value)
    assert "'web'" not in str(error.value)


def test_null_confirms_every_loss_and_a_handful_of_documents_never_stops():
    check_source_loss({"calls": 998}, {"calls": 1000}, None)
    check_source_loss({"calls": 1000}, {"calls": 1000}, 1.0)
    check_source_loss({"tiny": 10}, {"tiny": 10}, 0.9)
