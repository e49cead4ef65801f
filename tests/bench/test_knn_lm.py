"""A datastore beside a model: the mixture's arithmetic, and text that is taken out is gone."""

from __future__ import annotations

import numpy as np
import pytest

from bench.knn_lm import States, mixed_bits, neighbor_odds


def made(n: int, owners: int, seed: int) -> States:
    chance = np.random.default_rng(seed)
    keys = chance.normal(size=(n, 6)).astype(np.float32)
    keys *= 3 / np.linalg.norm(keys, axis=1, keepdims=True)  # of one length, as a model's states
    tokens, owner = chance.integers(0, 5, n), np.sort(chance.integers(0, owners, n))
    return States(keys, tokens, owner, chance.uniform(1, 9, n))


def test_the_mixture_is_that_of_the_formula():
    store, asked = made(40, 4, 0), made(7, 1, 1)
    found = mixed_bits(asked.bits, *neighbor_odds(store, asked, 5), 2.0, 0.3)
    for row in range(7):
        d = ((store.keys.astype(float) - asked.keys[row]) ** 2).sum(1)
        near = np.argsort(d)[:5]
        weights = np.exp(-d[near] / 2.0)
        p = (weights * (store.tokens[near] == asked.tokens[row])).sum() / weights.sum()
        assert found[row] == pytest.approx(
            -np.log2(0.3 * p + 0.7 * 2.0 ** -asked.bits[row]), rel=1e-4
        )  # distances are of float32 products


def test_what_is_taken_out_was_never_there_and_an_empty_store_is_the_model():
    store, asked = made(60, 3, 2), made(9, 1, 3)
    without = mixed_bits(asked.bits, *neighbor_odds(store.without(1), asked, 8), 1.0, 0.5)
    never = mixed_bits(
        asked.bits, *neighbor_odds(store.where(store.owner != 1), asked, 8), 1.0, 0.5
    )
    empty = store.without(0).without(1).without(2)
    alone = mixed_bits(asked.bits, *neighbor_odds(empty, asked, 8), 1.0, 0.5)

    assert np.array_equal(without, never)
    assert not len(empty.keys)
    assert np.array_equal(alone, asked.bits)
