from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.report.buckets import RELATIVE_ERROR, Buckets, bucketed
from curator.report.stats import DISTINCT_LIMIT, QUANTILES, sparkline, table_statistics
from tests.support.terminal import on_terminal

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def shuffled(seed: int = 3, rows: int = 4000) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "source": rng.choice(["wiki", "web", "code"], rows),
            "text": pa.array(["x" * int(n) for n in rng.integers(0, 300, rows)], pa.large_string()),
            "score": pa.array(rng.normal(size=rows), pa.float32()),
            "tokens": pa.array(rng.integers(0, 5000, rows), pa.uint32()),
            "keep": rng.random(rows) > 0.3,
            "reason": rng.choice(["short", "lang"], rows),
        }
    )


@pytest.mark.parametrize("draw", ["lognormal", "normal", "uniform", "integers"])
def test_quantiles_lie_within_the_stated_error_of_numpys(draw: str) -> None:
    rng = np.random.default_rng(5)
    values = {
        "lognormal": rng.lognormal(0, 3, 5000),
        "normal": rng.normal(0, 1e6, 5000),
        "uniform": rng.random(5000) - 0.5,
        "integers": rng.integers(-200, 250, 5000).astype(float),
    }[draw]
    found = bucketed(values)
    for q in (0.0, *QUANTILES, 1.0):
        exact = np.quantile(values, q, method="inverted_cdf")
        tolerance = 0 if draw == "integers" else RELATIVE_ERROR * abs(exact)
        assert abs(found.quantile(q) - exact) <= tolerance


@given(st.lists(finite, min_size=1, max_size=40))
def test_a_quantile_is_near_some_value_and_never_outside_the_range(values: list[float]) -> None:
    array = np.array(values)
    found = bucketed(array)
    for q in (0.0, 0.3, 1.0):
        exact = float(np.quantile(array, q, method="inverted_cdf"))
        shown = found.quantile(q)
        # 1e-305: values below the first bucket's edge are reported as zero
        assert shown == pytest.approx(exact, rel=RELATIVE_ERROR, abs=1e-305)
        assert array.min() <= shown <= array.max()


@given(st.lists(finite, max_size=30), st.lists(finite, max_size=30))
def test_merging_equals_counting_at_once_bit_for_bit(one: list[float], other: list[float]) -> None:
    merged = bucketed(np.array(one)).merged(bucketed(np.array(other)))
    at_once = bucketed(np.array(other + one))
    assert merged.keys.tolist() == at_once.keys.tolist()
    assert merged.counts.tolist() == at_once.counts.tolist()
    assert (merged.total, merged.least, merged.greatest) == (
        at_once.total,
        at_once.least,
        at_once.greatest,
    )


def test_the_mean_is_exact_where_floating_sums_cancel() -> None:
    assert bucketed(np.array([1e300, 1.0, -1e300, 3.0])).mean == 1.0
    assert bucketed(np.full(10, 0.1)).mean == 0.1
    assert bucketed(np.array([5e-324, 5e-324])).mean == 5e-324
    assert Buckets().mean is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=6))
def test_statistics_do_not_depend_on_how_rows_are_cut(cuts: list[int]) -> None:
    table = shuffled()
    borders = [0, *sorted(cuts), table.num_rows]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(borders)]
    whole = table_statistics([table], by="source").to_json()
    assert table_statistics(pieces, by="source").to_json() == whole
    assert table_statistics(reversed(pieces), by="source").to_json() == whole


def test_groups_add_up_and_drops_are_counted_by_reason() -> None:
    table = shuffled()
    found = table_statistics([table], by="source")
    assert sum(group.rows for group in found.groups.values()) == found.rows == table.num_rows
    assert sum(found.dropped.values()) == found.rows - sum(table["keep"].to_pylist())
    assert found.text_bytes == sum(len(text) for text in table["text"].to_pylist())
    assert found.columns["source"].top[0][1] == max(
        table["source"].to_pylist().count(name) for name in ("wiki", "web", "code")
    )


def test_histograms_count_every_value_once() -> None:
    values = np.random.default_rng(1).lognormal(0, 2, 3000)
    edges, counts = bucketed(values).histogram(24)
    exact, _ = np.histogram(values, edges)
    assert counts.sum() == 3000
    # a bucket next to an edge may land in the neighboring bin; an edge cuts one bucket at most
    assert np.abs(np.cumsum(counts) - np.cumsum(exact)).max() <= 3000 * 0.01


def test_nan_infinity_and_nulls_are_counted_apart() -> None:
    column = pa.array([1.0, None, float("nan"), float("inf"), 3.0])
    found = table_statistics([pa.table({"score": column})]).columns["score"]
    assert (found.nulls, found.not_finite, found.numbers.count) == (1, 2, 2)
    assert found.numbers.mean == 2.0


def test_a_column_of_many_or_long_values_has_no_value_list() -> None:
    many = pa.table({"id": [str(n) for n in range(DISTINCT_LIMIT + 1)]})
    halves = [many.slice(0, 100), many.slice(100)]
    assert table_statistics(halves).columns["id"].values is None
    assert table_statistics([pa.table({"id": ["a", "b" * 300]})]).columns["id"].values is None


def test_nothing_at_all_has_statistics_too() -> None:
    assert table_statistics([]).rows == 0
    empty = table_statistics([shuffled().slice(0, 0)], by="source")
    assert empty.rows == 0
    assert "0 rows" in on_terminal(empty)


def test_grouping_by_an_unknown_column_says_which_there_are() -> None:
    with pytest.raises(RecipeError, match=r"no column 'langauge'.*'source'"):
        table_statistics([shuffled()], by="langauge")


def test_the_json_form_is_plain_and_the_terminal_form_hides_no_escape() -> None:
    table = pa.table({"source": ["a\x1b[31mred", "b"], "n": [1, 2]})
    found = table_statistics([table], by="source")
    json.dumps(found.to_json(), allow_nan=False)
    printed = on_terminal(found)
    assert "\x1b" not in printed
    assert "a␛[31mred" in printed


def test_a_sparkline_shows_anything_above_zero() -> None:
    assert sparkline([0, 1, 1000]) == " ▁█"
    assert sparkline([]) == ""
