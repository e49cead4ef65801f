"""A metric is above chance when seeds and luck with items leave no doubt."""

from __future__ import annotations

import numpy as np
import pytest

from curator.evaluate.emergence import Chance, above_chance, chance_of


def test_chance_is_the_mean_level_and_the_error_of_the_mean():
    values = np.array([1.0, 0.0, 0.0, 1.0])

    levels = np.array([0.25, 0.25, 0.5, 0.5])

    found = chance_of(values, levels)

    assert found.level == 0.375
    assert found.deviation == pytest.approx((values - levels).std(ddof=1) / 2)


@pytest.mark.parametrize(
    ("values", "above"),
    [
        ([0.30, 0.31, 0.32], True),
        ([0.28, 0.32, 0.36], False),  # seeds differ by more
        ([0.269, 0.269, 0.269], False),  # luck with the items could do that
        ([0.271], True),
    ],
)
def test_two_of_the_larger_deviation_are_wanted(values, above):
    assert above_chance(values, [Chance(0.25, 0.01)] * len(values)) is above


def test_each_seed_is_held_against_its_own_level():
    chances = [Chance(-0.30, 0.01), Chance(-0.10, 0.01)]

    assert above_chance([-0.25, -0.05], chances)
    assert not above_chance([-0.29, -0.09], chances)


def test_a_single_item_or_none_says_nothing():
    for count in (0, 1):
        values = np.ones(count)

        assert not above_chance([1.0, 1.0], [chance_of(values, values / 4)] * 2)


def test_a_proxy_that_guesses_is_called_above_chance_in_few_of_many_cases():
    random = np.random.default_rng(2)
    levels = np.full(400, 0.25)

    called = [
        above_chance([values.mean()], [chance_of(values, levels)])
        for values in (random.random((1000, 400)) < 0.25).astype(float)
    ]

    assert np.mean(called) < 0.05  # one-sided, two deviations: 2.3 %
