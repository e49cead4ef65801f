from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.submodular.coverage import cover


def laid_out(sets: list[set[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Sets as offsets and numbers."""
    lengths = [len(each) for each in sets]
    numbers = [node for each in sets for node in sorted(each)]
    return np.cumsum([0, *lengths]), np.array(numbers, np.int64)


def touched(sets: list[set[int]], nodes: set[int]) -> int:
    return sum(bool(each & nodes) for each in sets)


def by_definition(sets: list[set[int]], n: int, k: int, chance: np.ndarray) -> list[int]:
    taken: list[int] = []
    for _ in range(k):
        left = [node for node in range(n) if node not in taken]
        taken.append(max(left, key=lambda node: (touched(sets, {*taken, node}), -chance[node])))
    return taken


SETS = st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=5), max_size=25)


@given(SETS, st.integers(0, 10), st.integers(0, 3))
def test_nodes_are_taken_as_the_definition_says(sets, k, seed):
    chance = np.random.default_rng(seed).random(10)

    found = cover(*laid_out(sets), 10, k, chance=chance)

    assert found.order.tolist() == by_definition(sets, 10, k, chance)
    reached = [touched(sets, set(found.order[:place].tolist())) for place in range(k + 1)]
    assert found.gains.tolist() == np.diff(reached).tolist()


@given(SETS)
def test_three_nodes_touch_a_share_of_what_the_best_three_do(sets):
    """Nemhauser, Wolsey, Fisher 1978: at least 1 - 1/e of the optimum."""
    best = max(touched(sets, set(three)) for three in combinations(range(10), 3))

    assert cover(*laid_out(sets), 10, 3).gains.sum() >= (1 - 1 / np.e) * best - 1e-9


def test_the_order_of_sets_and_the_numbers_of_nodes_do_not_matter():
    rng = np.random.default_rng(0)
    sets = [set(rng.choice(40, size=rng.integers(1, 8)).tolist()) for _ in range(200)]
    chance, renamed = rng.random(40), rng.permutation(40)
    others = [{int(renamed[node]) for node in sets[at]} for at in rng.permutation(200)]
    moved = np.empty(40)
    moved[renamed] = chance

    found = cover(*laid_out(sets), 40, 40, chance=chance)
    again = cover(*laid_out(others), 40, 40, chance=moved)

    assert renamed[found.order].tolist() == again.order.tolist()
    assert found.gains.tolist() == again.gains.tolist()


def test_no_sets_at_all_leave_the_order_to_chance():
    found = cover(np.zeros(1), np.zeros(0), 3, 3, chance=np.array([0.5, 0.9, 0.1]))

    assert found.order.tolist() == [2, 0, 1]
    assert found.gains.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("indptr", "indices", "k", "message"),
    [
        ([0, 1], [0], 4, "cannot take 4 of 3 nodes; wanted 0 to 3"),
        ([0, 2], [0], 1, "wanted them to rise from 0 to 1"),
        ([0, 1], [3], 1, "sets hold nodes 3 to 3; wanted 0 to 2"),
    ],
)
def test_sets_that_are_not_laid_out_are_refused(indptr, indices, k, message):
    with pytest.raises(RecipeError, match=message):
        cover(np.array(indptr), np.array(indices), 3, k)
