"""The fitter: noise, outliers, invariances, intervals, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from curator.errors import BudgetError, RecipeError
from curator.laws.descent import descend, finish
from curator.laws.fit import fit, held_out, shares_of
from curator.laws.forms import Chinchilla, PowerLaw, Sigmoid
from curator.laws.pose import Pull, pose

PLANTED = {"E": 1.2, "A": 30.0, "alpha": 0.34, "B": 400.0, "beta": 0.37}
GRID = np.array([(n, d) for n in (1e5, 4e5, 8e5, 2e6, 5e6) for d in (1e6, 2e6, 5e6, 1e7)])
BUDGETS = np.repeat([1e6, 2e6, 4e6, 8e6, 1.6e7], 3)
POWER = {"E": 1.2, "A": 30.0, "alpha": 0.25}


def noisy(seed: int = 0, sd: float = 0.003) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sd, len(GRID))
    return Chinchilla().at(PLANTED, GRID) * np.exp(noise)


def power(seed: int = 0, sd: float = 0.002) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sd, len(BUDGETS))
    return PowerLaw().at(POWER, BUDGETS[:, None]) * np.exp(noise)


def problem(y: np.ndarray, loss: str = "huber"):
    return pose(Chinchilla(), GRID, y, loss, 1e-3, None, None, None, None)


def test_our_minimum_is_no_worse_than_scipys_from_every_start():
    posed = problem(noisy())
    weights = np.ones(len(GRID))
    q = posed.form.inner(posed.form.starts(GRID, noisy()))
    ours = descend(posed, q, np.broadcast_to(weights, (len(q), len(weights)))).value_B.min()

    theirs = [
        minimize(
            lambda p: tuple(v[0] * 1e4 for v in posed.slopes(p[None], weights[None])[:2]),
            start,
            jac=True,
            method="L-BFGS-B",
        ).fun
        / 1e4
        for start in q[::6]
    ]

    assert ours <= min(theirs) * (1 + 1e-6)


def test_squares_agree_with_scipy_least_squares():
    y = noisy()
    law = fit(Chinchilla(), GRID, y, loss="squares", draws=0)
    form = Chinchilla()
    start = form.inner(np.array([[law.parameters[n] for n in form.names]]))[0] + 0.05
    theirs = least_squares(
        lambda q: np.log(form.curve(q[None], GRID)[0]) - np.log(y), start, xtol=1e-14, ftol=1e-14
    )

    expected = form.outer(theirs.x[None])[0]

    np.testing.assert_allclose([law.parameters[n] for n in form.names], expected, rtol=1e-3)


def test_a_failed_run_hardly_moves_a_robust_fit():
    y = noisy(sd=0.001)
    broken = y.copy()
    broken[7] *= 1.4
    at = [(8e5, 5e6)]
    clean = fit(Chinchilla(), GRID, y, draws=0).predict(at).mean[0]

    robust = fit(Chinchilla(), GRID, broken, draws=0).predict(at).mean[0]
    squares = fit(Chinchilla(), GRID, broken, loss="squares", draws=0).predict(at).mean[0]

    assert abs(robust - clean) < 0.005
    assert abs(squares - clean) > 4 * abs(robust - clean)


def test_the_unit_of_the_loss_changes_only_its_scale_parameters():
    nats = fit(PowerLaw(), BUDGETS, power(), draws=0)
    bits = fit(PowerLaw(), BUDGETS, power() / np.log(2), draws=0)

    assert bits.parameters["alpha"] == pytest.approx(nats.parameters["alpha"], rel=1e-4)
    assert bits.parameters["E"] * np.log(2) == pytest.approx(nats.parameters["E"], rel=1e-4)


def test_the_unit_of_the_budget_changes_only_its_scale():
    tokens = fit(PowerLaw(), BUDGETS, power(), draws=0)
    millions = fit(PowerLaw(), BUDGETS / 1e6, power(), draws=0)

    assert millions.parameters["alpha"] == pytest.approx(tokens.parameters["alpha"], rel=1e-4)
    assert millions.predict([3.0]).mean == pytest.approx(tokens.predict([3e6]).mean, rel=1e-6)


def test_the_order_of_points_does_not_matter():
    order = np.random.default_rng(1).permutation(len(GRID))
    first = fit(Chinchilla(), GRID, noisy(), draws=0)
    second = fit(Chinchilla(), GRID[order], noisy()[order], draws=0)

    assert second.parameters == pytest.approx(first.parameters, rel=1e-4)


def test_a_weight_of_two_is_the_point_twice():
    weights = np.ones(len(BUDGETS))
    weights[4] = 2.0
    weighted = fit(PowerLaw(), BUDGETS, power(), weights=weights, draws=0)
    doubled = fit(
        PowerLaw(), np.append(BUDGETS, BUDGETS[4]), np.append(power(), power()[4]), draws=0
    )

    assert weighted.parameters == pytest.approx(doubled.parameters, rel=1e-6)


def test_the_same_seed_gives_the_same_law():
    first, second = (fit(PowerLaw(), BUDGETS, power(), seed=5) for _ in range(2))

    np.testing.assert_array_equal(first.bootstrap, second.bootstrap)
    assert first.parameters == second.parameters


def test_the_bootstrap_moves_all_points_of_a_run_together():
    seeds = ["a", "b", "c"] * 5
    shifts = np.array([0.02, -0.02, 0.0] * 5)
    y = PowerLaw().at(POWER, BUDGETS[:, None]) * np.exp(shifts)
    together = fit(PowerLaw(), BUDGETS, y, together=seeds, delta=0.1)
    apart = fit(PowerLaw(), BUDGETS, y, delta=0.1)
    at = [4e6]

    spread = [float((p.high - p.low)[0]) for p in (together.predict(at), apart.predict(at))]

    assert spread[0] > 2 * spread[1]
    assert together.units == 3
    assert apart.units == 15


def test_weights_of_a_draw_are_positive_and_average_to_one():
    shares = shares_of(7, 50, 3)

    assert (shares > 0).all()
    np.testing.assert_allclose(shares.mean(axis=1), 1.0)


def test_a_point_that_is_no_run_is_kept_in_every_draw():
    x = np.append(np.linspace(0.8, 2.0, 12), 0.0)
    y = Sigmoid().at({"h": 0.7, "L0": 1.1, "k": 4.0, "b": 0.99}, x[:, None])
    y[:-1] += np.random.default_rng(0).normal(0, 0.01, 12)
    runs = [*range(12), None]
    law = fit(Sigmoid(), x, y, runs=runs, loss="squares")

    assert law.diagnostics.runs == 12
    assert np.ptp(law.form.curve(law.form.inner(law.bootstrap), np.zeros((1, 1)))) < 0.15


def test_intervals_of_the_curve_cover_it_about_as_often_as_they_say():
    truth = PowerLaw().at(POWER, np.array([[4e6]]))[0]
    covered = []
    for seed in range(25):
        predicted = fit(PowerLaw(), BUDGETS, power(seed), delta=0.01, draws=100).predict([4e6])
        covered.append(predicted.low[0] <= truth <= predicted.high[0])

    assert np.mean(covered) >= 0.8


def test_a_fixed_parameter_stays_and_is_not_counted():
    law = fit(PowerLaw(), BUDGETS[:4:], power()[:4], fixed={"E": 1.2, "alpha": 0.25}, draws=20)

    assert law.parameters["E"] == pytest.approx(1.2)
    np.testing.assert_allclose(law.bootstrap[:, 2], 0.25)
    assert law.parameters["A"] == pytest.approx(30.0, rel=0.02)


def test_bounds_hold_and_are_reported_where_they_bind():
    law = fit(PowerLaw(), BUDGETS, power(), bounds={"alpha": (0.3, 1.0)}, draws=0)

    assert law.parameters["alpha"] == pytest.approx(0.3)
    assert law.diagnostics.at_bound == ("alpha",)


def test_a_strong_pull_draws_a_parameter_to_its_center():
    free = fit(PowerLaw(), BUDGETS, power(), draws=0).parameters["alpha"]
    drawn = [
        fit(PowerLaw(), BUDGETS, power(), pulls={"alpha": Pull(weight, 0.5)}, draws=0)
        for weight in (0.0, 1e6)
    ]

    assert drawn[0].parameters["alpha"] == pytest.approx(free)
    assert drawn[1].parameters["alpha"] == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("tail", [0.3, np.inf])
def test_the_gradient_of_a_penalty_agrees_with_finite_differences(tail):
    posed = pose(
        PowerLaw(), BUDGETS[:, None], power(), "huber", 1e-3, None, None, None,
        {"alpha": Pull(2.0, 0.5, tail)},
    )  # fmt: skip
    q = posed.form.inner(np.array([[1.0, 20.0, 0.2]]))
    weights = np.ones((1, len(BUDGETS)))
    _, gradient, _ = posed.slopes(q, weights)
    for at in range(3):
        step = np.zeros((1, 3))
        step[0, at] = 1e-6
        rise = posed.slopes(q + step, weights)[0] - posed.slopes(q - step, weights)[0]
        assert gradient[0, at] == pytest.approx(rise[0] / 2e-6, rel=1e-4, abs=1e-7)


def test_finishing_never_makes_a_minimum_worse():
    posed = problem(noisy())
    weights = np.ones(len(GRID))
    start = posed.form.inner(np.array([[PLANTED[n] for n in posed.form.names]]))[0]

    _, value = finish(posed, start, weights)

    assert value <= posed.slopes(start[None], weights[None])[0][0]


def test_held_out_predictions_come_from_the_other_folds():
    y = power(sd=0.01)
    law = fit(PowerLaw(), BUDGETS, y, delta=0.1, draws=0)
    fold = np.arange(len(y)) % 5
    changed = y.copy()
    changed[fold == 2] *= 1.5

    before, after = (held_out(law, BUDGETS, v, fold, delta=0.1) for v in (y, changed))

    np.testing.assert_allclose(after[fold == 2], before[fold == 2], rtol=1e-4)
    assert (np.abs(after - before)[fold != 2] > 1e-3).all()


def test_left_out_error_is_larger_than_the_error_of_the_fit():
    law = fit(Chinchilla(), GRID, noisy(), draws=0)

    assert law.diagnostics.left_out > law.diagnostics.error


def test_predictions_beyond_the_data_say_how_far():
    law = fit(Chinchilla(), GRID, noisy(), draws=20)
    inside, outside = law.predict([(4e5, 5e6)]), law.predict([(1e8, 5e6)])

    assert inside.extrapolation == pytest.approx([1.0])
    assert outside.extrapolation == pytest.approx([20.0])
    assert not inside.far
    assert outside.far
    assert (outside.high - outside.low)[0] > (inside.high - inside.low)[0]


def test_an_interval_of_a_parameter_holds_its_estimate():
    law = fit(PowerLaw(), BUDGETS, power())
    low, high = law.interval("alpha")

    assert low < law.parameters["alpha"] < high


@pytest.mark.parametrize(
    ("x", "y", "kind", "text"),
    [
        (GRID[:6], noisy()[:6], BudgetError, "wants 7 distinct runs, found 6: add 1 at other N, D"),
        (GRID[::4].repeat(2, 0), noisy()[:10], BudgetError, "3 distinct values of D, found 1: add"),
        (GRID, np.full(20, 2.0), RecipeError, "all 20 targets are 2: a constant has no law"),
        (GRID, np.append(noisy()[:-1], np.nan), RecipeError, "target of point 19 is .*nan"),
        (GRID, -noisy(), RecipeError, "log residuals want finite and positive"),
        (GRID * [1, -1], noisy(), RecipeError, "D of point 0 is .*: chinchilla wants finite and"),
        (GRID[:, 0], noisy(), RecipeError, "chinchilla takes the columns N, D"),
        (GRID, noisy()[:-1], RecipeError, r"y of shape \(19,\) for 20 points"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_what_to_do(x, y, kind, text):
    with pytest.raises(kind, match=text):
        fit(Chinchilla(), x, y)


def test_points_of_one_run_do_not_count_as_runs():
    with pytest.raises(BudgetError, match="wants 7 distinct runs, found 5"):
        fit(Chinchilla(), GRID, noisy(), runs=[n for n, _ in GRID])


def test_wrong_weights_names_and_runs_are_refused():
    with pytest.raises(RecipeError, match=r"weights of shape \(3,\)"):
        fit(PowerLaw(), BUDGETS, power(), weights=[1, 2, 3])
    with pytest.raises(RecipeError, match="power has no parameter 'gamma': it has E, A, alpha"):
        fit(PowerLaw(), BUDGETS, power(), fixed={"gamma": 1.0})
    with pytest.raises(RecipeError, match="2 names of runs for 15 points"):
        fit(PowerLaw(), BUDGETS, power(), runs=["a", "b"])
