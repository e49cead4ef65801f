from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf as reference_shrinkage

from curator.embed.whitening import Metric, Moments, gram, ledoit_wolf
from curator.errors import RecipeError


def drawn(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Correlated float32 vectors far from the origin, of condition number about 1,000."""
    chance = np.random.default_rng(seed)
    mixed = chance.standard_normal((n, d)) * np.geomspace(1, 0.03, d)
    turned, _ = np.linalg.qr(chance.standard_normal((d, d)))
    return (mixed @ turned + 3).astype(np.float32)


def test_whitened_vectors_have_covariance_one_in_single_precision():
    vectors = drawn(6000, 48)
    white = Metric.fit(gram([vectors]), ridge=1e-9).whiten(vectors)
    assert white.dtype == np.float32
    found = np.cov(white.T.astype(np.float64), bias=True)
    np.testing.assert_allclose(found, np.eye(48), atol=1e-4)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)


def test_whitening_agrees_with_the_inverse_root_of_the_covariance():
    vectors = drawn(500, 6)
    metric = Metric.fit(gram([vectors]), ridge=0.0)
    inverse = np.linalg.inv(np.cov(vectors.T.astype(np.float64), bias=True))
    centered = vectors - vectors.mean(axis=0, dtype=np.float64)
    # Mahalanobis products do not depend on which root of the inverse is taken.
    white = metric.whiten(vectors).astype(np.float64)
    np.testing.assert_allclose(white @ white.T, centered @ inverse @ centered.T, atol=1e-3)


@given(cuts=st.lists(st.integers(0, 300), max_size=4))
@settings(max_examples=20)
def test_moments_do_not_depend_on_how_vectors_are_cut(cuts):
    vectors = drawn(300, 5)
    whole, parts = gram([vectors]), gram(np.split(vectors, sorted(cuts)))
    for name in ("mean", "second", "third", "fourth"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)


def test_moments_are_numpys():
    vectors = drawn(5000, 7)
    found, wide = gram([vectors]), vectors.astype(np.float64)
    np.testing.assert_allclose(found.second, wide.T @ wide / 5000)
    np.testing.assert_allclose(found.covariance, np.cov(wide.T, bias=True), atol=1e-12)


@pytest.mark.parametrize(("n", "d"), [(20, 40), (60, 30), (400, 8)])
def test_shrinkage_is_ledoit_and_wolfs(n, d):
    vectors = drawn(n, d)
    _, wanted = reference_shrinkage(vectors.astype(np.float64))
    assert ledoit_wolf(gram([vectors])) == pytest.approx(wanted, rel=1e-6)


def test_few_vectors_are_shrunk_and_many_are_not():
    assert Metric.fit(gram([drawn(60, 30)])).shrinkage > 0
    assert Metric.fit(gram([drawn(150, 30)])).shrinkage == 0
    assert Metric.fit(gram([drawn(150, 30)]), shrink="always").shrinkage > 0


def test_shrinkage_makes_a_metric_of_fewer_vectors_than_dimensions():
    vectors = drawn(20, 40)
    assert np.isfinite(Metric.fit(gram([vectors])).whiten(vectors)).all()


def test_units_have_length_one():
    vectors = drawn(300, 10)
    found = Metric.fit(gram([vectors])).units(vectors)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_scaling_a_dimension_does_not_change_whitened_distances():
    vectors = drawn(400, 6)
    scaled = vectors * np.float32([1, 10, 100, 0.1, 1, 1])
    first = Metric.fit(gram([vectors]), ridge=0.0).units(vectors).astype(np.float64)
    second = Metric.fit(gram([scaled]), ridge=0.0).units(scaled).astype(np.float64)
    np.testing.assert_allclose(first @ first.T, second @ second.T, atol=1e-3)


def test_a_metric_that_was_written_is_read_back(tmp_path):
    vectors = drawn(60, 30)
    metric = Metric.fit(gram([vectors]))
    metric.save(tmp_path / "metric.npz")
    again = Metric.load(tmp_path / "metric.npz")
    assert (again.shrinkage, again.n) == (metric.shrinkage, 60)
    np.testing.assert_array_equal(again.whiten(vectors), metric.whiten(vectors))


def test_fewer_than_two_vectors_a_dimension_are_refused_without_shrinkage():
    with pytest.raises(RecipeError, match=r"59 vectors of 30 dimensions.*wanted 60 or more"):
        Metric.fit(gram([drawn(59, 30)]), shrink="never")
    assert Metric.fit(gram([drawn(60, 30)]), shrink="never").shrinkage == 0


def test_a_covariance_that_is_not_positive_definite_is_refused():
    flat = Moments(100, np.zeros(2), np.array([[1.0, 1.5], [1.5, 1.0]]), np.zeros(2), 1.0)
    with pytest.raises(RecipeError, match="not positive definite"):
        Metric.fit(flat)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([], "no vectors"),
        ([np.ones((3, 2)), np.ones((3, 4))], "4 dimensions after some of 2"),
        ([np.ones((3, 2)), np.array([[1, np.inf]])], "vector 3 is not finite"),
    ],
)
def test_vectors_that_make_no_metric_are_refused(vectors, said):
    with pytest.raises(RecipeError, match=said):
        gram(vectors)


def test_vectors_that_are_all_the_same_are_refused():
    with pytest.raises(RecipeError, match="all the same"):
        Metric.fit(gram([np.ones((50, 2))]))


def test_vectors_of_another_width_are_refused():
    metric = Metric.fit(gram([drawn(60, 4)]))
    with pytest.raises(RecipeError, match="for a metric of 4 dimensions"):
        metric.whiten(np.ones((2, 3)))
