from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from curator.errors import BudgetError, PluginError, RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import SELECTION
from curator.select.poisson import PURPOSE
from curator.select.selector import select
from curator.select.spec import SelectSpec, mistakes
from tests.support.pools import pool


def odd_pool(n=400, *, seed=0, spread=1.0):
    """Return a pool with a column of odds: log-normal, so that some documents are certain."""
    rng = np.random.default_rng(seed)
    return pool(n, seed=seed).with_columns(odds=pl.Series(np.exp(spread * rng.normal(size=n))))


def drawn(frame, *, seed=0, **settings):
    return select(frame.lazy(), SelectSpec("poisson", "odds", seed=seed, **settings))


def chances(frame, budget):
    """Return pi by bisection: an independent way to alpha."""
    odds, tokens = frame["odds"].to_numpy(), frame["tokens"].to_numpy().astype(np.float64)
    low, high = 0.0, 1e12
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if (np.minimum(1, middle * odds) * tokens).sum() < budget
            else (low, middle)
        )
    return np.minimum(1, low * odds)


@given(seed=st.integers(0, 100), spread=st.floats(0.0, 2.0), budget=st.integers(500, 6000))
@settings(max_examples=40)
def test_documents_are_drawn_by_their_own_chance_at_the_alpha_of_the_budget(seed, spread, budget):
    frame = odd_pool(seed=seed, spread=spread)
    share = chances(frame, budget)
    ids = id_matrix(pa.array(frame["doc_id"].to_list(), pa.binary(16)))
    takes = uniform(ids, PURPOSE, seed) < share
    expected = frame.filter(pl.Series(takes))["doc_id"].to_list()
    even = (1 / share[takes]).sum() ** 2 / (share[takes] ** -2).sum()
    assume(even > 0.1 * takes.sum())  # else it is refused: see below

    chosen = drawn(frame, seed=seed, tokens=budget)

    assert sorted(chosen.table["doc_id"].to_pylist()) == sorted(expected)
    known = dict(zip(frame["doc_id"].to_list(), 1 / share, strict=True))
    weights = [known[one] for one in chosen.table["doc_id"].to_pylist()]
    np.testing.assert_allclose(chosen.table["weight"].to_numpy(), weights, rtol=1e-6)


def test_weights_sum_to_the_documents_and_tokens_to_the_budget_within_three_errors():
    frame = odd_pool(600, seed=1)
    share, tokens = chances(frame, 3000), frame["tokens"].to_numpy().astype(np.float64)
    runs = [drawn(frame, seed=seed, tokens=3000) for seed in range(200)]

    counted = np.mean([each.table["weight"].to_numpy().astype(float).sum() for each in runs])
    paid = np.mean([each.tokens for each in runs])

    assert abs(counted - 600) < 3 * math.sqrt(((1 - share) / share).sum() / len(runs))
    assert abs(paid - 3000) < 3 * math.sqrt((share * (1 - share) * tokens**2).sum() / len(runs))


@given(order=st.permutations(range(60)))
@settings(max_examples=20)
def test_the_order_of_rows_changes_no_bit(order):
    frame = odd_pool(60)
    one, other = (drawn(each, tokens=600) for each in (frame, frame[list(order)]))

    assert one.table.equals(other.table)
    assert one.summary() == other.summary()


def test_the_summary_tells_alpha_certainties_and_the_effective_size():
    frame = odd_pool(seed=2)
    chosen = drawn(frame, tokens=3000)
    told, weights = chosen.summary()["poisson"], chosen.table["weight"].to_numpy().astype(float)

    assert told["certain"] == (weights == 1).sum() == (chances(frame, 3000) == 1).sum() > 0
    assert told["effective_sample_size"] == pytest.approx(
        weights.sum() ** 2 / (weights**2).sum(), rel=1e-3
    )
    assert chosen.asked == {"*": 3000}
    assert chosen.documents + sum(chosen.dropped.values()) == chosen.documents_in == 400


