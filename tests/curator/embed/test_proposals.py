from __future__ import annotations

import numpy as np
import pytest

from curator.embed.costs import Distances, median_cost
from curator.embed.neighbors import Neighbors
from curator.embed.proposals import (
    Clouds,
    before_rise,
    counted_up,
    estimated,
    layers_of,
    placed,
)
from curator.embed.transport import SHARE, transport


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def modes(counts: list[int], noise: int, seed: int, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around orthogonal middles and anywhere (mode -1), mixed, with their modes."""
    chance = np.random.default_rng(seed)
    mode = np.repeat(np.arange(-1, len(counts)), [noise, *counts])
    middles = np.vstack([3 * np.eye(d)[: len(counts)], np.zeros(d)])[mode]
    order = chance.permutation(len(mode))
    return unit(middles + chance.standard_normal((len(mode), d)))[order], mode[order]


@pytest.fixture(scope="module")
def clouds() -> tuple[Clouds, np.ndarray, np.ndarray]:
    candidates, mode = modes([160, 120, 120], 600, 1)
    targets, target_mode = modes([70, 20, 10], 0, 2)
    return Clouds(candidates, targets), mode, target_mode


def ranked(clouds: Clouds, k: int) -> tuple[np.ndarray, np.ndarray]:
    return Neighbors(clouds.candidates).top_k(clouds.targets, k)


def cost(clouds: Clouds, rows: np.ndarray) -> float:
    return transport(Distances(*clouds, rows_N=rows)).value


def eps_of(clouds: Clouds) -> float:
    return SHARE * median_cost(Distances(*clouds))


def test_a_layer_is_the_best_place_in_any_list(clouds):
    row = ranked(clouds[0], 30)[1]
    layer = layers_of(row, 1000)
    places = [np.argwhere(row == document)[:, 1] + 1 for document in range(1000)]
    np.testing.assert_array_equal(layer, [p.min(initial=31) % 31 for p in places])


def test_layers_are_taken_one_after_the_other_and_each_by_lowest_potentials(clouds):
    taken = placed(clouds[0], layers_of(ranked(clouds[0], 12)[1], 1000))
    assert (np.diff(taken.layer) >= 0).all()
    assert len(np.unique(taken.rows)) == len(taken.rows)
    for layer in range(1, 13):
        assert (
            np.diff(taken.potential[taken.layer == layer]) > -1.1e-4
        ).all()  # a step of the grid


def test_the_cut_of_a_layer_by_lowest_potentials_costs_less_than_by_highest(clouds):
    """Bug c of the release (part E 10 of the project's specification)."""
    layer = layers_of(ranked(clouds[0], 4)[1], 1000)
    ours, theirs = placed(clouds[0], layer), placed(clouds[0], layer, release=True)
    size = np.count_nonzero(layer == 1) + np.count_nonzero(layer == 2) // 2
    found = [cost(clouds[0], order.rows[:size]) for order in (ours, theirs)]
    assert found[0] < found[1]


def test_the_release_takes_highest_potentials_of_the_layer_alone(clouds):
    layer = layers_of(ranked(clouds[0], 3)[1], 1000)
    theirs = placed(clouds[0], layer, release=True)
    rows = np.flatnonzero(layer == 2)
    alone = transport(
        Distances(*clouds[0], rows_N=rows),
        eps=SHARE * median_cost(Distances(*clouds[0], rows_N=np.flatnonzero(layer))),
        tolerance=1e-4,
    )
    first = theirs.rows[theirs.layer == 2][:5]
    best = rows[np.argsort(-alone.f)[:12]]
    assert set(first) <= set(best)


def test_a_set_covers_every_mode_where_the_mean_cosine_takes_the_largest(clouds):
    both, mode, _ = clouds
    mean = both.candidates @ both.targets.mean(axis=0)
    ours = placed(both, layers_of(ranked(both, 6)[1], 1000)).rows[:100]
    theirs = np.argsort(-mean)[:100]
    covered = [np.bincount(mode[rows] + 1, minlength=4)[1:] for rows in (ours, theirs)]
    assert (covered[0] >= [40, 10, 5]).all()  # of targets 70, 20, 10
    assert covered[1].min() <= 2


def test_the_set_of_a_fold_is_the_one_before_the_cost_rises(clouds):
    """Bug b of the release: it returns the first set that is worse (part E 9)."""
    both = clouds[0]
    fold = np.arange(len(both.targets)) % 4
    nearest, eps = ranked(both, 60), eps_of(both)
    for number, part in enumerate(estimated(both, nearest, fold, eps=eps)):
        held, judges = fold == number, Clouds(both.candidates, both.targets[fold != number])

        def at(k: int, held=held, judges=judges) -> tuple[np.ndarray, float]:
            rows = np.unique(nearest[1][held, :k][nearest[0][held, :k] > 0])
            return rows, transport(Distances(*judges, rows_N=rows), eps=eps, tolerance=1e-4).value

        rows, value = at(part.k)
        np.testing.assert_array_equal(part.rows, rows)
        assert part.cost == pytest.approx(value, abs=1e-4)
        assert not part.ended
        assert at(part.k + 1)[1] >= value - 1e-4
        assert part.k == 1 or at(part.k - 1)[1] > value - 1e-4


def test_the_release_returns_the_set_of_one_neighbor_more(clouds):
    both = clouds[0]
    fold = np.arange(len(both.targets)) % 4
    nearest, eps = ranked(both, 60), eps_of(both)
    ours = estimated(both, nearest, fold, eps=eps)
    theirs = estimated(both, nearest, fold, eps=eps, release=True)
    counted = [
        counted_up(lambda k, part=part: part.cost if k == part.k else 0.0, 2) for part in ours
    ]
    assert len(counted) == len(theirs)
    for mine, worse in zip(ours, theirs, strict=True):
        assert worse.cost >= mine.cost
        if worse.k == mine.k + 1:  # where the cost falls and then rises, counting up ends there too
            assert set(mine.rows) <= set(worse.rows)


@pytest.mark.parametrize("lowest", [1, 2, 3, 7, 8, 9, 100, 2000])
def test_doubling_and_halving_stop_where_counting_up_does(lowest):
    asked = []

    def cost_of(k: int) -> float:
        asked.append(k)
        return float(abs(k - lowest))

    assert before_rise(cost_of, 2000) == lowest == counted_up(cost_of, 2000)
    asked.clear()
    before_rise(cost_of, 2000)
    assert len(set(asked)) <= 3 * np.log2(2000)


def test_a_cost_that_always_falls_ends_at_the_last_neighbor():
    assert before_rise(lambda k: -float(k), 100) == 100 == counted_up(lambda k: -float(k), 100)


def test_lists_that_end_before_a_rise_say_so(clouds):
    fold = np.arange(len(clouds[0].targets)) % 4
    found = estimated(clouds[0], ranked(clouds[0], 1), fold, eps=eps_of(clouds[0]))
    assert all(part.ended and part.k == 1 for part in found)
