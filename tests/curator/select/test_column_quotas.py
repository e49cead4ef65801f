from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import BudgetError, RecipeError
from curator.select.quota import divide
from curator.select.selector import select
from curator.select.spec import SelectSpec, mistakes, parse_select
from tests.support.pools import pool

OF_CLUSTERS = SelectSpec("random", tokens=400, quotas="worth", quota_by="cluster")


def clustered(n=300, *, worth=(3.0, 1.0, 0.0), nulls=0.0):
    """Return a pool whose documents lie in clusters 0, 1, ... each with one number, `worth`."""
    frame = pool(n, nulls=nulls)
    cluster = [row % len(worth) for row in range(n)]
    return frame.with_columns(
        cluster=pl.Series(cluster, dtype=pl.Int32),
        worth=pl.Series([worth[one] for one in cluster], dtype=pl.Float32),
    )


def tokens_by_cluster(frame, selection):
    taken = frame.filter(pl.col("doc_id").is_in(selection.table["doc_id"].to_pylist()))
    counts = taken.group_by("cluster").agg(pl.col("tokens").sum())
    return dict(counts.sort("cluster").iter_rows())


@given(
    worth=st.lists(st.floats(0, 1e6, width=32), min_size=2, max_size=6).filter(any),
    tokens=st.integers(500, 5000),
)
def test_groups_are_asked_for_shares_of_their_numbers_by_largest_remainder(worth, tokens):
    frame = clustered(worth=worth)
    spec = SelectSpec(
        "random", tokens=tokens, quotas="worth", quota_by="cluster", shortfall="accept"
    )

    chosen = select(frame.lazy(), spec)

    wanted = divide(tokens, {str(number): each for number, each in enumerate(worth)})
    assert dict(chosen.asked) == wanted
    assert sum(chosen.asked.values()) == tokens
    for name, taken in tokens_by_cluster(frame, chosen).items():
        assert taken <= wanted[str(name)]
        assert worth[name] > 0


def test_the_order_of_rows_changes_nothing():
    frame = clustered()
    one = select(frame.lazy(), OF_CLUSTERS)
    other = select(frame.reverse().lazy(), OF_CLUSTERS)

    assert one.table.equals(other.table)


def test_a_column_selects_what_the_same_numbers_in_the_recipe_select():
    frame = clustered()
    named = SelectSpec(
        "random", tokens=400, quotas={"0": 0.75, "1": 0.25, "2": 0.0}, quota_by="cluster"
    )

    assert select(frame.lazy(), OF_CLUSTERS).table.equals(select(frame.lazy(), named).table)


def test_a_share_is_of_the_whole_pool_and_not_of_the_groups_that_get_something():
    frame = clustered()
    spec = SelectSpec("random", share=0.25, quotas="worth", quota_by="cluster")

    assert sum(select(frame.lazy(), spec).asked.values()) == int(frame["tokens"].sum() * 0.25)


def test_documents_without_a_number_do_not_speak_for_their_group():
    frame = clustered().with_columns(
        worth=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise(pl.col("worth"))
    )
    assert select(frame.lazy(), OF_CLUSTERS).table.equals(
        select(clustered().lazy(), OF_CLUSTERS).table
    )


def test_a_group_without_any_number_gets_nothing():
    frame = clustered(worth=(1.0, 1.0, 1.0)).with_columns(
        worth=pl.when(pl.col("cluster") == 1).then(None).otherwise(pl.col("worth"))
    )
    chosen = select(frame.lazy(), OF_CLUSTERS)

    assert dict(chosen.asked) == {"0": 200, "1": 0, "2": 200}


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        (pl.col("tokens").cast(pl.Float64), "several numbers"),
        (pl.lit(-1.0), "0: -1"),
        (pl.lit(float("nan")), "NaN"),
        (pl.lit(float("inf")), "0: inf"),
        (pl.when(pl.col("cluster") == 1).then(float("nan")).otherwise(1.0), "NaN"),
    ],
)
def test_what_is_no_number_of_a_group_is_refused_by_its_name(worth, said):
    frame = clustered().with_columns(worth=worth)
    said = " to " if said == "several numbers" else said
    with pytest.raises(RecipeError, match="wanted one number at or above 0") as caught:
        select(frame.lazy(), OF_CLUSTERS)
    assert said in str(caught.value)
    assert "'cluster'" in str(caught.value)


def test_numbers_that_are_all_zero_divide_no_budget():
    with pytest.raises(RecipeError, match="all weights are zero"):
        select(clustered(worth=(0.0, 0.0)).lazy(), OF_CLUSTERS)


def test_an_absent_column_of_quotas_is_named_with_the_nearest():
    spec = SelectSpec("random", tokens=400, quotas="wort", quota_by="cluster")
    with pytest.raises(RecipeError, match="did you mean 'worth'"):
        select(clustered().lazy(), spec)


def test_a_name_of_a_column_is_kept_as_it_is_written():
    written = {"tokens": 9, "quotas": "lasso", "quota_by": "source"}
    assert mistakes(written) == []
    assert parse_select(written).quotas == "lasso"


def test_a_column_of_quotas_divides_a_budget_that_must_be_there():
    written = {"by": "x", "method": "threshold", "threshold": 1, "quotas": "lasso"}
    assert any("there is none" in fault for fault in mistakes(written))


def test_a_group_whose_first_document_is_a_giant_stops_no_other_unless_asked_to():
    frame = clustered(worth=(1.0, 1.0)).with_columns(
        tokens=pl.when(pl.col("cluster") == 1).then(10_000).otherwise(pl.col("tokens"))
    )
    spec = SelectSpec(
        "random", tokens=400, quotas="worth", quota_by="cluster", shortfall="redistribute"
    )
    chosen = select(frame.lazy(), spec)

    assert tokens_by_cluster(frame, chosen).keys() == {0}
    assert "1" in [each.name for each in chosen.shortfalls]
    with pytest.raises(BudgetError, match="1: wanted 200 tokens, took 0"):
        select(frame.lazy(), replace(spec, shortfall="error"))