def test_only_a_poisson_selection_has_weights():
    frame = odd_pool()

    assert drawn(frame, tokens=900).table.schema.names == [*SELECTION.names, "weight"]
    plain = select(frame.lazy(), SelectSpec("topk", "odds", tokens=900))
    assert plain.table.schema == SELECTION
    assert "poisson" not in plain.summary()


def test_a_control_without_weights_draws_the_same_and_has_another_name():
    frame = odd_pool()
    one, other = drawn(frame, tokens=900), drawn(frame, tokens=900, weighted=False)

    assert other.table.equals(one.table.drop_columns("weight"))
    plain = SelectSpec("poisson", "odds", tokens=900)
    assert "weighted" not in plain.identity()
    assert replace(plain, weighted=False).identity()["weighted"] is False


def test_equal_values_draw_every_document_by_the_same_chance():
    frame = odd_pool(spread=0.0)
    weights = drawn(frame, share=0.5).table["weight"].to_numpy()

    assert weights == pytest.approx(2.0, rel=1e-3)  # the budget is whole tokens
    assert len(set(weights.tolist())) == 1


def test_the_first_of_the_drawn_are_a_draw_with_a_smaller_alpha():
    frame = odd_pool(seed=3)
    small, large = (drawn(frame, tokens=tokens) for tokens in (1000, 4000))

    assert large.table["doc_id"][: small.documents].equals(small.table["doc_id"])


def test_documents_without_a_value_are_never_drawn():
    frame = odd_pool().with_columns(
        odds=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("odds"))
    )
    chosen = drawn(frame, tokens=900)

    assert chosen.dropped["no_score"] == 200
    assert chosen.dropped["not_drawn"] == 200 - chosen.documents


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, 1e-300])
def test_values_that_are_no_odds_are_refused(value):
    frame = odd_pool().with_columns(odds=pl.when(pl.col("odds") > 1).then(1.0).otherwise(value))
    with pytest.raises(RecipeError, match=r"finite numbers above 0 \(null: never drawn\)"):
        drawn(frame, tokens=900)


def test_nan_is_refused():
    with pytest.raises(PluginError, match="NaN"):
        drawn(odd_pool().with_columns(odds=pl.lit(float("nan"))), tokens=900)


def test_a_draw_whose_weight_lies_on_few_documents_is_refused():
    # Half are certain; three or so of the others stand for all of these.
    frame = pool(2000, nulls=0).with_columns(
        odds=pl.when(pl.int_range(pl.len()) < 1000).then(1.0).otherwise(1e-3)
    )
    with pytest.raises(BudgetError, match="wanted a tenth of them at least"):
        drawn(
            frame, tokens=int(frame["tokens"][:1000].sum() + frame["tokens"][1000:].sum() * 0.003)
        )


def test_a_draw_of_nothing_is_refused():
    with pytest.raises(BudgetError, match="of 400 documents none was drawn for 1 tokens"):
        drawn(odd_pool(), tokens=1)


def test_a_column_that_is_better_where_it_is_lower_is_refused():
    spec = SelectSpec("poisson", "odds", tokens=900)
    with pytest.raises(RecipeError, match="better where it is lower"):
        select(odd_pool().lazy(), spec, {"odds": "lower"})


def test_a_budget_beyond_the_pool_is_a_shortfall():
    with pytest.raises(BudgetError, match="cannot fill"):
        drawn(odd_pool(), tokens=10**6)
    everything = drawn(odd_pool(), tokens=10**6, shortfall="accept")
    assert everything.documents == 400
    assert everything.table["weight"].to_numpy() == pytest.approx(1.0)


def test_quotas_and_a_missing_budget_are_mistakes():
    wrong = {"method": "poisson", "by": "odds", "quotas": {"a": 1.0}}
    assert len(mistakes(wrong)) == 2
    assert mistakes({"method": "poisson", "by": "odds", "share": 0.1}) == []
