from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from curator.embed.lasso import nonnegative, relevance
from curator.errors import RecipeError


def problem(seed, m=4, d=12):
    """Return unit columns (M, D), their Gram matrix and their products with a target."""
    rng = np.random.default_rng(seed)
    sources = rng.normal(size=(m, d)) + rng.normal(size=d)
    sources /= np.linalg.norm(sources, axis=1, keepdims=True)
    target = rng.normal(size=d) + sources.T @ rng.uniform(-0.5, 1, m)
    return sources, target


def by_every_support(gram, inner, penalty):
    """Return the minimum over nu >= 0 by solving for every support."""
    best, least = np.zeros(len(inner)), 0.0
    for size in range(1, len(inner) + 1):
        for support in map(list, itertools.combinations(range(len(inner)), size)):
            part = np.linalg.solve(gram[np.ix_(support, support)], inner[support] - penalty)
            if (part < 0).any():
                continue
            nu = np.zeros(len(inner))
            nu[support] = part
            value = nu @ gram @ nu / 2 - inner @ nu + penalty * nu.sum()
            best, least = (nu, value) if value < least else (best, least)
    return best


@given(seed=st.integers(0, 1000), penalty=st.floats(0, 2))
@settings(max_examples=60)
def test_the_minimum_is_that_of_trying_every_support_and_keeps_its_conditions(seed, penalty):
    sources, target = problem(seed)
    gram, inner = sources @ sources.T, sources @ target

    nu = nonnegative(gram, inner, penalty)

    np.testing.assert_allclose(nu, by_every_support(gram, inner, penalty), atol=1e-7)
    slope = gram @ nu - inner + penalty  # Karush, Kuhn and Tucker
    assert (nu >= 0).all()
    assert (slope >= -1e-8).all()
    assert np.abs(slope * nu).max() < 1e-8


@given(seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_without_a_penalty_it_is_nonnegative_least_squares(seed):
    sources, target = problem(seed)
    expected, _ = nnls(sources.T, target)

    np.testing.assert_allclose(
        nonnegative(sources @ sources.T, sources @ target), expected, atol=1e-7
    )


def domains(seed, *, shares, noise=2.0, d=256, n=500):
    """Return six domains' estimated means and the folds of a target mixed of them."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=d) + rng.normal(size=(6, d))
    sources = centers + rng.normal(size=(6, d)) * noise / np.sqrt(n)
    drawn = centers[rng.choice(6, n, p=shares)] + rng.normal(size=(n, d)) * noise
    return sources, drawn.reshape(5, n // 5, d).mean(axis=1)


@pytest.mark.parametrize("seed", range(5))
def test_a_target_of_two_of_six_domains_is_told_by_these_two(seed):
    found = relevance(*domains(seed, shares=[0.6, 0.4, 0, 0, 0, 0]))

    assert found.weights[:2] == pytest.approx([0.6, 0.4], abs=0.1)
    assert (found.weights[2:] < 0.03).all()
    assert found.weights.sum() == pytest.approx(1)


def test_the_lasso_leaves_more_sources_out_than_the_ridge():
    sources, folds = domains(0, shares=[0.6, 0.4, 0, 0, 0, 0])
    lasso, ridge = (relevance(sources, folds, kind=kind).weights for kind in ("lasso", "ridge"))

    assert (lasso == 0).sum() > (ridge == 0).sum()
    assert ridge.argmax() == 0


@given(scales=st.lists(st.floats(0.01, 100), min_size=6, max_size=6))
@settings(max_examples=10)
def test_who_is_chosen_does_not_depend_on_the_lengths_of_vectors(scales):
    sources, folds = domains(1, shares=[0.6, 0.4, 0, 0, 0, 0])
    scaled = relevance(sources * np.array(scales)[:, None], folds)

    plain = relevance(sources, folds)
    assert ((scaled.weights > 0) == (plain.weights > 0)).all()
    back = scaled.weights * scales
    np.testing.assert_allclose(back / back.sum(), plain.weights, atol=1e-6)


def test_a_target_away_from_all_sources_gives_no_weight_to_any():
    sources, folds = domains(0, shares=[1, 0, 0, 0, 0, 0])
    found = relevance(sources, -folds)

    assert not found.weights.any()
    assert found.error == 1


def test_equal_sources_are_told_by_their_cosine():
    sources, folds = domains(0, shares=[0.6, 0.4, 0, 0, 0, 0])
    sources[5] = sources[0]
    found = relevance(sources, folds)

    assert found.closest == pytest.approx(1)
    assert found.weights[0] + found.weights[5] == pytest.approx(0.6, abs=0.1)


@pytest.mark.parametrize(
    ("sources", "folds", "said"),
    [
        (np.ones((2, 3)), np.ones((1, 3)), "two folds"),
        (np.ones((2, 3)), np.ones((2, 4)), "one sketch"),
        (np.array([[1.0, 0], [0, 0]]), np.ones((2, 2)), "source 1 has a vector of length"),
        (np.ones((2, 2)), np.full((2, 2), np.nan), "fold of the target 0"),
    ],
)
def test_what_has_no_direction_is_refused(sources, folds, said):
    with pytest.raises(RecipeError, match=said):
        relevance(sources, folds)
