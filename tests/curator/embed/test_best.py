from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.embed.best import Best

# Few different products, so that most are equal to others.
BLOCKS = st.lists(st.integers(1, 300), min_size=1, max_size=4)


@given(BLOCKS, st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_what_is_kept_is_what_sorting_puts_first(sizes: list[int], k: int, seed: int):
    chance = np.random.default_rng(seed)
    count = sum(sizes)
    products = chance.integers(-3, 4, (5, count)).astype(np.float32)
    ties = chance.permutation(count).astype(np.uint64)
    numbers = np.arange(count) * 3
    best = Best(5, k)
    for part in np.split(np.arange(count), np.cumsum(sizes)[:-1]):
        best.offer(0, np.ascontiguousarray(products[:, part]), ties[part], numbers[part])
    kept = best.kept()

    for query in range(5):
        wanted = np.lexsort((ties, -products[query]))[:k]
        assert kept.number_QK[query, : len(wanted)].tolist() == numbers[wanted].tolist()
        assert kept.value_QK[query, : len(wanted)].tolist() == products[query, wanted].tolist()
        assert (kept.number_QK[query, len(wanted) :] == -1).all()


def test_products_are_compared_by_their_steps_on_a_grid():
    best = Best(1, 2, grid=0.01)
    products = np.array([[0.5049, 0.496, 0.5049, 0.4949]], np.float32)  # 50, 50, 50 and 49 steps
    best.offer(0, products, np.array([7, 3, 5, 0], np.uint64), np.arange(4))

    assert best.kept().number_QK.tolist() == [[1, 2]]
    assert best.kept().value_QK.tolist() == [[50, 50]]


def test_padding_beyond_the_ties_is_ignored():
    best = Best(1, 3)
    best.offer(0, np.array([[1, 9, 9]], np.float32), np.zeros(1, np.uint64), np.array([4]))

    assert best.kept().number_QK.tolist() == [[4, -1, -1]]


def test_numbers_can_be_given_anew():
    best = Best(1, 3)
    best.offer(0, np.array([[1, 2]], np.float32), np.arange(2, dtype=np.uint64), np.array([5, 0]))
    best.renumber(np.array([8, -1, -1, -1, -1, 9]))

    assert best.kept().number_QK.tolist() == [[8, 9, -1]]
