from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from curator.embed.leverage import Leverage, leverage, lewis
from curator.errors import RecipeError


def coherent(n=60, d=4, seed=0):
    """Return (n, d) rows of which a few point where no other does."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)) * np.exp(rng.normal(size=(n, 1)))
    rows[:, -1] *= 0.01
    rows[0] = 5 * np.eye(d)[-1]
    return rows


def stream(rows, cuts=3):
    return lambda: iter(np.array_split(rows, cuts))


def exact_sensitivities(rows, p):
    """Return max over x of |<a_i, x>|**p / |A x|_p**p by a convex program a row."""
    return np.array([1 / least(rows, row, p) for row in rows])


def least(rows, row, p):
    """Return min |A x|_p**p under <row, x> = 1."""
    n, d = rows.shape
    if p == 1:
        ones = np.eye(n)
        found = linprog(
            np.r_[np.zeros(d), np.ones(n)],
            A_ub=np.block([[rows, -ones], [-rows, -ones]]),
            b_ub=np.zeros(2 * n),
            A_eq=np.r_[row, np.zeros(n)][None],
            b_eq=[1],
            bounds=[(None, None)] * d + [(0, None)] * n,
        )
        return found.fun
    free = np.linalg.svd(row[None])[2][1:].T  # directions that <row, x> does not change
    start = row / (row @ row)
    found = minimize(
        lambda z: (np.abs(rows @ (start + free @ z)) ** p).sum(),
        np.zeros(d - 1),
        jac=lambda z: (
            p
            * free.T
            @ rows.T
            @ (np.sign(rows @ (start + free @ z)) * np.abs(rows @ (start + free @ z)) ** (p - 1))
        ),
        method="BFGS",
        options={"gtol": 1e-9},
    )
    return found.fun


@given(st.integers(0, 30), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=25)
def test_leverage_scores_are_the_diagonal_of_the_projection_and_sum_to_the_rank(seed, d, cuts):
    rows = np.random.default_rng(seed).normal(size=(40, d))
    found = leverage(stream(rows, cuts)).scores(rows)

    orthogonal, _ = np.linalg.qr(rows)
    np.testing.assert_allclose(found, (orthogonal**2).sum(axis=1), rtol=1e-9)
    assert found.sum() == pytest.approx(d)


def test_at_two_leverage_is_the_sensitivity_of_every_row():
    rows = coherent(20, 3)
    np.testing.assert_allclose(
        leverage(stream(rows)).scores(rows), exact_sensitivities(rows, 2), rtol=1e-5
    )


def test_ridge_leverage_is_that_of_the_formula_and_needs_no_full_rank():
    rows = coherent()
    rows[:, 1] = rows[:, 0]
    gram = rows.T @ rows
    ridged = gram + 0.1 * np.trace(gram) / 4 * np.eye(4)
    expected = np.einsum("nd,de,ne->n", rows, np.linalg.inv(ridged), rows)

    found = leverage(stream(rows), ridge=0.1).scores(rows)

    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found.sum() < 3


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 2.5, 3.0, 3.7])
def test_lewis_weights_are_their_own_leverage_and_sum_to_the_rank(p):
    rows = coherent()
    form = lewis(stream(rows), p=p)
    weights = form.scores(rows)

    matrix = (rows * weights[:, None] ** (1 - 2 / p)).T @ rows
    again = np.einsum("nd,de,ne->n", rows, np.linalg.inv(matrix), rows) ** (p / 2)

    assert np.abs(again / weights - 1).max() < 1e-6
    assert form.residual < 1e-6
    assert weights.sum() == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize("p", [1.0, 1.5, 3.0])
def test_lewis_weights_bound_sensitivities_from_above(p):
    rows = coherent(25, 3, seed=2)
    exact = exact_sensitivities(rows, p)
    weights = lewis(stream(rows), p=p).scores(rows)

    # To d**(p/2 - 1) for p above 2, without a factor below (Cohen and Peng 2015, section 2).
    assert (exact <= weights * 3 ** max(0, p / 2 - 1) * (1 + 1e-5)).all()
    assert (weights <= exact * 3 ** abs(1 - p / 2) * (1 + 1e-4)).all() or p > 2


def test_root_leverage_is_leverage_to_half_the_norm():
    rows = coherent()
    np.testing.assert_allclose(
        leverage(stream(rows), p=1).scores(rows), leverage(stream(rows)).scores(rows) ** 0.5
    )


@pytest.mark.parametrize("p", [1.0, 3.0])
def test_a_row_of_zeros_says_nothing_and_changes_nothing(p):
    rows = coherent()
    padded = np.concatenate([rows, np.zeros((2, 4))])
    found = lewis(stream(padded), p=p).scores(padded)

    assert (found[-2:] == 0).all()
    np.testing.assert_allclose(found[:-2], lewis(stream(rows), p=p).scores(rows), rtol=1e-5)


@given(st.permutations(range(30)), st.floats(0.01, 100))
@settings(max_examples=20)
def test_order_and_scale_of_the_rows_change_no_score(order, scale):
    rows = coherent(30)
    one = lewis(stream(rows), p=1).scores(rows)
    other = lewis(stream(scale * rows[list(order)]), p=1).scores(scale * rows)

    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_length_counts_and_unit_rows_forget_it():
    rows = coherent()
    rows[5] *= 100
    long = leverage(stream(rows)).scores(rows)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    forgotten = leverage(stream(unit)).scores(unit)

    assert long[5] > 0.99
    assert forgotten[5] < 0.5


def test_a_weighted_draw_estimates_a_full_gradient_without_bias_and_an_unweighted_one_does_not():
    """The pitfall of B18: drawn by sensitivity, summed without 1/pi."""
    rng = np.random.default_rng(3)
    rows, truth = coherent(200, 4, seed=3), rng.normal(size=4)
    residual = rows @ np.zeros(4) - (rows @ truth + rng.normal(size=200))
    each = rows * residual[:, None]  # a gradient of squared loss for each row
    share = np.minimum(1, 6 * leverage(stream(rows)).scores(rows))
    drawn = rng.random((4000, 200)) < share
    estimates = (drawn / share) @ each / 200
    naive = drawn @ each / drawn.sum(axis=1, keepdims=True)

    error = estimates.std(axis=0, ddof=1) / np.sqrt(4000)
    assert (np.abs(estimates.mean(axis=0) - each.mean(axis=0)) < 3 * error).all()
    naive_error = naive.std(axis=0, ddof=1) / np.sqrt(4000)
    assert (np.abs(naive.mean(axis=0) - each.mean(axis=0)) > 10 * naive_error).any()


def test_a_form_is_kept_and_read_again(tmp_path):
    rows = coherent()
    form = lewis(stream(rows), p=1.5)
    form.save(tmp_path / "leverage.npz")
    kept = Leverage.load(tmp_path / "leverage.npz")

    assert (kept.scores(rows) == form.scores(rows)).all()
    assert (kept.rounds, kept.residual, kept.n) == (form.rounds, form.residual, 60)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"p": 0.5}, "p is 0.5; wanted 1 or more"),
        ({"p": 4.0}, "contracts for p below 4 only"),
        ({"p": 1.0, "ridge": -1.0}, "ridge is -1.0"),
    ],
)
def test_norms_that_are_none_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        lewis(stream(coherent()), **settings)


def test_an_ill_conditioned_matrix_is_refused_without_a_ridge():
    rows = coherent()
    rows[:, 1] = rows[:, 0] * (1 + 1e-9)
    with pytest.raises(RecipeError, match=r"3 of 4 directions are filled.*ridge: 1e-06"):
        leverage(stream(rows))
    with pytest.raises(RecipeError, match="wanted"):
        leverage(stream(rows[:3]))
    assert leverage(stream(rows), ridge=1e-6).condition < 1e8


def test_the_ridge_that_a_refusal_names_is_enough():
    rows = coherent() * 10.0 ** -np.arange(0, 12, 3)
    with pytest.raises(RecipeError, match="with ridge 1e-09") as refused:
        leverage(stream(rows), ridge=1e-9)
    named = float(str(refused.value).split("give `ridge: ")[1].split("`")[0])
    assert leverage(stream(rows), ridge=named).condition <= 1e8


def test_rows_of_another_encoder_are_refused():
    with pytest.raises(RecipeError, match="form of 4 dimensions"):
        leverage(stream(coherent())).scores(np.zeros((2, 3)))
