from __future__ import annotations

import polars as pl
import pytest

from curator.errors import RecipeError
from curator.select.where import whatif
from tests.support.pools import pool


def test_totals_are_those_of_a_filter():
    frame = pool(100)
    answer = whatif(frame.lazy(), "score > 0.5 AND source <> 'a'")
    kept = frame.filter((pl.col("score") > 0.5) & (pl.col("source") != "a"))
    assert answer["tokens"] == kept["tokens"].sum()
    assert answer["documents"] == kept.height
    assert answer["tokens_in"] == frame["tokens"].sum()
    assert answer["sources"]["a"]["documents"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "score > 0; DROP TABLE pool",
        "score > 0) UNION SELECT * FROM pool",
        "score > (SELECT MAX(score) FROM pool)",
        "EXISTS (SELECT 1 FROM read_csv('/etc/passwd'))",
        "read_csv('/etc/passwd')",
        "__import__('os').system('true')",
        "score >",
        "",
        "score",
        "*",
        "COLUMNS('.*') > 1",
    ],
)
def test_anything_but_one_condition_is_refused(text):
    with pytest.raises(RecipeError):
        whatif(pool(5).lazy(), text)


@pytest.mark.parametrize("text", ["bits > 10", "CAST(source AS INT) > 5"])
def test_what_only_the_values_make_impossible_is_refused_too(text):
    frame = pool(5).with_columns(bits=pl.lit([1.0, 2.0]))
    with pytest.raises(RecipeError, match="wanted one condition over"):
        whatif(frame.lazy(), text)


def test_an_unknown_column_is_named_with_a_suggestion():
    with pytest.raises(RecipeError, match="did you mean 'score'"):
        whatif(pool(5).lazy(), "scor > 1")
