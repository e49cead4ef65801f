from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.score.concordance import check_abilities, concordance, report_of


def brute_force(bits, abilities):
    """Return the concordant pairs of every document, counted one by one."""
    pairs = list(itertools.combinations(range(len(abilities)), 2))
    return [
        sum((abilities[i] - abilities[j]) * (row[i] - row[j]) < 0 for i, j in pairs) for row in bits
    ]


@given(st.integers(4, 7), st.integers(0, 2**31), st.booleans())
def test_concordance_is_that_of_a_count_over_pairs(models, seed, ties):
    random = np.random.default_rng(seed)
    bits = random.normal(size=(20, models)).round(0 if ties else 12)
    abilities = random.permutation(models).astype(float)

    assert concordance(bits, abilities).tolist() == brute_force(bits, abilities)


def test_ties_are_not_concordant():
    assert concordance(np.ones((1, 4)), np.arange(4.0)).tolist() == [0]
    assert concordance(np.array([[4.0, 3, 2, 1]]), np.arange(4.0)).tolist() == [6]
    assert concordance(np.array([[4.0, 3, 2, 2]]), np.arange(4.0)).tolist() == [5]


def test_permuted_abilities_have_a_mean_of_half_of_the_pairs():
    random = np.random.default_rng(0)
    bits, models = random.normal(size=(50, 5)), 5
    orders = [concordance(bits, np.array(o, float)) for o in itertools.permutations(range(models))]

    assert np.mean(orders) == models * (models - 1) / 4
    assert report_of(bits, np.arange(5.0))["mean"]["expected"] == pytest.approx(0.5)


@pytest.mark.parametrize("ties", [False, True])
def test_the_null_is_that_of_all_orders_tried_one_by_one(ties):
    random = np.random.default_rng(3)
    bits = random.normal(size=(300, 4)) - 0.4 * np.arange(4)
    bits = bits.round(0) if ties else bits
    abilities = np.arange(4.0)
    report = report_of(bits, abilities)
    orders = [np.array(order, float) for order in itertools.permutations(range(4))]
    tops = [sum(s == 6 for s in brute_force(bits, order)) for order in orders]
    means = [np.mean(brute_force(bits, order)) / 6 for order in orders]
    top = report["at_top"]

    assert report["histogram"] == np.bincount(brute_force(bits, abilities), minlength=7).tolist()
    assert top["documents"] == tops[0]
    assert top["expected"] == pytest.approx(np.mean(tops))
    assert top["enrichment"] == pytest.approx(tops[0] / np.mean(tops))
    assert top["p"] == pytest.approx(np.mean([other >= tops[0] for other in tops]))
    assert report["mean"]["share"] == pytest.approx(means[0])
    assert report["mean"]["expected"] == pytest.approx(np.mean(means))
    assert report["mean"]["deviation"] == pytest.approx(np.std(means))
    assert report["mean"]["p"] == pytest.approx(
        np.mean([other >= means[0] - 1e-12 for other in means])
    )


def test_under_models_that_are_alike_nothing_is_explained():
    random = np.random.default_rng(1)
    report = report_of(random.normal(size=(30_000, 6)), np.arange(6.0))

    assert report["at_top"]["enrichment"] == pytest.approx(1, abs=0.5)
    assert report["at_top"]["expected"] == pytest.approx(30_000 / math.factorial(6))


def test_with_many_models_orders_are_drawn():
    random = np.random.default_rng(1)
    bits = random.normal(size=(400, 12)) - np.linspace(0, 1, 12)
    report = report_of(bits, np.arange(12.0))

    assert report["mean"]["expected"] == pytest.approx(0.5, abs=0.01)
    assert report["mean"]["p"] < 0.001


@pytest.mark.parametrize(
    ("abilities", "message"),
    [
        ([1, 2, 3], "3 models; wanted 4 or more"),
        ([1, 2, 3, 2], "have ties"),
        ([1, 2, 3, math.nan], "wanted numbers"),
    ],
)
def test_abilities_that_order_nothing_are_refused(abilities, message):
    with pytest.raises(RecipeError, match=message):
        check_abilities(np.array(abilities, float))
