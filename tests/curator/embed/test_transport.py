from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import logsumexp

from curator.embed import transport as module
from curator.embed.costs import Distances, median_cost
from curator.embed.transport import calibrated, extended, transport
from curator.errors import RecipeError


def drawn(n: int, seed: int, d: int = 12, *, modes: int = 5) -> np.ndarray:
    """Unit vectors around a few middles."""
    chance = np.random.default_rng(seed)
    middles = np.random.default_rng(99).standard_normal((modes, d))
    vectors = 2 * middles[chance.integers(0, modes, n)] + chance.standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    wide = 2 - 2 * x.astype(np.float64) @ y.astype(np.float64).T
    return np.sqrt(np.maximum(wide, 0))


def plan_of(solved, x, y, a=None, b=None) -> np.ndarray:
    a = np.full(len(x), 1 / len(x)) if a is None else a
    b = np.full(len(y), 1 / len(y)) if b is None else b
    inside = solved.f[:, None].astype(np.float64) + solved.g - distances(x, y)
    return a[:, None] * b * np.exp(inside / solved.eps)


def masses(n: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).uniform(0.2, 1, n)
    return found / found.sum()


def cheapest(costs: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """The exact cost by linear programming."""
    n, m = costs.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    found = linprog(
        costs.ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=np.r_[a, b][:-1], method="highs"
    )
    assert found.success
    return float(found.fun)


def sinkhorn(costs: np.ndarray, a: np.ndarray, b: np.ndarray, eps: float, steps: int = 5000):
    """Plain Sinkhorn in float64 logarithms, the textbook's loop."""
    g = np.zeros(len(b))
    for _ in range(steps):
        f = -eps * logsumexp((g - costs) / eps, b=b, axis=1)
        g = -eps * logsumexp((f[:, None] - costs) / eps, b=a[:, None], axis=0)
    return f + b @ g, g - b @ g


def test_value_is_within_one_percent_of_the_exact_linear_program():
    x, y = drawn(64, 1), drawn(48, 2)
    a, b = masses(64, 3), masses(48, 4)
    solved = transport(Distances(x, y), a, b, tolerance=1e-5)
    exact = cheapest(distances(x, y), a, b)
    assert exact - 1e-6 <= solved.value <= 1.01 * exact


def test_the_plan_has_the_marginals_that_were_asked_for():
    x, y, a, b = drawn(300, 1), drawn(40, 2), masses(300, 3), masses(40, 4)
    solved = transport(Distances(x, y), a, b)
    plan = plan_of(solved, x, y, a, b)
    found = np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()
    assert found < 1e-3
    assert found == pytest.approx(solved.marginal_error, abs=2e-5)  # f and g are float32
    assert (plan * distances(x, y)).sum() == pytest.approx(solved.value, rel=1e-4)


def test_potentials_are_those_of_plain_sinkhorn():
    x, y, a, b = drawn(60, 1), drawn(30, 2), masses(60, 3), masses(30, 4)
    solved = transport(Distances(x, y), a, b, eps=0.05, tolerance=1e-6)
    f, g = sinkhorn(distances(x, y), a, b, 0.05)
    np.testing.assert_allclose(solved.f, f, atol=1e-4)
    np.testing.assert_allclose(solved.g, g, atol=1e-4)


def test_potentials_are_those_of_pot():
    ot = pytest.importorskip("ot")
    x, y, a, b = drawn(60, 1), drawn(30, 2), masses(60, 3), masses(30, 4)
    _, log = ot.sinkhorn(
        a, b, distances(x, y), 0.05, method="sinkhorn_log", log=True, stopThr=1e-9, numItermax=9999
    )
    solved = transport(Distances(x, y), a, b, eps=0.05, tolerance=1e-6)
    theirs = 0.05 * (log["log_u"] - np.log(a))  # their plan is exp(u + v - C / eps)
    np.testing.assert_allclose(solved.f - solved.f.mean(), theirs - theirs.mean(), atol=1e-4)


def test_relaxed_steps_alone_arrive_at_the_same_place(monkeypatch):
    costs = Distances(drawn(200, 1), drawn(30, 2))
    newton = transport(costs, eps=0.1, tolerance=1e-5)
    monkeypatch.setattr(module, "_NEWTON_COLUMNS", 0)
    relaxed = transport(costs, eps=0.1, tolerance=1e-5)
    assert relaxed.iterations > newton.iterations
    np.testing.assert_allclose(relaxed.f, newton.f, atol=1e-3)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_the_order_of_points_does_not_matter(seed):
    x, y = drawn(150, 1), drawn(30, 2)
    chance = np.random.default_rng(seed)
    rows, columns = chance.permutation(150), chance.permutation(30)
    first = transport(Distances(x, y), tolerance=1e-6)
    second = transport(Distances(x[rows], y[columns]), tolerance=1e-6)
    assert second.eps == first.eps
    np.testing.assert_allclose(second.f, first.f[rows], atol=1e-4)
    np.testing.assert_allclose(second.g, first.g[columns], atol=1e-4)
    assert second.value == pytest.approx(first.value, rel=1e-4)


def test_threads_and_stored_precision_change_nothing_that_counts(tmp_path):
    x, y = drawn(20_000, 1), drawn(30, 2)
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, two = (transport(Distances(stored, y), threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.f, two.f)
    np.testing.assert_array_equal(one.g, two.g)
    np.testing.assert_allclose(one.f, transport(Distances(x, y)).f, atol=2e-3)


def test_a_plan_goes_on_from_potentials_that_were_found():
    costs = Distances(drawn(500, 1), drawn(40, 2))
    cold = transport(costs)
    warm = transport(costs, eps=cold.eps, begin=cold.g)
    assert warm.iterations < 3 < cold.iterations
    np.testing.assert_allclose(warm.f, cold.f, atol=1e-3)


def test_the_matrix_of_costs_is_never_there():
    costs = Distances(drawn(40_000, 1), drawn(100, 2))
    transport(costs, iterations=2)  # imports are not what is measured
    tracemalloc.start()
    transport(costs, iterations=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000 * 100 * 4 / 2  # half of it; the potentials and blocks are most of this


def test_potentials_of_points_that_were_there_are_their_own():
    x, y = drawn(200, 1), drawn(30, 2)
    solved = transport(Distances(x, y))
    np.testing.assert_allclose(extended(Distances(x[:50], y), solved), solved.f[:50], atol=1e-5)


def test_calibrated_gradient_is_a_potential_minus_the_mean_of_the_others_and_in_its_order():
    f = transport(Distances(drawn(80, 1), drawn(20, 2))).f
    value = calibrated(f).of(f)
    others = [np.delete(f.astype(np.float64), one).mean() for one in range(80)]
    np.testing.assert_allclose(value, f - others, atol=1e-9)
    np.testing.assert_array_equal(np.argsort(value), np.argsort(f))


def test_lowest_potentials_lower_the_cost_and_highest_raise_it():
    """TAROT's release keeps the highest (part E 10 of the project's specification, bug c)."""
    chance = np.random.default_rng(0)
    noise = chance.standard_normal((300, 12))
    noise = (noise / np.linalg.norm(noise, axis=1, keepdims=True)).astype(np.float32)
    pool = np.concatenate([drawn(300, 1, modes=2), noise])[chance.permutation(600)]
    target, chosen, rest = drawn(100, 2, modes=2), pool[:200], pool[200:]
    before = transport(Distances(chosen, target))
    order = np.argsort(extended(Distances(rest, target), before))

    def with_more(rows: np.ndarray) -> float:
        return transport(Distances(np.concatenate([chosen, rest[rows]]), target)).value

    assert with_more(order[:20]) < before.value < with_more(order[-20:])


def test_median_is_numpys_to_four_thousandths():
    x, y = drawn(700, 1), drawn(30, 2)
    assert median_cost(Distances(x, y)) == pytest.approx(np.median(distances(x, y)), rel=5e-3)


def test_points_not_of_length_one_are_refused():
    with pytest.raises(RecipeError, match="not of length one"):
        Distances(2 * drawn(5, 1), drawn(3, 2))
    with pytest.raises(RecipeError, match="not of length one"):
        Distances(drawn(5, 1), 2 * drawn(3, 2))


def test_points_of_other_widths_are_refused():
    with pytest.raises(RecipeError, match=r"\(5, 12\) and \(3, 7\)"):
        Distances(drawn(5, 1), drawn(3, 2, d=7))


@pytest.mark.parametrize("wrong", [np.full(5, 0.3), np.r_[0.0, np.full(4, 0.25)], np.ones(4) / 4])
def test_masses_that_are_none_are_refused(wrong):
    with pytest.raises(RecipeError, match="sum to 1"):
        transport(Distances(drawn(5, 1), drawn(3, 2)), wrong)


def test_a_plan_without_its_marginals_is_refused():
    solved = transport(Distances(drawn(300, 1), drawn(40, 2)), iterations=1, eps=1e-3)
    assert solved.marginal_error > 1e-3
    with pytest.raises(RecipeError, match=r"after [0-9]+ passes .* wanted 0.001 or less"):
        solved.converged()
    assert transport(Distances(drawn(300, 1), drawn(40, 2))).converged()


def test_points_that_are_all_the_same_leave_no_blur():
    same = np.tile(np.float32([[0.6, 0.8]]), (4, 1))
    with pytest.raises(RecipeError, match="most points the same"):
        transport(Distances(same, same))


@pytest.mark.parametrize("device", ["cpu:0", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_torch_gives_the_same_plan(device):
    x, y, a, b = drawn(300, 1), drawn(40, 2), masses(300, 3), masses(40, 4)
    costs = Distances(x, y)
    ours = transport(costs, a, b, tolerance=1e-5)
    theirs = transport(costs, a, b, tolerance=1e-5, device=device)
    np.testing.assert_allclose(theirs.f, ours.f, atol=1e-4)  # single precision, other order
    assert theirs.value == pytest.approx(ours.value, rel=1e-4)
    found = extended(costs, ours, device=device)
    np.testing.assert_allclose(found, ours.f, atol=1e-4)
