"""Buckets hold equally many documents, whatever the score's unit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import check_scorer, documents
from scorers.buckets import Buckets


def scored(values):
    table = documents([f"text {n}" for n in range(len(values))])
    return table.append_column("quality", pa.array(values, pa.float64()))


def fitted(folder, values, **settings):
    scorer = Buckets(of="quality", **settings)
    shard = write_shard(scored(values), folder / "pool.arrow", name="pool")
    out = folder / "fit"
    out.mkdir()
    scorer.fit({"raw": Corpus((shard,))}, out, Site())
    return scorer, scorer.load(Site(fitted=out))


def test_it_keeps_the_contract():
    check_scorer(Buckets(of="quality", buckets=3))


def test_buckets_hold_equally_many_and_eight_of_twenty_are_two_fifths(tmp_path):
    values = np.exp(np.random.default_rng(1).normal(size=2000))
    scorer, edges = fitted(tmp_path, values)
    found = scorer.process(edges, scored(values))["bucket"].to_numpy()

    assert set(Counter(found.tolist()).values()) == {100}
    assert (found > 11).mean() == pytest.approx(0.4)
    assert values[found > 11].min() > values[found <= 11].max()


def test_no_score_is_no_bucket_and_scores_outside_those_seen_are_in_the_outer_ones(tmp_path):
    scorer, edges = fitted(tmp_path, [1.0, 2.0, 3.0, 4.0], buckets=2)
    found = scorer.process(edges, scored([None, -5.0, 50.0]))["bucket"].to_pylist()

    assert found == [None, 0, 1]


def test_a_score_that_nobody_has_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="none of 2 documents"):
        fitted(tmp_path, [None, None])


@pytest.mark.parametrize("settings", [{}, {"of": "q", "buckets": 1}])
def test_what_makes_no_buckets_is_refused(settings):
    with pytest.raises(RecipeError, match="wanted"):
        Buckets(**settings)
