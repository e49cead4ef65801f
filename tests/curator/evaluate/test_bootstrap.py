"""Intervals from items hold the truth as often as they say, over what they say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curator.errors import BudgetError, RecipeError
from curator.evaluate.bootstrap import Scores, difference, interval, scores_of

WORLDS = 250
# The standard error of a share of 0.95 over 250 worlds is 0.014.
NEAR = pytest.approx(0.95, abs=0.04)


def table(bits, sizes, sources=None, ids=None):
    ids = range(len(bits)) if ids is None else ids
    return pa.table(
        {
            "doc_id": pa.array([b"%016d" % number for number in ids], pa.binary(16)),
            "source": sources or ["a"] * len(bits),
            "bits": pa.array(bits, pa.float64()),
            "bytes": pa.array(sizes, pa.int64()),
        }
    )


def world(random, runs, documents, *, of_runs, of_documents, both=0.0):
    """Return scores of documents of skewed sizes, where the true number is 1 a byte."""
    sizes = np.ceil(random.lognormal(5, 1, documents))
    rate = (
        1
        + of_runs * random.normal(size=(runs, 1))
        + of_documents * random.normal(size=documents)
        + both * random.normal(size=(runs, documents))
    )
    return Scores(rate * sizes, sizes, (0, documents // 2, documents))


def covered(over, runs, documents, **noise):
    random = np.random.default_rng(0)
    found = [
        interval(world(random, runs, documents, **noise), over, resamples=400, seed=number)
        for number in range(WORLDS)
    ]
    return np.mean([each.low <= 1 <= each.high for each in found])


def test_the_number_is_the_mean_over_sources_and_runs_of_bits_over_bytes():
    runs = [
        table([1, 3, 10, 0], [2, 2, 5, 5], list("aabb")),
        table([3, 5, 5, 5], [2, 2, 5, 5], list("aabb")),
    ]

    found = interval(scores_of(runs), "documents")

    assert found.value == pytest.approx(np.mean([(4 / 4 + 10 / 10) / 2, (8 / 4 + 10 / 10) / 2]))
    assert (found.seeds, found.documents) == (2, 4)


def test_items_without_sizes_count_alike():
    items = pa.table({"item": ["x", "y", "z"], "accuracy": [1.0, 0.0, 1.0]})

    scores = scores_of([items], "accuracy", size=None, group=None, key="item")

    assert interval(scores, "documents").value == pytest.approx(2 / 3)


def test_documents_are_matched_by_id_and_not_by_position():
    one = table([1, 2, 3, 4], [1, 1, 1, 1])
    other = table([4, 3, 2, 1], [1, 1, 1, 1], ids=[3, 2, 1, 0])

    gone = difference(scores_of([one]), scores_of([other]))

    assert (gone.total_SN == 0).all()
    assert interval(gone, "documents").low == 0 == interval(gone, "documents").high


def test_items_of_another_exam_are_not_paired_though_they_are_as_many():
    one, other = (
        scores_of(
            [pa.table({"item": list(names), "accuracy": [1.0, 0.0]})],
            "accuracy", size=None, group=None, key="item",
        )
        for names in ("ab", "ac")
    )  # fmt: skip

    with pytest.raises(RecipeError, match="same documents"):
        difference(one, other)


def test_an_interval_over_documents_holds_whatever_seeds_do():
    assert covered("documents", 1, 120, of_runs=0, of_documents=0.3) == NEAR


def test_an_interval_over_seeds_holds_whatever_documents_do():
    assert covered("seeds", 5, 40, of_runs=0.1, of_documents=0) == NEAR
    assert covered("seeds", 10, 40, of_runs=0.1, of_documents=0) == NEAR


@pytest.mark.parametrize("runs", [4, 9])
def test_an_interval_over_both_holds_where_either_alone_would_not(runs):
    noise = {"of_runs": 0.05, "of_documents": 0.4, "both": 0.1}

    assert covered("both", runs, 60, **noise) == pytest.approx(0.955, abs=0.045)
    assert covered("seeds", runs, 60, **noise) < 0.9


def test_from_few_seeds_the_interval_is_students():
    scores = world(np.random.default_rng(1), 5, 10, of_runs=0.1, of_documents=0)

    found = interval(scores, "seeds")

    reference = stats.ttest_1samp(scores.per_run(), 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))


def test_a_pairing_takes_away_what_arms_have_in_common():
    random = np.random.default_rng(2)
    arm = world(random, 9, 60, of_runs=0.05, of_documents=0.4)
    baseline = Scores(arm.total_SN - 0.01 * arm.size_N, arm.size_N, arm.bounds)

    alone = interval(arm, "both", resamples=300)
    paired = interval(difference(arm, baseline), "both", resamples=300)

    assert paired.value == pytest.approx(0.01)
    assert paired.high - paired.low < 1e-9 < alone.high - alone.low


@given(st.integers(0, 10_000), st.sampled_from(["documents", "seeds", "both"]))
def test_an_interval_holds_its_number_and_scales_with_the_unit(seed, over):
    scores = world(np.random.default_rng(seed), 8, 12, of_runs=0.1, of_documents=0.2)
    larger = Scores(scores.total_SN * 100, scores.size_N, scores.bounds)

    one, other = (interval(each, over, resamples=50) for each in (scores, larger))

    assert one.low <= one.value <= one.high
    assert (other.low, other.high) == pytest.approx((100 * one.low, 100 * one.high))


def test_the_same_seed_gives_the_same_interval():
    scores = world(np.random.default_rng(3), 8, 20, of_runs=0.1, of_documents=0.2)

    assert interval(scores, "both", seed=1) == interval(scores, "both", seed=1)
    assert interval(scores, "both", seed=1) != interval(scores, "both", seed=2)


def test_what_cannot_be_told_is_refused():
    one = table([1, 2], [1, 1])
    with pytest.raises(BudgetError, match="at least 2"):
        interval(scores_of([one]), "seeds")
    with pytest.raises(BudgetError, match="at least two"):
        scores_of([table([1, 2, 3], [1, 1, 1], list("aab"))])
    with pytest.raises(BudgetError, match="at least two"):
        scores_of([table([0, 0], [0, 0])])
    with pytest.raises(BudgetError, match="at least one"):
        scores_of([])
    with pytest.raises(RecipeError, match="other documents"):
        scores_of([one, table([1, 2], [1, 1], ids=[5, 6])])
    with pytest.raises(RecipeError, match="same seeds"):
        difference(scores_of([one]), scores_of([one, one]))
