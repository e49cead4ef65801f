from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from curator.errors import RecipeError
from curator.score.correlation import (
    ESTIMATORS,
    average_ranks,
    caps,
    check_errors,
    estimate,
    null_report,
    project_l2,
    project_linear,
)


def brute_force(x, y, estimator):
    """Return the estimate of one column as its formula says, pair by pair."""
    count, pairs = len(y), list(itertools.combinations(range(len(y)), 2))
    if estimator == "product":
        return sum(a * b for a, b in zip(x, y, strict=True)) / count
    if estimator == "spearman":
        return stats.spearmanr(x, y).statistic
    of = x
    if estimator == "sign_cdf":
        of = [(sum(b < a for b in x) + (1 + sum(b == a for b in x)) / 2) / count for a in x]
    if estimator == "sign_sign":
        terms = [np.sign(y[k] - y[j]) * np.sign(of[k] - of[j]) for k, j in pairs]
    else:
        terms = [np.sign(y[k] - y[j]) * (of[k] - of[j]) for k, j in pairs]
    return sum(terms) / len(pairs)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@settings(max_examples=30, deadline=None)
@given(count=st.integers(8, 14), seed=st.integers(0, 2**31), ties=st.booleans())
def test_estimates_are_those_of_a_loop_over_pairs(estimator, count, seed, ties):
    random = np.random.default_rng(seed)
    x, y = random.random((count, 5)), random.random(count)
    if ties:
        x, y = x.round(1), y.round(1)
        x[0], x[1] = np.arange(5), 9  # no column without losses to rank
        y[:2] = 0, 1
    found = estimate(x, y, estimator)

    np.testing.assert_allclose(found, [brute_force(c, y, estimator) for c in x.T], atol=1e-12)


def test_estimates_of_four_pairs_of_numbers_by_hand():
    # y = .1 .2 .3 .4 (twice over, for eight models); x rises with y in one column, falls in the
    # other. All 4 x 6 pairs of different y agree; 4 of 28 pairs have equal y and count 0.
    y = np.repeat([0.1, 0.2, 0.3, 0.4], 2)
    x = np.stack([10 * y, -10 * y], axis=1)

    np.testing.assert_allclose(estimate(x, y, "sign_sign"), [24 / 28, -24 / 28])
    np.testing.assert_allclose(estimate(x, y, "spearman"), [1, -1])
    # Differences of x over those pairs: 4 x (1 + 1 + 1 + 2 + 2 + 3) = 40, over 28 pairs.
    np.testing.assert_allclose(estimate(x, y, "sign"), [40 / 28, -40 / 28])
    # Ranks 1.5, 3.5, 5.5, 7.5 over 8: differences of 2 / 8 for each of 1.
    np.testing.assert_allclose(estimate(x, y, "sign_cdf"), [10 / 28, -10 / 28])
    # 2 x (.1 + .4 + .9 + 1.6) / 8.
    np.testing.assert_allclose(estimate(x, y, "product"), [0.75, -0.75])


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=9))
def test_ranks_of_ties_are_their_average(rows):
    values = np.array(rows, float)

    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values, axis=0))


def test_losses_that_all_tie_have_no_rank_correlation():
    assert np.isnan(estimate(np.ones((8, 1)), np.linspace(0, 1, 8), "spearman")).all()


def test_a_column_is_estimated_the_same_whatever_is_beside_it():
    random = np.random.default_rng(0)
    x, y = random.random((9, 1000)), random.random(9)
    for estimator in ESTIMATORS:
        whole = estimate(x, y, estimator)
        np.testing.assert_array_equal(whole[7:8], estimate(x[:, 7:8], y, estimator))


@pytest.mark.parametrize("estimator", ["sign", "sign_cdf", "sign_sign", "spearman"])
def test_planted_weights_are_found_again_in_their_order(estimator):
    # The paper's model: y = f(<w, x> + e), f rising and unknown; more models than columns.
    random = np.random.default_rng(5)
    w = random.random(12)
    x = random.normal(size=(400, 12))
    y = 1 / (1 + np.exp(-(x @ w / 3 + 0.1 * random.normal(size=400))))
    found = estimate(x, y, estimator)

    assert stats.spearmanr(found, w).statistic > 0.9


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**31), st.floats(0.15, 0.9))
def test_the_linear_projection_is_the_best_of_all_weights_under_caps(count, seed, rate):
    random = np.random.default_rng(seed)
    found, tokens = random.normal(size=count), random.integers(1, 50, count)
    most = caps(tokens, rate)
    weights = project_linear(found, most, random.random(count))
    best = optimize.linprog(
        -found, A_eq=np.ones((1, count)), b_eq=[1], bounds=[(0, m) for m in most]
    )

    assert weights.sum() == pytest.approx(1)
    assert ((weights >= 0) & (weights <= most)).all()
    assert weights @ found == pytest.approx(-best.fun)
    assert ((weights > 0) & (weights < most * (1 - 1e-9))).sum() <= 1  # only the boundary is cut


