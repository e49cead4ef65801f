from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import BudgetError
from curator.mix.swarm import cut_points, draw_mixtures, within

SHARES = np.array([0.5, 0.3, 0.15, 0.05])


def test_mixtures_sum_to_one_and_scatter_around_the_pools_own():
    drawn = draw_mixtures(SHARES, 400, concentration=0.5, seed=1)

    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    np.testing.assert_allclose(drawn.mean(axis=0), SHARES, atol=0.04)
    # Var of a Dirichlet share: p (1 - p) / (1 + sum of parameters), here 0.5 x 4 = 2.
    np.testing.assert_allclose(
        drawn.std(axis=0), 0.98 * np.sqrt(SHARES * (1 - SHARES) / 3), rtol=0.15
    )


def test_low_concentration_lets_few_sources_dominate():
    narrow, broad = (
        draw_mixtures(SHARES, 50, concentration=c, seed=1).max(axis=1).mean() for c in (0.05, 50)
    )

    assert narrow > 0.9 > 0.6 > broad


def test_more_models_leave_the_first_ones_as_they_are():
    few, many = (draw_mixtures(SHARES, n, concentration=0.5, seed=3) for n in (4, 8))

    np.testing.assert_array_equal(few, many[:4])
    assert not np.allclose(few, draw_mixtures(SHARES, 4, concentration=0.5, seed=4))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**31), st.floats(1.05, 4))
def test_no_source_is_asked_for_more_than_it_has(count, seed, room):
    drawn = draw_mixtures(SHARES, count, concentration=0.3, seed=seed)
    most = room * count * SHARES
    fitted = within(drawn, most)

    assert (fitted.sum(axis=0) <= most * (1 + 1e-6)).all()
    np.testing.assert_allclose(fitted.sum(axis=1), 1)
    assert (fitted > 0).all()


def test_mixtures_that_fit_are_left_alone():
    drawn = draw_mixtures(SHARES, 4, concentration=0.5, seed=1)

    np.testing.assert_array_equal(within(drawn, np.full(4, 4.0)), drawn)


def test_more_mixtures_than_the_sources_hold_are_refused():
    with pytest.raises(BudgetError, match=r"4 mixtures of equal size.*hold 3\.00.*ask for fewer"):
        within(draw_mixtures(SHARES, 4, concentration=1, seed=1), np.full(4, 0.75))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 6), st.integers(0, 2**31))
def test_lots_have_the_wanted_tokens_to_within_a_document(n, count, seed):
    rng = np.random.default_rng(seed)
    chance, tokens = rng.random(n), rng.integers(1, 40, n)
    wanted = rng.dirichlet(np.ones(count)) * tokens.sum() * rng.random()
    cuts = cut_points(chance, tokens, wanted)
    lot = np.searchsorted(cuts, chance, side="right")
    got = np.array([tokens[lot == k].sum() for k in range(count)])

    assert (np.diff(cuts) >= 0).all()
    assert (np.abs(got - wanted) <= 40).all()
