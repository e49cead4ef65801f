from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curator.score import heldout

GRADES = st.lists(st.integers(0, 6), min_size=2, max_size=40).map(lambda v: np.array(v, float))


def test_auc_equals_the_share_of_ordered_pairs():
    chance = np.random.default_rng(0)
    good, bad = chance.integers(0, 10, 40) / 10, chance.integers(0, 8, 30) / 10
    pairs = [(g > b) + 0.5 * (g == b) for g in good for b in bad]

    assert heldout.auc(good, bad) == pytest.approx(np.mean(pairs))


def test_auc_of_nothing_is_not_a_number():
    assert np.isnan(heldout.auc(np.zeros(0), np.ones(3)))


@given(GRADES)
def test_correlation_is_that_of_scipy(values):
    other = np.arange(len(values)) % 5
    if np.ptp(values) and np.ptp(other):
        expected = stats.spearmanr(values, other).statistic
        assert heldout.spearman(values, other) == pytest.approx(expected)


def test_the_correlation_with_a_constant_is_not_a_number():
    assert np.isnan(heldout.spearman(np.arange(5.0), np.ones(5)))


def test_recall_of_the_top_without_ties_is_the_overlap_of_both_tops():
    chance = np.random.default_rng(1)
    truth, score = chance.permutation(100.0 * np.arange(1, 51)), chance.permutation(50)
    both = set(np.argsort(-truth)[:5]) & set(np.argsort(-score)[:5])

    assert heldout.recall_of_top(truth, score, 0.1) == pytest.approx(len(both) / 5)


def test_documents_that_tie_with_the_last_of_the_top_belong_to_it():
    assert heldout.recall_of_top(np.array([1.0, 1, 1, 0]), np.array([0.0, 0, 9, 1]), 0.25) == 1


def test_calibration_counts_every_document_once_and_rises_with_a_true_score():
    truth = np.arange(25.0)
    bins = heldout.calibration(truth, truth)

    assert sum(each["documents"] for each in bins) == 25
    assert len(bins) == 10
    assert all(each["predicted"] == each["observed"] for each in bins)


def test_levels_say_what_share_of_each_is_in_the_predicted_top():
    truth = np.array([0.0, 0, 1, 1, 5, 5])
    found = heldout.levels(truth, np.array([0.0, 1, 9, 2, 8, 3]), truth == 5, classes=True)

    assert [(each["level"], each["taken"]) for each in found] == [(0, 0), (1, 0.5), (5, 0.5)]


def test_a_regression_that_stays_near_the_mean_recalls_no_outer_level():
    truth = np.repeat([0.0, 1, 2, 3, 4, 5], 10)
    found = heldout.levels(truth, np.full(60, 2.2), truth == 5, classes=False)

    assert [each["recalled"] for each in found] == [0, 0, 1, 0, 0, 0]


def test_a_label_of_many_values_has_no_levels():
    assert heldout.levels(np.arange(21.0), np.arange(21.0), np.arange(21) > 3, classes=True) == []


@given(st.integers(1, 40), st.integers(0, 5))
def test_documents_above_a_threshold_weigh_the_rate_within_one_document(count, seed):
    chance = np.random.default_rng(seed)
    score, weight = chance.permutation(count).astype(float), chance.integers(1, 9, count)
    for found in heldout.thresholds(score, weight.astype(float)):
        above = weight[score > found["score"]].sum()
        with_it = weight[score >= found["score"]].sum()
        assert above <= found["rate"] * weight.sum() <= with_it


def test_a_prediction_that_is_not_there_is_counted_and_left_out():
    truth = np.array([0.0, 1, 2, 3])
    predicted = np.array([-800.0, np.nan, 1, 800])
    found = heldout.judged(truth, truth > 1, predicted, np.ones(4), classes=True)

    assert found["without_score"] == 1
    assert (found["auc"], found["spearman"]) == (1, 1)
    assert [each["predicted"] for each in found["calibration"]][::2] == [0, 1]


def test_one_class_only_has_no_auc():
    found = heldout.judged(np.ones(3), np.ones(3, bool), np.arange(3.0), np.ones(3), classes=False)

    assert (found["auc"], found["spearman"]) == (None, None)
