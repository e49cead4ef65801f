from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.select.placebo import strata_of
from curator.select.pool import Pool
from curator.select.radix import Radix
from curator.select.selector import select
from curator.select.spec import SelectSpec, mistakes, parse_select
from tests.support.pools import pool

ARM = SelectSpec("topk", "score", share=0.3, seed=3)


def placebo(within="", seed=3):
    return SelectSpec("placebo", of="arm", within=within, seed=seed)


def tenths(frame):
    """The tenth of each document by length, by counting who is shorter: equal lengths together."""
    lengths = frame["tokens"].to_numpy()
    ordered = np.sort(lengths)
    edges = [ordered[int(np.ceil(len(ordered) * part / 10)) - 1] for part in range(1, 10)]
    return [sum(bool(edge < length) for edge in edges) for length in lengths]


def by_stratum(frame, chosen, within):
    """Tokens that a selection took and the largest document there is, by stratum."""
    keys = ["tenth", "source"] if within == "source" else ["tenth"]
    marked = frame.with_columns(
        tenth=pl.Series(tenths(frame)),
        tokens=pl.col("tokens").cast(pl.Int64),
        taken=pl.col("doc_id").is_in(chosen.table["doc_id"].to_pylist()),
    )
    found = marked.group_by(keys).agg(
        spent=(pl.col("tokens") * pl.col("taken")).sum(), largest=pl.col("tokens").max()
    )
    return {tuple(row[: len(keys)]): row[len(keys) :] for row in found.rows()}


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 120),
    seed=st.integers(0, 50),
    within=st.sampled_from(["", "length", "source"]),
    share=st.sampled_from([0.1, 0.3, 1.0]),
)
def test_it_takes_the_arms_tokens_of_every_stratum_within_one_document(n, seed, within, share):
    frame = pool(n, seed=seed, nulls=0)
    tokens = 50 + int(share * frame["tokens"].sum())
    arm = select(frame.lazy(), SelectSpec("topk", "score", tokens=tokens, shortfall="accept"))
    chosen = select(frame.lazy(), placebo(within, seed), of=arm.table, radix=Radix(4, 16))

    wanted, found = (by_stratum(frame, each, within) for each in (arm, chosen))
    for stratum, (spent, largest) in found.items():
        assert abs(spent - wanted[stratum][0]) <= largest / 2
    assert chosen.documents + sum(chosen.dropped.values()) == chosen.documents_in == n


def test_strata_are_tenths_of_the_pool_and_equal_lengths_are_never_parted():
    frame = pool(500).with_columns(tokens=pl.Series([7] * 300 + list(range(200)), dtype=pl.UInt32))
    strata = strata_of(Pool(frame.lazy(), batch_rows=17), by_source=False)

    found = strata.number(frame["source"].to_arrow(), frame["tokens"].cast(pl.Int64).to_numpy())

    assert found.tolist() == tenths(frame)


@pytest.mark.parametrize("within", ["length", "source"])
def test_order_and_cuts_of_files_do_not_change_it_and_the_seed_does(within, tmp_path):
    frame = pool(500)
    frame = pl.concat([frame, frame[:40]])  # some documents twice, far apart
    arm = select(frame.lazy(), ARM)
    whole = select(frame.lazy(), placebo(within), of=arm.table)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)
    for number in range(7):
        shuffled[number::7].write_ipc(tmp_path / f"{number}.arrow")

    cut = select(pl.scan_ipc(tmp_path / "*.arrow"), placebo(within), of=arm.table)
    other = select(frame.lazy(), placebo(within, seed=4), of=arm.table)

    assert cut.table.equals(whole.table)
    assert cut.summary() == whole.summary()
    assert not other.table.equals(whole.table)


def test_scores_play_no_part_in_it():
    frame = pool(2000, nulls=0)
    arm = select(frame.lazy(), ARM)
    chosen = select(frame.lazy(), placebo(), of=arm.table)
    scores = dict(zip(frame["doc_id"], frame["score"], strict=True))

    mean = np.mean([scores[each] for each in chosen.table["doc_id"].to_pylist()])

    assert abs(mean) < 4 / np.sqrt(chosen.documents)  # of a standard normal
    assert abs(chosen.tokens - arm.tokens) < 100


def test_every_document_of_a_stratum_is_as_likely_as_any():
    frame = pool(60, nulls=0).with_columns(tokens=pl.lit(10, pl.UInt32))
    arm = select(frame.lazy(), SelectSpec("topk", "score", tokens=200))
    times = dict.fromkeys(frame["doc_id"], 0)
    for seed in range(60):
        for each in select(frame.lazy(), placebo("", seed), of=arm.table).table["doc_id"]:
            times[each.as_py()] += 1

    assert sum(times.values()) == 60 * 20
    assert 20 - 5 * 3.7 < min(times.values()) <= max(times.values()) < 20 + 5 * 3.7  # binomial sd


def test_what_it_stands_beside_must_be_of_this_pool():
    arm = select(pool(300, nulls=0).lazy(), ARM)
    with pytest.raises(RecipeError, match="took more than this pool has"):
        select(pool(20, seed=1).lazy(), placebo(), of=arm.table)
    with pytest.raises(RecipeError, match="needs what 'arm' took"):
        select(pool(20).lazy(), placebo())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "needs `of:`"),
        ({"of": "x", "tokens": 5}, "`tokens:` has no meaning"),
        ({"of": "x", "by": "sim"}, "`by:` has no meaning"),
        ({"of": "x", "within": "lenght"}, "did you mean 'length'"),
        ({"of": ["x"]}, "wanted the name of an arm"),
        ({"of": "x", "within": 3}, "within is 3"),
    ],
)
def test_each_mistake_says_what_to_do(content, said):
    faults = mistakes({"method": "placebo", **content})

    assert any(said in fault for fault in faults), faults


def test_of_an_arm_is_all_that_it_has_to_be_told():
    assert parse_select({"method": "placebo", "of": "x"}, seed=5) == SelectSpec(
        "placebo", of="x", seed=5
    )
    assert mistakes({"by": "sim", "tokens": 5, "of": "x"}) == [
        "`of:` has no meaning with `method: topk`"
    ]
