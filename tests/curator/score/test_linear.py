from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from curator.score import linear
from curator.score.linear import HashedTexts, logistic, ridge


def noisy(rows: int = 60, columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    inputs = chance.normal(size=(rows, columns))
    return inputs, inputs @ np.arange(columns) + 3 + chance.normal(size=rows)


def test_ridge_is_the_solution_of_the_augmented_least_squares():
    inputs, target = noisy()
    rows = np.vstack([np.c_[inputs, np.ones(60)], np.c_[np.sqrt(2.5) * np.eye(4), np.zeros(4)]])
    expected = np.linalg.lstsq(rows, np.append(target, np.zeros(4)), rcond=None)[0]

    np.testing.assert_allclose(ridge(inputs, target, 2.5), expected, rtol=1e-9)


def test_ridge_of_sparse_rows_comes_to_the_same():
    inputs, target = noisy()
    closed = ridge(inputs, target, 2.5)

    np.testing.assert_allclose(ridge(csr_matrix(inputs), target, 2.5), closed, atol=2e-3)


def test_the_slope_of_the_logistic_loss_is_zero_at_its_weights():
    inputs, target = noisy()
    positive = target > 3
    weights = logistic(inputs, positive, 0.7)
    share = 1 / (1 + np.exp(-(inputs @ weights[:-1] + weights[-1])))
    slope = np.append(inputs.T @ (share - positive) + 0.7 * weights[:-1], (share - positive).sum())

    np.testing.assert_allclose(slope, 0, atol=0.05)


def test_scores_far_from_zero_do_not_overflow():
    value, slope = linear._log_loss(np.array([-2000.0, 2000.0]), np.array([1.0, 0.0]))

    assert value == 4000
    assert slope.tolist() == [-1, 1]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text("ab c\n", max_size=20), max_size=6))
def test_a_row_times_weights_is_the_product_of_the_matrix(texts):
    weights = np.random.default_rng(0).normal(size=50)
    rarity = np.linspace(1, 2, 50)
    rows = HashedTexts(pa.array(texts, pa.large_string()), 50, rarity)

    np.testing.assert_allclose(rows.times(weights), rows.matrix() @ weights, atol=1e-12)
    lengths = np.asarray(rows.matrix().multiply(rows.matrix()).sum(axis=1)).ravel()
    np.testing.assert_allclose(lengths, ~rows.empty, atol=1e-12)


def test_a_bucket_of_every_text_counts_least():
    texts = pa.array(["the cat", "the dog", "the owl"])
    rarity = HashedTexts(texts, 1000).rarity_of()
    met = np.unique(HashedTexts(pa.array(["the"]), 1000).indices)

    assert rarity[met] == pytest.approx(1)
    assert rarity.max() == pytest.approx(np.log(4) + 1)
