from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from curator.embed.density import Density, load_density, principal
from curator.embed.whitening import gram
from curator.errors import LedgerError, RecipeError
from tests.support.vectors import clumped


def density(vectors: np.ndarray, most: int = 3, share: float = 1.0, **settings) -> Density:
    plane = principal((gram([vectors]),), most, share)
    return Density.fit(vectors, plane, **{"estimator": "kernels", "k": 3, "where": "t"} | settings)


def flat(vectors: np.ndarray, most: int = 3) -> np.ndarray:
    plane = principal((gram([vectors]),), most, 1.0)
    return (vectors - plane.mean) @ plane.axes.T


def test_kernels_are_those_of_scipy():
    vectors, asked = clumped(1500, 1), clumped(1100, 2)
    plane = principal((gram([vectors]),), 3, 1.0)
    reference = gaussian_kde(flat(vectors).T).logpdf(((asked - plane.mean) @ plane.axes.T).T)

    found = density(vectors).at(asked)

    # scipy divides the covariance by n - 1, here it is n, with a ridge of 1e-6: 1/1500 of a nat
    # times the squared distance in widths.
    np.testing.assert_allclose(found, reference, rtol=2e-3, atol=0.02)


@pytest.mark.parametrize("estimator", ["kernels", "nearest"])
def test_leaving_a_vector_out_is_the_density_of_the_others_in_the_same_metric(estimator: str):
    whole = density(clumped(60, 3), estimator=estimator)
    point = whole.points[17]
    others = np.delete(whole.points, 17, axis=0)
    squares = ((others - point) ** 2).sum(axis=1)
    if estimator == "kernels":
        width = 60 ** (-1 / 7)
        kernels = np.exp(squares / (-2 * width**2)) / (math.sqrt(2 * math.pi) * width) ** 3
        expected = math.log(kernels.mean()) - whole.log_det
    else:
        radius = np.sqrt(np.sort(squares)[2])
        expected = math.log(3 / 59 / (4 / 3 * math.pi * radius**3)) - whole.log_det

    assert whole.left_out()[17] == pytest.approx(expected, abs=1e-9)


def test_nearest_neighbors_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch):
    vectors, asked = clumped(300, 4), clumped(50, 5)
    whole = density(vectors, estimator="nearest").at(asked)
    monkeypatch.setattr("curator.embed.density._STORED", 64)

    np.testing.assert_allclose(density(vectors, estimator="nearest").at(asked), whole, atol=1e-9)


def test_kernels_are_summed_across_blocks(monkeypatch: pytest.MonkeyPatch):
    vectors, asked = clumped(300, 4), clumped(50, 5)
    whole = density(vectors).at(asked), density(vectors).left_out()
    monkeypatch.setattr("curator.embed.density._STORED", 64)
    monkeypatch.setattr("curator.embed.density._QUERIES", 32)

    np.testing.assert_allclose(density(vectors).at(asked), whole[0], atol=1e-9)
    np.testing.assert_allclose(density(vectors).left_out(), whole[1], atol=1e-9)


def test_far_away_is_rare_and_not_minus_infinity():
    found = density(clumped(100, 6)).at(np.full((1, 8), 40.0))

    assert np.isfinite(found).all()
    assert found[0] < -1000


def test_copies_of_a_vector_are_dense_and_not_infinitely_so():
    vectors = clumped(100, 7)
    vectors[:20] = vectors[0]

    assert np.isfinite(density(vectors, estimator="nearest").left_out()).all()


def test_directions_stop_where_they_hold_the_share_of_variance():
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(500, 5)) * [10, 5, 0.1, 0.1, 0.1]

    plane = principal((gram([vectors]),), 4, 0.95)

    assert len(plane.axes) == 2
    assert plane.explained > 0.99


def test_sets_count_alike_whatever_their_sizes():
    rng = np.random.default_rng(9)
    few, many = rng.normal(size=(50, 2)) * [9, 1], rng.normal(size=(5000, 2)) * [1, 2]

    axes = principal((gram([few]), gram([many])), 1, 1.0).axes

    assert abs(axes[0, 0]) > 0.99


def test_fewer_than_ten_vectors_a_dimension_are_refused():
    with pytest.raises(RecipeError, match=r"29 vectors in 3 dimensions.*at most 2"):
        density(clumped(29, 10))


def test_vectors_that_are_not_finite_or_of_other_dimensions_are_refused():
    found = density(clumped(40, 11))

    with pytest.raises(RecipeError, match="vector 1 is not finite"):
        found.at(np.array([[0.0] * 8, [np.nan] * 8]))
    with pytest.raises(RecipeError, match="both of one encoder"):
        found.at(np.zeros((2, 7)))


def test_what_is_loaded_is_what_was_saved_and_of_one_encoder(tmp_path: Path):
    saved = density(clumped(40, 12))
    saved.save(tmp_path, encoder="abc", threshold=-3.5)
    loaded, threshold = load_density(tmp_path, encoder="abc", where="t")

    np.testing.assert_array_equal(loaded.at(clumped(9, 13)), saved.at(clumped(9, 13)))
    assert threshold == -3.5
    with pytest.raises(RecipeError, match="one run compares vectors of one encoder"):
        load_density(tmp_path, encoder="def", where="t")
    with pytest.raises(LedgerError, match="has no density"):
        load_density(None, encoder="abc", where="t")
