"""Every form: slopes against finite differences, planted parameters found, starts enough."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.laws.annealing import LrAnnealing, schedule_areas
from curator.laws.data_constrained import DataConstrained
from curator.laws.fit import fit
from curator.laws.forms import Chinchilla, Kaplan, LossToLoss, PowerLaw, Sigmoid
from curator.laws.mixing import ExponentialMixing

SIZES = np.array([1e5, 4e5, 8e5, 2e6, 5e6])
LENGTHS = np.array([1e6, 2e6, 5e6, 1e7])
GRID = np.array([(n, d) for n in SIZES for d in LENGTHS])
LOSSES = np.linspace(2.0, 5.0, 24)[:, None]


def shares(runs: int, domains: int) -> np.ndarray:
    return np.random.default_rng(3).dirichlet(np.full(domains, 0.6), size=runs)


def areas() -> np.ndarray:
    falling = np.concatenate([np.full(600, 1e-2), np.linspace(1e-2, 0, 200)])
    return schedule_areas(falling)[20::20]


CASES = {
    "power": (PowerLaw(), LENGTHS[:, None], {"E": 1.2, "A": 30.0, "alpha": 0.25}),
    "chinchilla": (
        Chinchilla(),
        GRID,
        {"E": 1.2, "A": 30.0, "alpha": 0.34, "B": 400.0, "beta": 0.37},
    ),
    "kaplan": (Kaplan(), GRID, {"E": 1.2, "A": 1e4, "alpha": 0.34, "B": 4e4, "beta": 0.37}),
    "loss_to_loss": (
        LossToLoss(ceiling=2.0),
        LOSSES,
        {"K": 0.9, "kappa": 1.2, "E0": 1.5, "E1": 1.1},
    ),
    "sigmoid": (
        Sigmoid(),
        LOSSES,
        {"h": 0.7, "L0": 3.1, "k": 2.5, "b": 0.95},
    ),
    "lr_anneal": (LrAnnealing(), areas(), {"L0": 2.0, "A": 0.6, "alpha": 0.5, "C": 0.3}),
    "data_constrained": (
        DataConstrained(),
        np.array(
            [(n, d, 1e9) for n in (1e7, 1e8, 1e9) for d in (1e9, 4e9, 1.6e10, 6.4e10, 2.5e11)]
        ),
        {"R_D": 12.0, "R_N": 7.0},
    ),
    "exp_mixing": (
        ExponentialMixing(("web", "books", "code")),
        shares(40, 3),
        {"c": 2.0, "t_web": -0.3, "t_books": 0.2, "t_code": -2.5},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_slopes_agree_with_finite_differences(name):
    form, x, parameters = CASES[name]
    row = np.array([[parameters[n] for n in form.names]])
    q = form.inner(row) + 0.05
    step = 1e-5

    value, slopes = form.slopes(q, x)

    np.testing.assert_allclose(value, form.curve(q, x))
    for at in range(q.shape[1]):
        up, down = q.copy(), q.copy()
        up[:, at] += step
        down[:, at] -= step
        expected = (form.curve(up, x) - form.curve(down, x)) / (2 * step)
        np.testing.assert_allclose(slopes[:, :, at], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_planted_parameters_are_found_without_noise(name):
    form, x, parameters = CASES[name]
    law = fit(form, x, form.at(parameters, x), fixed=None if len(x) > 4 else {"E": 1.2}, draws=0)

    assert law.parameters == pytest.approx(parameters, rel=2e-3)
    assert law.diagnostics.converged
    assert law.diagnostics.r2 == pytest.approx(1.0)


@pytest.mark.parametrize("name", CASES)
def test_a_search_has_at_least_27_finite_starts(name):
    form, x, parameters = CASES[name]
    starts = form.starts(x, form.at(parameters, x))

    assert len(starts) >= 27
    assert np.isfinite(form.curve(form.inner(starts), x)).all()


@pytest.mark.parametrize("name", CASES)
def test_internal_coordinates_are_undone(name):
    form, _, parameters = CASES[name]
    row = np.array([[parameters[n] for n in form.names]])

    np.testing.assert_allclose(form.outer(form.inner(row)), row, rtol=1e-12)


def test_a_curve_with_a_parameter_missing_is_refused():
    with pytest.raises(RecipeError, match=r"power wants parameters .* got \('E',\)"):
        PowerLaw().at({"E": 1.0}, LENGTHS[:, None])


def test_kaplan_equals_chinchilla_where_one_input_is_unlimited():
    parameters = {"E": 1.2, "A": 1e4, "alpha": 0.3, "B": 4e4, "beta": 0.4}
    tokens = np.array([[1e15, d] for d in LENGTHS])

    ours = Kaplan().at(parameters, tokens)

    np.testing.assert_allclose(ours, 1.2 + (4e4 / LENGTHS) ** 0.4, rtol=1e-3)


def test_areas_of_a_constant_rate_have_no_fall():
    found = schedule_areas(np.full(5, 0.1))

    np.testing.assert_allclose(found, [[0.1 * i, 0.0] for i in range(1, 6)], atol=1e-15)


def test_areas_sum_the_momentum_of_the_falls():
    rates = np.array([1.0, 1.0, 0.5, 0.25])
    brute = []
    for s in range(4):
        falls = [
            (rates[k - 1] - rates[k]) * 0.9 ** (i - k)
            for i in range(s + 1)
            for k in range(1, i + 1)
        ]
        brute.append((rates[: s + 1].sum(), sum(falls)))

    np.testing.assert_allclose(schedule_areas(rates, decay=0.9), brute)


@pytest.mark.parametrize("rates", [[-0.1, 0.1], [0.0, 0.1], [np.nan, 1.0], []])
def test_learning_rates_that_cannot_be_are_refused(rates):
    with pytest.raises(RecipeError, match="finite and not negative"):
        schedule_areas(np.array(rates))


def test_a_constant_then_decayed_run_predicts_a_cosine():
    planted = {"L0": 2.0, "A": 0.6, "alpha": 0.5, "C": 0.3}
    form, x = LrAnnealing(), areas()
    noise = np.random.default_rng(0).normal(0, 1e-3, len(x))
    law = fit(form, x, form.at(planted, x) * np.exp(noise), draws=0)
    cosine = schedule_areas(5e-3 * (1 + np.cos(np.linspace(0, np.pi, 1000))))[-1:]

    predicted = law.predict(cosine)

    assert predicted.mean == pytest.approx(form.at(planted, cosine), rel=0.01)
