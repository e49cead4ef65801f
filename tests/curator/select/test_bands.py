from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import BudgetError, RecipeError
from curator.select.radix import Radix
from curator.select.selector import select
from curator.select.spec import SelectSpec, mistakes
from tests.support.pools import pool


def seen_pool(n, seed=0, *, ties=True):
    frame = pool(n, seed=seed, ties=ties)
    seen = np.random.default_rng(seed + 1).random(n) < 0.4
    return frame.with_columns(seen=pl.Series(seen.astype(np.float32)))


def nearest(frame, rate):
    """The score whose tokens at or above it come nearest to a share of all, the higher of two."""
    scored = frame.drop_nulls("score")
    scores, tokens = scored["score"].to_numpy(), scored["tokens"].to_numpy().astype(int)
    wanted = int(rate * tokens.sum())
    return min(
        sorted(set(scores), reverse=True),
        key=lambda score: abs(int(tokens[scores >= score].sum()) - wanted),
    )


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(5, 80),
    seed=st.integers(0, 50),
    rate=st.sampled_from([0.0625, 0.25, 0.5, 1.0]),
    ties=st.booleans(),
    bits=st.sampled_from([4, 16]),
)
def test_the_threshold_keeps_the_share_of_tokens_nearest_to_the_rate(n, seed, rate, ties, bits):
    frame = pool(n, seed=seed, ties=ties)
    if not frame["score"].count():
        return
    spec = SelectSpec("threshold", "score", rate=rate)
    chosen = select(frame.lazy(), spec, radix=Radix(bits, 2))

    assert chosen.threshold["value"] == nearest(frame, rate)


def test_the_threshold_is_found_on_unseen_documents_and_applies_to_all():
    frame = seen_pool(400)
    unseen = frame.filter(pl.col("seen") == 0)
    spec = SelectSpec("threshold", "score", rate=0.2, unseen="seen")

    chosen = select(frame.lazy(), spec)

    least = nearest(unseen, 0.2)
    above = frame.filter(pl.col("score") >= least)
    scored = frame.drop_nulls("score")
    assert chosen.threshold["value"] == least
    assert chosen.threshold["unseen_tokens"] == unseen.drop_nulls("score")["tokens"].sum()
    assert chosen.threshold["share_of_unseen"] == pytest.approx(0.2, abs=0.02)
    share = above["tokens"].sum() / scored["tokens"].sum()
    assert chosen.threshold["share_of_pool"] == pytest.approx(share)
    assert set(chosen.table["doc_id"].to_pylist()) == set(above["doc_id"])
    assert chosen.summary()["threshold"] == dict(chosen.threshold)


def test_of_a_score_that_is_better_when_lower_the_threshold_is_in_its_own_unit():
    frame = seen_pool(400)
    high = select(frame.lazy(), SelectSpec("threshold", "score", rate=0.2, unseen="seen"))
    low = select(
        frame.lazy(), SelectSpec("threshold", "loss", rate=0.2, unseen="seen"), {"loss": "lower"}
    )

    assert low.threshold["value"] == -high.threshold["value"]
    assert low.table["doc_id"].equals(high.table["doc_id"])


def test_a_threshold_that_is_given_is_told_as_before():
    chosen = select(pool(50).lazy(), SelectSpec("threshold", "score", threshold=0.5))

    assert "threshold" not in chosen.summary()


def test_without_unseen_documents_there_is_no_threshold():
    frame = pool(50).with_columns(seen=pl.lit(1.0))
    with pytest.raises(BudgetError, match="none is unseen"):
        select(frame.lazy(), SelectSpec("threshold", "score", rate=0.2, unseen="seen"))
    words = frame.with_columns(seen=pl.lit("no"))
    with pytest.raises(RecipeError, match="tells seen from unseen by numbers"):
        select(words.lazy(), SelectSpec("threshold", "score", rate=0.2, unseen="seen"))


def test_a_document_of_which_nothing_is_known_is_not_unseen():
    frame = seen_pool(300)
    unknown = frame.with_columns(
        seen=pl.when(pl.col("seen") == 1).then(None).otherwise(pl.col("seen"))
    )
    spec = SelectSpec("threshold", "score", rate=0.2, unseen="seen")

    assert select(unknown.lazy(), spec).summary() == select(frame.lazy(), spec).summary()


def test_a_band_within_groups_is_the_band_of_each_group_alone():
    frame = pool(600, nulls=0)
    frame = frame.with_columns(score=pl.col("score") + 9 * (pl.col("source") == "a"))
    band = (0.25, 0.75)

    inside = select(frame.lazy(), SelectSpec("band", "score", band=band, within="source"))

    alone = [
        select(
            frame.filter(pl.col("source") == each).lazy(), SelectSpec("band", "score", band=band)
        )
        for each in "abc"
    ]
    together = {each for chosen in alone for each in chosen.table["doc_id"].to_pylist()}
    assert set(inside.table["doc_id"].to_pylist()) == together
    assert inside.dropped["outside_band"] == 600 - len(together)


def test_documents_without_a_language_are_a_group_of_their_own():
    frame = pool(300, nulls=0).with_columns(
        language=pl.Series(["en", None, "de"] * 100, dtype=pl.String)
    )
    spec = SelectSpec("band", "score", band=(0.5, 1), within="language")

    shares = (
        frame.with_columns(
            taken=pl.col("doc_id").is_in(select(frame.lazy(), spec).table["doc_id"].to_pylist())
        )
        .group_by("language")
        .agg((pl.col("tokens") * pl.col("taken")).sum() / pl.col("tokens").sum())
    )

    assert shares["tokens"].to_list() == pytest.approx([0.5] * 3, abs=0.05)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"method": "threshold"}, "or `rate:`"),
        ({"method": "threshold", "rate": 1.5}, "rate is 1.5"),
        ({"method": "threshold", "rate": 0.1, "threshold": 3}, "two ways to say one bound"),
        ({"method": "threshold", "threshold": 3, "unseen": "x.seen"}, "without `rate:`"),
        ({"method": "topk", "tokens": 5, "rate": 0.1}, "no meaning with `method: topk`"),
        ({"method": "topk", "tokens": 5, "within": "source"}, "no meaning with `method: topk`"),
        ({"method": "threshold", "rate": 0.1, "unseen": 3}, "unseen is 3"),
    ],
)
def test_each_mistake_says_what_to_do(content, said):
    faults = mistakes({"by": "x", **content})

    assert any(said in fault for fault in faults), faults
