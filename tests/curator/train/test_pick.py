"""Scores of rows, rows from scores, and what scoring costs, against plain NumPy and by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import BudgetError, RecipeError
from curator.identity import fingerprint
from curator.train.pick import Cost, Pick, best_rows, cost_of, forward_flops, row_chance, row_scores
from curator.train.proxy import find_proxy

CLEAN = {"reference": "clean", "reference_digest": "0"}


def chance_of(rows, step=0):
    return row_chance(rows, step, 1)


def test_scores_are_differences_row_by_row():
    learner, reference = np.array([3.0, 2.0, 5.0]), np.array([1.0, 2.5, 4.5])

    assert row_scores("learnability", learner, reference).tolist() == [2.0, -0.5, 0.5]
    assert row_scores("high_loss", learner, reference).tolist() == [3.0, 2.0, 5.0]
    assert row_scores("easy_reference", learner, reference).tolist() == [-1.0, -2.5, -4.5]


def test_a_column_is_not_broadcast_against_a_row():
    learner, reference = np.ones((4, 1)), np.ones(4)

    with pytest.raises(RecipeError, match=r"shapes learner \(4, 1\), reference \(4,\)"):
        row_scores("learnability", learner, reference)
    with pytest.raises(RecipeError, match="one number a row"):
        row_scores("learnability", np.ones(3), reference)


def test_a_candidate_without_a_loss_of_the_reference_is_refused():
    with pytest.raises(RecipeError, match="no loss for 1 of 3 rows, the first 1"):
        row_scores("easy_reference", np.ones(3), [1.0, np.nan, 2.0])


@pytest.mark.parametrize("method", ["uniform", "placebo", "learnable"])
def test_what_goes_by_chance_has_no_scores(method):
    with pytest.raises(RecipeError, match="has no scores"):
        row_scores(method, np.ones(2), np.ones(2))


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=30, unique=True), st.integers(1, 2))
def test_without_a_temperature_the_best_are_taken(scores, count):
    found = best_rows(np.array(scores), count, chance_of(len(scores)))

    assert found.tolist() == sorted(np.argsort(scores)[-count:].tolist())


def test_ties_go_by_chance_and_not_by_row():
    taken = [best_rows(np.zeros(8), 1, chance_of(8, step))[0] for step in range(400)]

    assert set(taken) == set(range(8))
    assert np.bincount(taken).max() < 90  # 50 expected, sd 6.6


def test_rows_drawn_by_temperature_are_a_softmax_without_replacement():
    scores, temperature = np.log([0.5, 0.3, 0.15, 0.05]) * 0.2, 0.2
    p = np.array([0.5, 0.3, 0.15, 0.05])
    draws = [best_rows(scores, 2, chance_of(4, step), temperature) for step in range(20_000)]

    found = np.bincount(np.concatenate(draws), minlength=4) / len(draws)

    second = [sum(p[j] * p[i] / (1 - p[j]) for j in range(4) if j != i) for i in range(4)]
    np.testing.assert_allclose(found, p + second, atol=0.015)  # 4 standard errors


def test_drawing_blocks_in_turn_is_drawing_rows():
    # Block Gibbs of JEST: a block by softmax given those before; for losses of rows the score of a
    # batch is a sum, so what is left over is drawn by the same softmax as at first.
    scores = np.array([1.0, 0.4, 0.1, -0.3, -1.0])
    together, blocks = np.zeros(5), np.zeros(5)
    for step in range(8000):
        together[best_rows(scores, 2, chance_of(5, step), 0.5)] += 1
        first = int(best_rows(scores, 1, chance_of(5, 10**6 + step), 0.5)[0])
        rest = np.delete(np.arange(5), first)
        other = rest[best_rows(scores[rest], 1, chance_of(4, 2 * 10**6 + step), 0.5)[0]]
        blocks[[first, other]] += 1

    np.testing.assert_allclose(together / 8000, blocks / 8000, atol=0.03)  # 4 standard errors


def test_chance_is_of_the_seeds_the_step_and_the_row():
    first = row_chance(6, 3, 1)

    assert first[:4].tolist() == row_chance(4, 3, 1).tolist()
    others = [row_chance(6, 4, 1), row_chance(6, 3, 2), row_chance(6, 3, 1, seed=1)]
    assert all(np.intersect1d(first, other).size == 0 for other in others)


def test_all_rows_are_no_pick():
    with pytest.raises(RecipeError, match="not all"):
        best_rows(np.zeros(4), 4, chance_of(4))


def test_a_super_batch_is_whole_rows():
    assert Pick(method="high_loss", keep=0.1).super_rows(8) == 80
    assert Pick(method="high_loss", keep=0.3333).super_rows(8) == 24
    with pytest.raises(
        RecipeError, match=r"26\.67 rows; wanted a whole number: write one of 0\.2857"
    ):
        Pick(method="high_loss", keep=0.3).super_rows(8)
    with pytest.raises(RecipeError, match="8 of 8 rows; wanted fewer than are read"):
        Pick(method="high_loss", keep=0.9999).super_rows(8)


@pytest.mark.parametrize("keep", [0.0, 1.0, 1.5, -0.1])
def test_a_share_that_keeps_nothing_or_all_is_refused(keep):
    with pytest.raises(RecipeError, match=r"keep is .*inside \(0, 1\)"):
        Pick(method="high_loss", keep=keep)


@pytest.mark.parametrize("method", ["learnability", "easy_reference", "placebo"])
def test_a_missing_reference_is_refused(method):
    with pytest.raises(RecipeError, match="names none; add `reference: NAME`"):
        Pick(method=method, keep=0.1)


def test_other_settings_that_make_no_sense_are_refused():
    with pytest.raises(RecipeError, match="'rho'; wanted one of learnability"):
        Pick(method="rho", keep=0.1, **CLEAN)
    with pytest.raises(RecipeError, match=r"temperature is 0\.0"):
        Pick(method="high_loss", keep=0.1, temperature=0.0)
    with pytest.raises(RecipeError, match="scored_tokens is 0"):
        Pick(method="high_loss", keep=0.1, scored_tokens=0)
    with pytest.raises(RecipeError, match="scored_tokens is 300, and a row has 256"):
        Pick(method="high_loss", keep=0.1, scored_tokens=300).read_tokens(256)


def test_a_pick_is_named_by_the_references_weights_and_not_by_their_place():
    one = Pick(method="learnability", keep=0.1, reference="here", reference_digest="a")

    assert fingerprint(one) == fingerprint(dataclasses.replace(one, reference="there"))
    assert fingerprint(one) != fingerprint(dataclasses.replace(one, reference_digest="b"))


def test_scoring_costs_a_third_of_training_a_row_for_each_model():
    proxy = find_proxy("d2")
    shape = proxy.shape(2048)

    cost = cost_of(Pick(method="learnability", keep=0.1, **CLEAN), proxy, shape, shape)

    assert cost.factor == pytest.approx(1 + 2 * (1 / 3) / 0.1)
    assert cost.training == proxy.batch_tokens * shape.flops_per_token


@pytest.mark.parametrize(
    ("method", "factor"),
    [
        ("high_loss", 1 + 1 / 0.6),
        ("easy_reference", 1 + 1 / 0.6),
        ("uniform", 1),
        ("placebo", 1 + 2 / 0.6),
    ],
)
def test_each_method_is_charged_the_losses_it_reads(method, factor):
    proxy = find_proxy("d2")
    shape = proxy.shape(2048)

    found = cost_of(Pick(method=method, keep=0.2, **CLEAN), proxy, shape, shape).factor

    assert found == pytest.approx(factor)


def test_a_quarter_of_each_row_costs_about_a_quarter():
    shape = find_proxy("d2").shape(2048)

    whole, quarter = (forward_flops(shape, tokens) for tokens in (256, 64))

    assert whole == 256 * shape.flops_per_token // 3
    assert 0.2 < quarter / whole < 0.25  # attention looks back less far


def test_a_budget_pays_for_scoring_too():
    cost = Cost(training=30, learner=100, reference=70)

    assert cost.steps(200) == 30
    assert cost.steps(200) * cost.total <= 200 * cost.training
    with pytest.raises(
        BudgetError, match=r"costs 6\.67 plain ones.*pays for 15.*1\.3 times the tok"
    ):
        cost.steps(100)
