"""The law of repeated text: its authors' check values, limits, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.laws.data_constrained import (
    PUBLISHED,
    R_D,
    best_allocation,
    effective,
    predicted_loss,
)


@pytest.mark.parametrize(
    ("size", "tokens", "loss"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_published_check_values_are_exact(size, tokens, loss):
    # README of huggingface/datablations, section Parametric Fit.
    assert predicted_loss(size, tokens, 25e9) == pytest.approx(loss, abs=1e-13)


def test_the_best_allocation_is_the_published_one():
    # The README's grid search from 8.67B parameters and 178B tokens: 227B, 9.1 epochs, 6.8B.
    readme = best_allocation(6 * 8.67e9 * 178e9, 25e9)
    larger = best_allocation(1e22, 25e9)

    assert (readme.tokens / 1e9, readme.epochs, readme.size / 1e9) == pytest.approx(
        (227, 9.1, 6.8), rel=0.004
    )
    assert (larger.tokens / 1e9, larger.epochs, larger.size / 1e9) == pytest.approx(
        (237.3, 9.49, 7.02), rel=0.001
    )
    assert larger.loss <= predicted_loss(1e22 / (6 * 237.3e9), 237.3e9, 25e9)


def test_no_allocation_of_a_brute_search_is_better():
    best = best_allocation(1e20, 1e9)
    tokens = np.geomspace(1e8, 1e12, 4000)
    losses = [predicted_loss(1e20 / (6 * t), t, min(t, 1e9)) for t in tokens]

    assert best.loss <= min(losses) + 1e-12


def test_with_enough_text_the_allocation_is_chinchillas():
    best = best_allocation(1e20, 1e13)

    assert best.epochs < 1
    assert best.size == pytest.approx(float(PUBLISHED.best_size(best.tokens)), rel=1e-3)


def test_one_epoch_counts_in_full_and_many_saturate():
    assert effective(1e9, 1e9) == 1e9
    assert effective(1e9, 4e9) > 3.7e9
    assert effective(1e9, 1e15) == pytest.approx(1e9 * (1 + R_D))


def test_effective_tokens_never_exceed_tokens_and_grow_with_them():
    seen = np.linspace(1.0, 60.0, 200) * 1e9
    worth = effective(1e9, seen)

    assert (worth <= seen).all()
    assert (np.diff(worth) > 0).all()


@pytest.mark.parametrize(("unique", "total"), [(2e9, 1e9), (0.0, 1e9), (-1.0, 1e9)])
def test_more_unique_tokens_than_tokens_are_refused(unique, total):
    with pytest.raises(RecipeError, match="unique tokens among"):
        effective(unique, total)
    with pytest.raises(RecipeError, match="unique tokens among"):
        predicted_loss(1e9, total, unique)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(RecipeError, match="must be positive"):
        best_allocation(0.0, 1e9)