def test_the_linear_projection_depends_on_ranks_alone():
    random = np.random.default_rng(0)
    found, most, ties = random.normal(size=40), np.full(40, 0.1), random.random(40)

    np.testing.assert_array_equal(
        project_linear(found, most, ties), project_linear(np.exp(3 * found), most, ties)
    )


def test_ties_go_by_chance_and_not_by_place():
    ties = np.array([0.9, 0.1, 0.5, 0.7])
    weights = project_linear(np.zeros(4), np.full(4, 0.4), ties)

    np.testing.assert_allclose(weights, [0, 0.4, 0.4, 0.2])


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**31), st.floats(0.15, 0.9))
def test_the_l2_projection_is_the_nearest_of_all_weights_under_caps(count, seed, rate):
    random = np.random.default_rng(seed)
    found, tokens = random.normal(scale=0.4, size=count), random.integers(1, 50, count)
    most = caps(tokens, rate)
    weights, shift = project_l2(found, most)
    best = optimize.minimize(
        lambda w: ((w - found) ** 2).sum(),
        most / most.sum(),
        jac=lambda w: 2 * (w - found),
        bounds=[(0, m) for m in most],
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )

    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, np.clip(found + shift, 0, most))
    np.testing.assert_allclose(weights, best.x, atol=1e-4)


def test_the_null_finds_nothing_in_chance_and_something_in_what_is_planted():
    random = np.random.default_rng(2)
    y = np.linspace(0.1, 0.9, 10)
    noise = [random.normal(size=(10, 300)) for _ in range(6)]
    chance = [null_report(x, y, "spearman")["p"] for x in noise]
    planted = null_report(noise[0] + 8 * y[:, None], y, "spearman")

    assert sum(p < 0.05 for p in chance) <= 1
    assert max(chance) > 0.3
    assert planted["p"] < 0.05
    assert planted["percentile_95"] > planted["expected"] + planted["deviation"]
    assert null_report(random.normal(size=(20, 5)), random.random(20), "spearman") is None


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([0.5] * 7, "7 models; wanted 8 or more"),
        ([0.1] * 7 + [1.2], r"wanted shares in \[0, 1\]"),
        ([0.1] * 7 + [-0.2], r"wanted shares in \[0, 1\]"),
        ([0.1] * 7 + [np.nan], r"wanted shares in \[0, 1\]"),
        ([0.25] * 8, "all errors are 0.25"),
    ],
)
def test_errors_that_tell_nothing_are_refused(errors, message):
    with pytest.raises(RecipeError, match=message):
        check_errors(np.array(errors))


def test_losses_with_nan_and_unknown_estimators_are_refused():
    x, y = np.ones((8, 3)), np.linspace(0, 1, 8)
    with pytest.raises(RecipeError, match="1 of 3 columns of losses hold NaN"):
        estimate(np.where(np.eye(8, 3) * [1, 0, 0] > 0, np.nan, x), y, "sign")
    with pytest.raises(RecipeError, match="estimator='pearson'; wanted one of product"):
        estimate(x, y, "pearson")


@pytest.mark.parametrize(
    ("most", "message"),
    [([0.3, 0.3, 0.3], "caps sum to 0.900"), ([0.9, 0.9, 0.0], "a cap is 0.0; wanted caps above")],
)
def test_caps_that_no_weights_can_meet_are_refused(most, message):
    for project in (lambda e, m: project_linear(e, m, np.zeros(3)), project_l2):
        with pytest.raises(RecipeError, match=message):
            project(np.zeros(3), np.array(most))


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(RecipeError, match=r"wanted a share of the tokens in \(0, 1\)"):
        caps(np.ones(3, int), rate)


def test_documents_without_tokens_have_no_cap():
    with pytest.raises(RecipeError, match="1 documents have no tokens"):
        caps(np.array([1, 0]), 0.5)
