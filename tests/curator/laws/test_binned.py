"""The multiplier over bins of accuracy: planted ratios, the compute-optimal path, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.laws.binned import accuracy_along, binned_multiplier
from curator.laws.fit import fit
from curator.laws.forms import Chinchilla, Sigmoid
from curator.laws.ladder import Rung, fit_ladder

COMPUTE = np.geomspace(1e15, 1e18, 2000)
LOSS = {"E": 0.5, "A": 40.0, "alpha": 0.25, "B": 100.0, "beta": 0.25}
ACCURACY = {"h": 0.75, "L0": 1.6, "k": 4.0, "b": 1.0}


def rising(compute: np.ndarray) -> np.ndarray:
    return 0.25 + 0.1 * np.log10(compute / 1e15)


def test_a_planted_ratio_is_found():
    found = binned_multiplier(COMPUTE, rising(COMPUTE), rising(2 * COMPUTE), bins=40)

    assert found.geometric == pytest.approx(2.0, rel=0.02)
    assert found.arithmetic == pytest.approx(2.0, rel=0.03)
    assert found.bins == 40


def test_equal_arms_have_a_ratio_of_one():
    found = binned_multiplier(COMPUTE, rising(COMPUTE), rising(COMPUTE))

    assert (found.geometric, found.arithmetic, found.bins) == (1.0, 1.0, 20)


def test_draws_give_an_interval():
    shifts = np.exp(np.random.default_rng(0).normal(0, 0.1, 40))
    method = np.vstack([rising(2 * COMPUTE), *(rising(2 * s * COMPUTE) for s in shifts)])
    baseline = np.tile(rising(COMPUTE), (41, 1))
    found = binned_multiplier(COMPUTE, baseline, method)

    assert 1.5 < found.low < 2.0 < found.high < 2.6


def grid(times: float) -> list[Rung]:
    """Runs of an arm whose text is worth `times` as many tokens."""
    runs = []
    for size in (1e6, 4e6, 1.6e7, 6.4e7):
        for ratio in (10, 20, 40):
            loss = Chinchilla().at(LOSS, np.array([[size, size * ratio * times]]))
            losses = np.linspace(3.0, loss[0], 30)
            runs.append(
                Rung(
                    f"{size} {ratio}", size, size * ratio, losses,
                    Sigmoid().at(ACCURACY, losses[:, None]),
                )
            )  # fmt: skip
    return runs


def test_ladders_of_two_arms_give_the_multiplier_of_their_text():
    compute = np.geomspace(1e15, 4e17, 400)
    along = []
    for times in (1.0, 2.0):
        runs = grid(times)
        x = [(r.size, r.tokens) for r in runs]
        validation = fit(Chinchilla(), x, [r.losses[-1] for r in runs], draws=0)
        along.append(accuracy_along(compute, validation, [fit_ladder(runs, draws=0, window=1)]))
    found = binned_multiplier(compute, *along)

    # At equal exponents the best loss depends on N D: twice the tokens are twice the compute.
    assert found.geometric == pytest.approx(2.0, rel=0.02)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BudgetError, match="no accuracy in common"):
        binned_multiplier(COMPUTE[:1000], rising(COMPUTE[:1000]), rising(COMPUTE[:1000]) + 0.5)
    with pytest.raises(RecipeError, match="both arms at the same budgets"):
        binned_multiplier(COMPUTE, rising(COMPUTE), rising(COMPUTE[:-1]))


def test_compute_far_beyond_the_runs_is_refused():
    runs = grid(1.0)
    x = [(r.size, r.tokens) for r in runs]
    validation = fit(Chinchilla(), x, [r.losses[-1] for r in runs], draws=0)

    with pytest.raises(RecipeError, match="ask for at most 10 times"):
        accuracy_along([1e20], validation, [fit_ladder(runs, draws=0)])
