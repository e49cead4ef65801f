"""The exponential mixing law: planted laws, penalties chosen out of fold, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.laws.mixing import ExponentialMixing, fit_mixing, rank_correlation

DOMAINS = ("web", "books", "code", "math")
PLANTED = {"c": 2.0, "t_web": -0.2, "t_books": 0.3, "t_code": 0.4, "t_math": -4.0}


def mixtures(runs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(len(DOMAINS), 0.5), size=runs)


def losses(shares: np.ndarray, noise: float = 0.0) -> np.ndarray:
    clean = ExponentialMixing(DOMAINS).at(PLANTED, shares)
    return clean * np.exp(np.random.default_rng(1).normal(0, noise, len(shares)))


def test_new_mixtures_are_ranked_by_a_law_of_noisy_runs():
    shares = mixtures(48)
    law = fit_mixing(shares, {"math": losses(shares, 0.01)}, domains=DOMAINS, draws=30)
    new = mixtures(40, seed=9)

    predicted = law.predict(new, "math")

    assert rank_correlation(predicted.mean, losses(new)) > 0.98
    assert law.out_of_fold["math"] > 0.9
    assert (predicted.low <= predicted.mean).all()
    assert (predicted.mean <= predicted.high).all()


def test_a_domain_that_stands_out_is_found_though_the_others_are_drawn_together():
    shares = mixtures(64)
    law = fit_mixing(shares, {"math": losses(shares, 0.002)}, domains=DOMAINS, draws=0)
    slopes = law.laws["math"].parameters

    assert slopes["t_math"] == pytest.approx(-4.0, abs=0.5)


def test_the_names_and_order_of_domains_do_not_matter():
    shares = mixtures(40)
    order = [2, 0, 3, 1]
    y = {"y": losses(shares, 0.01)}
    new = mixtures(5, seed=3)
    first = fit_mixing(shares, y, domains=DOMAINS, draws=0)
    second = fit_mixing(shares[:, order], y, domains=[DOMAINS[i] for i in order], draws=0)

    np.testing.assert_allclose(
        first.predict(new, "y").mean, second.predict(new[:, order], "y").mean, rtol=1e-4
    )


def test_targets_without_signal_get_the_strongest_penalty_that_is_no_worse():
    shares = mixtures(60)
    noise = 3.0 * np.exp(np.random.default_rng(4).normal(0, 0.02, 60))
    law = fit_mixing(shares, {"noise": noise}, domains=DOMAINS, draws=0)

    assert law.weights["noise"] == 0.1
    assert np.ptp(law.predict(mixtures(30, seed=2), "noise").mean) < 0.05


def test_distance_is_the_share_that_would_have_to_move():
    shares = np.vstack([np.eye(4), mixtures(8)])
    law = fit_mixing(shares, {"y": losses(shares, 0.01)}, domains=DOMAINS, draws=0)

    found = law.distance([[1.0, 0, 0, 0], [0.9, 0.1, 0, 0]])

    assert found[0] == pytest.approx(0.0)
    assert found[1] <= 0.1 + 1e-12


def test_rank_correlation_takes_ties_at_their_mean_rank():
    a, b = np.array([1.0, 2.0, 2.0, 4.0]), np.array([10.0, 30.0, 20.0, 40.0])

    assert rank_correlation(a, b) == pytest.approx(0.9486832980505138)
    assert rank_correlation(a, -a) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("shares", "kind", "text"),
    [
        (mixtures(40) * 2, RecipeError, "mixture 0 sums to 2: .* rescale it"),
        (mixtures(40) - [0.3, -0.3, 0, 0], RecipeError, "shares must be >= 0"),
        (mixtures(7), BudgetError, "7 runs for 4 domains: .* add 1 runs or merge domains"),
        (mixtures(40)[:, :3], RecipeError, "mixtures of 3 shares for 4 domains"),
        (mixtures(40) * np.nan, RecipeError, "mixture 0 sums to .*nan"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(shares, kind, text):
    with pytest.raises(kind, match=text):
        fit_mixing(shares, {"y": np.linspace(2, 3, len(shares))}, domains=DOMAINS)


def test_a_domain_that_never_changes_is_refused():
    shares = np.column_stack([np.zeros(40), mixtures(40)[:, :3]])
    shares[:, 3] += 1 - shares.sum(axis=1)

    with pytest.raises(BudgetError, match="2 distinct values of web, found 1"):
        fit_mixing(shares, {"y": np.linspace(2, 3, 40)}, domains=DOMAINS)
