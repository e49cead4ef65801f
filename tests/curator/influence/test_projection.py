from __future__ import annotations

import numpy as np
import pytest
import torch

from curator.errors import RecipeError
from curator.influence.projection import Projection, Signs, projection_from


def projected(vectors: np.ndarray, seed: int, k: int) -> np.ndarray:
    signs = Signs(Projection(k, seed, ("blocks",)), "some.weight", vectors.shape[1], "cpu")
    return signs(torch.from_numpy(vectors.astype(np.float32))).numpy().astype(np.float64)


def matrix_of(size: int, seed: int, k: int) -> np.ndarray:
    return projected(np.eye(size), seed, k)


def test_every_number_goes_to_one_bucket_with_a_sign_and_neighbors_to_others():
    dealt = matrix_of(70, seed=0, k=16)  # the last block is not full

    assert (np.abs(dealt).sum(1) == 1).all()
    bucket = np.abs(dealt).argmax(1)
    for begin in range(0, 70, 16):
        block = bucket[begin : begin + 16]
        assert len(set(block)) == len(block)
    assert set(np.unique(dealt)) == {-1.0, 0.0, 1.0}


def test_inner_products_are_right_on_average_and_scatter_as_those_of_random_signs():
    random = np.random.default_rng(0)
    pair = random.normal(size=(2, 1000)) * np.geomspace(1, 0.01, 1000)
    pair[1] += 0.5 * pair[0]
    k, draws = 64, 2000
    u, v = pair

    found = np.array([np.prod(projected(pair, seed, k), axis=0).sum() for seed in range(draws)])

    # Two numbers meet in a bucket by a chance of 1/k, and never if they are of one block.
    block = np.arange(1000) // k
    apart = block[:, None] != block
    squares, products = np.outer(u * u, v * v), np.outer(u * v, u * v)
    sd = np.sqrt(((squares + products) * apart).sum() / k)
    dense = np.sqrt(((squares + products).sum() - 2 * (u * u) @ (v * v)) / k)
    assert sd < dense
    assert found.mean() == pytest.approx(u @ v, abs=4 * sd / np.sqrt(draws))
    assert found.std() == pytest.approx(sd, rel=0.1)  # 4 sd of a standard deviation of 2,000 draws


def test_other_seeds_and_other_weights_have_other_signs():
    first = matrix_of(64, seed=0, k=16)
    other = Signs(Projection(16, 0, ("blocks",)), "other.weight", 64, "cpu")

    assert not np.array_equal(first, matrix_of(64, seed=1, k=16))
    assert not np.array_equal(first, other(torch.eye(64)).numpy())
    assert np.array_equal(first, matrix_of(64, seed=0, k=16))


def test_a_projection_is_read_back_as_it_was_written():
    one = Projection(64, 3, ("blocks", "head"))

    assert projection_from(one.to_json()) == one


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Projection(64, 4, ("blocks",)), "seed 3, not 4"),
        (Projection(32, 3, ("blocks",)), "dimensions 64, not 32"),
        (Projection(64, 3, ("head",)), r"layers \('blocks',\), not \('head',\)"),
    ],
)
def test_sketches_of_other_projections_are_refused(other: Projection, message: str):
    with pytest.raises(RecipeError, match=message):
        Projection(64, 3, ("blocks",)).require(other, where="less")
