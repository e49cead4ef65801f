"""Who stays, what is said of the others, and when losing too many stops the run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.dedup.survivors import (
    DECISIONS,
    REMOVALS,
    Survivors,
    check_source_loss,
    decisions,
)
from curator.errors import BudgetError, PluginError, RecipeError
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


def in_order(table: pa.Table, policy: Survivors) -> list[int]:
    rows = table.append_column("row", pa.array(np.arange(table.num_rows, dtype=np.uint64)))
    ranked = pa.table(policy.standing(rows))
    return ranked.sort_by([(name, "ascending") for name in ranked.column_names])["row"].to_pylist()


def test_survivors_are_ordered_by_source_then_length_then_id():
    table = documents_of(["aa", "aaaa", "bbbb", "c"], ["web", "web", "web", "books"])
    ids = table["doc_id"].to_pylist()
    tie = sorted([1, 2], key=lambda row: ids[row])

    assert in_order(table, Survivors(("books",))) == [3, *tie, 0]


def test_sources_without_priority_come_after_those_with():
    table = documents_of(["aaaa", "a", "aa"], ["other", "second", "first"])

    assert in_order(table, Survivors(("first", "second"))) == [2, 1, 0]


def test_the_shortest_stays_where_that_is_asked_for():
    table = documents_of(["aa", "aaaa", "a"])

    assert in_order(table, Survivors(length="shortest")) == [2, 0, 1]


def test_a_column_decides_after_the_source_and_before_the_length_and_no_value_comes_last():
    table = documents_of(["a", "aa", "aaa", "aaaa", "b"], ["web"] * 4 + ["books"])
    scores = pa.array([2.5, -1.0, None, float("nan"), 9.0])
    table = table.append_column("score", scores)

    assert in_order(table, Survivors(column="score")) == [4, 0, 1, 3, 2]
    assert in_order(table, Survivors(column="score", prefer="lower")) == [1, 0, 4, 3, 2]
    assert in_order(table, Survivors(("web",), "score")) == [0, 1, 3, 2, 4]


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=20))
def test_numbers_of_any_size_and_sign_keep_their_order(numbers):
    table = documents_of(["same"] * len(numbers), [f"s{i}" for i in range(len(numbers))])
    table = table.append_column("score", pa.array(numbers))
    for prefer, sign in (("lower", 1), ("higher", -1)):
        found = [sign * numbers[row] for row in in_order(table, Survivors((), "score", prefer))]
        assert found == sorted(found)


def test_equal_scores_leave_it_to_the_length_and_negative_zero_is_zero():
    table = documents_of(["a", "aaa", "aa"]).append_column("score", pa.array([0.0, -0.0, 0.0]))

    assert in_order(table, Survivors(column="score")) == [1, 2, 0]


def test_records_fields_and_dates_can_be_the_column():
    extras = ['{"votes": 3, "x.y": "7"}', '{"votes": 12.5}', '{"votes": "many"}', None]
    table = documents_of(["a", "b", "cc", "ccc"]).append_column("extra", pa.array(extras))
    dates = pa.array(["2024-02-01", "2024-02-01T10:00:00Z", "yesterday", "2025-01-01"])
    table = table.append_column("date", dates)

    assert in_order(table, Survivors(column="extra.votes")) == [1, 0, 3, 2]
    assert in_order(table, Survivors(column="extra.x.y"))[0] == 0
    tied = sorted([0, 1], key=lambda row: table["doc_id"][row].as_py())
    assert in_order(table, Survivors(column="date")) == [3, *tied, 2]


def test_a_column_of_lists_is_refused():
    table = documents_of(["a"]).append_column("spans", pa.array([[1]]))

    with pytest.raises(RecipeError, match=r"'spans' holds list.*wanted numbers, or dates"):
        in_order(table, Survivors(column="spans"))


def test_a_field_that_no_path_can_name_is_refused():
    table = documents_of(["a"]).append_column("extra", pa.array(['{"a": 1}']))

    with pytest.raises(RecipeError, match="no backslash"):
        in_order(table, Survivors(column="extra.a\\"))


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
