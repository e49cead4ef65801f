from __future__ import annotations

import numpy as np
import pytest

from curator.embed.encoder import unit
from curator.embed.neighbors import Neighbors
from curator.errors import RecipeError


def vectors(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 12)).astype(np.float32))


def brute_force(queries: np.ndarray, stored: np.ndarray, k: int) -> np.ndarray:
    return -np.sort(-(queries.astype(np.float64) @ stored.T.astype(np.float64)), axis=1)[:, :k]


@pytest.mark.parametrize(("queries", "stored", "k"), [(1, 50, 1), (1500, 40, 7), (30, 3, 3)])
def test_the_nearest_are_those_of_brute_force(queries: int, stored: int, k: int):
    asked, kept = vectors(queries, 0), vectors(stored, 1)
    products, rows = Neighbors(kept).top_k(asked, k)

    np.testing.assert_allclose(products, brute_force(asked, kept, k), atol=1e-6)  # float32
    np.testing.assert_allclose(np.einsum("qd,qkd->qk", asked, kept[rows]), products, atol=1e-6)


def test_torch_gives_the_same_answer():
    asked, kept = vectors(200, 0), vectors(300, 1)
    products, rows = Neighbors(kept).top_k(asked, 5)
    torch_products, torch_rows = Neighbors(kept, device="cpu:0").top_k(asked, 5)

    np.testing.assert_allclose(products, torch_products, atol=1e-6)  # float32
    assert np.array_equal(rows, torch_rows)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_answer():
    asked, kept = vectors(200, 0), vectors(300, 1)
    products, rows = Neighbors(kept).top_k(asked, 5)
    gpu_products, gpu_rows = Neighbors(kept, device="cuda").top_k(asked, 5)

    np.testing.assert_allclose(products, gpu_products, atol=1e-5)  # sums in another order
    assert np.array_equal(rows, gpu_rows)


def test_the_bits_of_an_answer_do_not_depend_on_the_queries_beside_it():
    asked, neighbors = vectors(1100, 0), Neighbors(vectors(333, 1))
    together, _ = neighbors.top_k(asked, 3)
    alone = np.concatenate([neighbors.top_k(asked[i : i + 1], 3)[0] for i in range(0, 1100, 50)])

    assert np.array_equal(together[::50], alone)


def whole(count: int, seed: int) -> np.ndarray:
    """Vectors of small whole numbers: products are exact in any order, and many are equal."""
    return np.random.default_rng(seed).integers(-2, 3, (count, 12)).astype(np.float32)


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize(("queries", "stored", "k"), [(40, 300, 9), (1030, 20, 20), (3, 9000, 50)])
def test_of_equal_products_the_lowest_rows_are_kept(device: str, queries: int, stored: int, k: int):
    asked, kept = whole(queries, 0), whole(stored, 1)
    rows = Neighbors(kept, device=device).top_k(asked, k)[1]

    assert np.array_equal(rows, np.argsort(-(asked @ kept.T), axis=1, kind="stable")[:, :k])


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_half_precision_is_widened(device: str):
    asked, kept = vectors(50, 0), vectors(5000, 1).astype(np.float16)
    products, rows = Neighbors(kept, device=device).top_k(asked, 4)
    wide_products, wide_rows = Neighbors(kept.astype(np.float32)).top_k(asked, 4)

    assert np.array_equal(rows, wide_rows)
    np.testing.assert_allclose(products, wide_products, atol=1e-6)  # float32


def test_the_bits_of_an_answer_do_not_depend_on_threads():
    asked, kept = vectors(2100, 0), vectors(4500, 1)
    one, two = (Neighbors(kept, threads=threads).top_k(asked, 3) for threads in (1, 2))

    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_no_queries_have_no_neighbors():
    for device in ("cpu", "cpu:0"):
        products, rows = Neighbors(vectors(5, 0), device=device).top_k(vectors(0, 1), 3)

        assert products.shape == rows.shape == (0, 3)


def test_no_more_neighbors_than_there_are():
    products, rows = Neighbors(vectors(2, 0)).top_k(vectors(4, 1), 9)

    assert products.shape == rows.shape == (4, 2)


def test_equal_products_come_in_the_order_of_rows():
    same = np.repeat(vectors(1, 0), 5, axis=0)

    assert Neighbors(same).top_k(same[:2], 5)[1].tolist() == [[0, 1, 2, 3, 4]] * 2


def test_vectors_that_cannot_be_compared_are_refused():
    broken = vectors(5000, 0)
    broken[4321, 3] = np.nan

    with pytest.raises(RecipeError, match="stored vector 4321 is not finite"):
        Neighbors(broken)
    with pytest.raises(RecipeError, match="query vector 4321 is not finite"):
        Neighbors(vectors(3, 0)).top_k(broken, 1)
    with pytest.raises(RecipeError, match=r"queries of shape \(2, 7\) for vectors of 12"):
        Neighbors(vectors(3, 0)).top_k(np.ones((2, 7), np.float32), 1)
    with pytest.raises(RecipeError, match="k is 0"):
        Neighbors(vectors(3, 0)).top_k(vectors(1, 1), 0)


def test_nothing_to_compare_with_is_refused():
    with pytest.raises(RecipeError, match=r"shape \(0, 12\)"):
        Neighbors(vectors(0, 0))
