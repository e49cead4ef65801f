from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.embed.graph import Graph, knn_graph, shared_out, transposed
from curator.errors import RecipeError
from tests.support.vectors import clumped


def dense(graph: Graph) -> np.ndarray:
    found = np.zeros((graph.nodes, graph.nodes), np.float32)
    np.add.at(found, (graph.tails, graph.indices), graph.weight)
    return found


def test_every_vector_leads_to_its_nearest_others_with_their_cosines():
    vectors = clumped(60, 3)
    graph = knn_graph(vectors, 5)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)

    found = graph.indices.reshape(60, 5)
    for row in range(60):
        nearest = np.sort(cosines[row])[::-1][:5]
        assert cosines[row, found[row]] == pytest.approx(nearest, abs=2e-3)
        assert graph.weight.reshape(60, 5)[row] == pytest.approx(nearest, abs=2e-3)


@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 5))
def test_no_vector_leads_to_itself_however_many_are_equal(copies: int, k: int, seed: int):
    once = np.random.default_rng(seed).normal(size=(4, 6)).astype(np.float32)
    vectors = np.repeat(once, copies, axis=0)
    graph = knn_graph(vectors, min(k, len(vectors) - 1))

    assert (graph.tails != graph.indices).all()
    assert (np.diff(graph.indptr) == min(k, len(vectors) - 1)).all()


def test_shares_sum_to_one_and_cosines_below_zero_lead_nowhere():
    vectors = np.array([[1, 0], [0.9, 0.1], [-1, 0.02], [0.8, -0.3]], np.float32)
    shares = shared_out(knn_graph(vectors, 3))

    assert (shares.weight > 0).all()
    sums = np.bincount(shares.tails, shares.weight, minlength=4)
    assert sums[[0, 1, 3]] == pytest.approx(1, abs=1e-6)
    assert sums[2] == 0  # all others lie on the other side


def test_the_transposed_graph_has_every_edge_the_other_way():
    graph = shared_out(knn_graph(clumped(40, 1), 4))

    assert (dense(transposed(graph)) == dense(graph).T).all()


def test_as_many_neighbors_as_vectors_are_refused():
    with pytest.raises(RecipeError, match="7 neighbors of each of 7 vectors"):
        knn_graph(clumped(7, 0), 7)
