from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curator.errors import BudgetError, RecipeError
from curator.identity import uniform
from curator.select.selector import select
from curator.select.spec import SelectSpec, mistakes, parse_select
from curator.select.taylor import TaylorKey
from tests.support.pools import pool


def gaining(n=300, *, groups=3, seed=0) -> pl.DataFrame:
    """A pool with a column of gains at or above 0, some of them 0, and one of groups."""
    rng = np.random.default_rng(seed)
    gains = np.where(rng.random(n) < 0.2, 0.0, rng.exponential(size=n))
    return pool(n, seed=seed).with_columns(
        gain=pl.Series(gains), part=pl.Series(rng.integers(0, groups, n).astype(np.uint32))
    )


def drawn(frame, *, seed=0, temperature=1.0, within="part", **settings):
    spec = SelectSpec(
        "taylor", "gain", seed=seed, temperature=temperature, within=within, **settings
    )
    return select(frame.lazy(), spec)


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_the_first_of_a_group_follows_the_law(temperature):
    """Inclusion of k = 1 against 1 + z + z^2 / 2 by chi-square."""
    gains = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    z = gains / temperature
    expected = (1 + z + z**2 / 2) / (1 + z + z**2 / 2).sum()
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 256, (20_000, 16), dtype=np.uint8)

    rows = pool(5).with_columns(gain=pl.Series(gains))
    keys = np.array(
        [_keys(ids[each : each + 5], gains, temperature) for each in range(0, len(ids), 5)]
    )

    observed = np.bincount(keys.argmax(axis=1), minlength=5)
    assert stats.chisquare(observed, expected * len(keys)).pvalue > 1e-3
    assert drawn(rows, share=1.0, within="").documents == 5


def _keys(ids: np.ndarray, gains: np.ndarray, temperature: float) -> np.ndarray:
    noise = -np.log(-np.log(uniform(ids, "select.taylor", 0)))
    return TaylorKey("gain", temperature, 0).odds(gains) + noise


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 100))
def test_every_weight_is_one_or_more_and_rises_with_the_gain(gains, temperature):
    odds = TaylorKey("gain", temperature, 0).odds(np.sort(np.array(gains)))

    assert (odds >= 0).all()
    assert (np.diff(odds) >= 0).all()


def test_each_group_gives_the_same_share_of_its_tokens():
    frame = gaining()
    had = dict(frame.group_by("part").agg(pl.col("tokens").cast(pl.Int64).sum()).iter_rows())

    chosen = drawn(frame, share=0.25)

    part_of = dict(frame.select("doc_id", "part").iter_rows())
    spent = dict.fromkeys(had, 0)
    for doc_id, tokens in zip(
        chosen.table["doc_id"].to_pylist(), chosen.table["tokens"].to_pylist(), strict=True
    ):
        spent[part_of[doc_id]] += tokens
    for part, tokens in had.items():
        assert 0 <= tokens / 4 - spent[part] < 51  # one document is at most 49 tokens
        assert chosen.asked[str(part)] == pytest.approx(tokens / 4, abs=1)
    assert sum(chosen.asked.values()) == sum(had.values()) // 4


def test_what_gains_nothing_is_still_drawn_and_what_gains_much_more_often():
    frame = gaining(400)
    counts = dict.fromkeys(frame["doc_id"].to_list(), 0)
    for seed in range(60):
        for doc_id in drawn(frame, seed=seed, share=0.2).table["doc_id"].to_pylist():
            counts[doc_id] += 1
    often = frame.with_columns(n=pl.Series([counts[each] for each in frame["doc_id"].to_list()]))

    nothing = often.filter(pl.col("gain") == 0)["n"].mean()
    much = often.filter(pl.col("gain") > 2)["n"].mean()

    assert nothing > 60 * 0.2 * 0.3
    assert much > 2 * nothing


@given(st.permutations(range(40)))
def test_the_order_of_rows_changes_no_bit(order):
    frame = gaining(40)

    one, other = (drawn(each, share=0.3) for each in (frame, frame[list(order)]))

    assert one.table.equals(other.table)
    assert one.summary() == other.summary()


def test_a_whole_pool_and_a_budget_of_tokens_can_be_asked_for():
    frame = gaining()

    assert drawn(frame, share=1.0).documents == 300
    assert 900 < drawn(frame, tokens=1000).tokens <= 1000


def test_another_seed_is_another_draw():
    one, other = (drawn(gaining(), seed=seed, share=0.2) for seed in (1, 2))

    assert set(one.table["doc_id"].to_pylist()) != set(other.table["doc_id"].to_pylist())


def test_documents_without_a_gain_are_not_drawn():
    frame = gaining().with_columns(
        gain=pl.when(pl.col("part") == 1).then(None).otherwise(pl.col("gain"))
    )

    chosen = drawn(frame, share=1.0)

    assert chosen.dropped == {"no_score": int((frame["part"] == 1).sum())}


def test_the_temperature_is_one_unless_given():
    assert parse_select({"method": "taylor", "by": "gain", "share": 0.5}).temperature == 1.0
    assert parse_select({"method": "gumbel", "by": "gain", "share": 0.5}).temperature == 0.5


@pytest.mark.parametrize("gain", [-0.5, float("inf"), 1e200])
def test_what_is_no_gain_is_refused(gain):
    frame = gaining().with_columns(gain=pl.lit(gain))

    with pytest.raises(RecipeError, match="finite and at or above 0"):
        drawn(frame, share=0.5)


def test_a_column_of_which_the_lower_is_better_is_refused():
    spec = SelectSpec("taylor", "gain", share=0.5, better="lower")

    with pytest.raises(RecipeError, match="better where it is lower"):
        select(gaining().lazy(), spec)


def test_more_tokens_than_there_are_are_refused():
    with pytest.raises(BudgetError, match="cannot fill the selection"):
        drawn(gaining(), tokens=10**7)


def test_quotas_are_refused():
    content = {"method": "taylor", "by": "gain", "share": 0.5, "quotas": {"a": 0.5, "*": 0.5}}

    assert any("`within:` names its groups" in fault for fault in mistakes(content))
