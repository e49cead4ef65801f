"""The two-step ladder: planted accuracies at scale, smoothing, refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.laws.forms import Chinchilla, Sigmoid
from curator.laws.ladder import Rung, fit_ladder, moving_average

LOSS = {"E": 0.5, "A": 40.0, "alpha": 0.25, "B": 100.0, "beta": 0.25}
ACCURACY = {"h": 0.75, "L0": 0.8, "k": 6.0, "b": 1.0}


def accuracy(loss: np.ndarray) -> np.ndarray:
    return Sigmoid().at(ACCURACY, np.asarray(loss)[:, None])


def rungs(noise: float = 0.0) -> list[Rung]:
    rng = np.random.default_rng(0)
    found = []
    for size in (2e8, 4e8, 8e8, 1.6e9):
        for ratio in (20, 40, 100, 200):
            final = Chinchilla().at(LOSS, np.array([[size, size * ratio]]))[0]
            falling = final * (1 + 0.8 * np.exp(-np.arange(60) / 8.0))
            losses = falling * np.exp(rng.normal(0, noise, 60))
            found.append(Rung(f"{size:g} {ratio}", size, size * ratio, losses, accuracy(losses)))
    return found


def test_the_accuracy_of_a_larger_model_is_predicted():
    ladder = fit_ladder(rungs(0.002), draws=60)
    actual = accuracy(Chinchilla().at(LOSS, np.array([[1.3e10, 5e12]])))[0]

    predicted = ladder.predict(1.3e10, 5e12)

    assert predicted.mean[0] == pytest.approx(actual, abs=0.02)
    assert 0 <= predicted.low[0] <= actual <= predicted.high[0] <= 1
    assert predicted.far


def test_both_steps_reweight_the_same_runs():
    ladder = fit_ladder(rungs(0.002), draws=12)

    assert ladder.loss.units == ladder.accuracy.units == 16
    assert len(ladder.loss.bootstrap) == len(ladder.accuracy.bootstrap) == 12


def test_a_run_of_one_checkpoint_stays_a_run_of_both_steps():
    first, *others = rungs(0.002)
    short = dataclasses.replace(first, losses=first.losses[-1:], accuracies=first.accuracies[-1:])

    ladder = fit_ladder([short, *others], draws=2)

    assert ladder.loss.units == ladder.accuracy.units == 16


def test_no_draws_give_no_interval():
    predicted = fit_ladder(rungs(), draws=0).predict(1.3e10, 5e12)

    assert predicted.low[0] == predicted.mean[0] == predicted.high[0]


def test_a_moving_average_begins_with_what_there_is():
    found = moving_average(np.array([1.0, 3.0, 5.0, 7.0]), 3)

    np.testing.assert_allclose(found, [1.0, 2.0, 3.0, 5.0])


def test_the_first_checkpoints_are_not_seen_by_the_second_step():
    plain = rungs()
    spoiled = [
        dataclasses.replace(rung, accuracies=np.concatenate([np.full(6, 0.9), rung.accuracies[6:]]))
        for rung in plain
    ]

    ours, theirs = (fit_ladder(r, draws=0).accuracy.parameters for r in (plain, spoiled))

    assert ours == theirs


def test_a_rung_whose_checkpoints_do_not_match_is_refused():
    broken = [*rungs(), Rung("bad", 1e8, 1e9, np.ones(3), np.ones(2))]

    with pytest.raises(RecipeError, match="rung 'bad' has 3 losses and 2 accuracies"):
        fit_ladder(broken)


def test_a_ladder_of_two_sizes_is_refused():
    with pytest.raises(BudgetError, match="3 distinct values of N, found 2"):
        fit_ladder(rungs()[:8])
