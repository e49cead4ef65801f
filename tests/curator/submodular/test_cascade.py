from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.graph import knn_graph, shared_out, transposed
from curator.errors import BudgetError, RecipeError
from curator.identity import document_ids, id_matrix, random_bits
from curator.submodular.cascade import InEdges, influence, most_influential, reverse_sets
from tests.support.vectors import clumped

NODES, EDGES = 12, 14


def small_graph(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(tails, heads, chance) of 14 edges between 12 nodes, each pair once."""
    rng = np.random.default_rng(seed)
    pairs = [pair for pair in itertools.product(range(NODES), repeat=2) if pair[0] != pair[1]]
    chosen = np.array(pairs)[rng.choice(len(pairs), EDGES, replace=False)]
    return chosen[:, 0], chosen[:, 1], rng.uniform(0.1, 1, EDGES).astype(np.float32)


def edges_into(tails: np.ndarray, heads: np.ndarray, chance: np.ndarray, n: int) -> InEdges:
    order = np.argsort(heads, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=n))])
    keys = random_bits(np.arange(2 * n, dtype=np.uint64).view(np.uint8).reshape(n, 16), "k", 0)
    return InEdges(indptr, tails[order].astype(np.int32), chance[order], keys)


def exact(tails: np.ndarray, heads: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(worlds, nodes) bit masks of what each node reaches, and the worlds' probabilities."""
    worlds = np.arange(1 << EDGES)
    open_ = (worlds[:, None] >> np.arange(EDGES)) & 1 == 1
    weight = np.where(open_, chance.astype(float), 1 - chance.astype(float)).prod(axis=1)
    reach = np.repeat((1 << np.arange(NODES))[None], len(worlds), axis=0)
    for _ in range(NODES):
        for edge in range(EDGES):
            more = np.where(open_[:, edge], reach[:, heads[edge]], 0)
            reach[:, tails[edge]] |= more
    return reach, weight


def exact_influence(reach: np.ndarray, weight: np.ndarray, chosen: list[int]) -> float:
    reached = np.bitwise_or.reduce(reach[:, chosen], axis=1)
    counts = sum((reached >> node) & 1 for node in range(NODES))
    return float((counts * weight).sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_greedy_choice_is_within_5_percent_of_exact_enumeration(seed: int):
    graph = small_graph(seed)
    reach, weight = exact(*graph)
    sets = reverse_sets(edges_into(*graph, NODES), 40_000, seed=seed)
    found = most_influential(sets, NODES, 3)
    chosen: list[int] = []
    for _ in range(3):
        rest = [node for node in range(NODES) if node not in chosen]
        chosen.append(max(rest, key=lambda one: exact_influence(reach, weight, [*chosen, one])))

    truth = exact_influence(reach, weight, found.nodes.tolist())
    assert found.gain.sum() == pytest.approx(truth, rel=0.05)
    assert truth >= 0.95 * exact_influence(reach, weight, chosen)
    assert influence(sets, NODES, found.nodes) == pytest.approx(found.gain.sum())


def test_a_node_is_in_a_set_once_and_the_root_always():
    vectors = np.repeat(clumped(30, 2), 3, axis=0)  # equal vectors lead to each other both ways
    turned = transposed(shared_out(knn_graph(vectors, 5)))
    keys = random_bits(id_matrix(document_ids("s", pa.array([str(n) for n in range(90)]))), "k", 0)
    sets = reverse_sets(InEdges(turned.indptr, turned.indices, turned.weight, keys), 2000)

    for begin, end in itertools.pairwise(sets.indptr.tolist()):
        assert end > begin
        assert len(set(sets.nodes[begin:end].tolist())) == end - begin


def test_sets_are_the_same_again_and_others_by_seed_and_number():
    edges = edges_into(*small_graph(0), NODES)
    first, again = reverse_sets(edges, 500, seed=4), reverse_sets(edges, 500, seed=4)
    later = reverse_sets(edges, 400, seed=4, first=100)

    assert (first.nodes == again.nodes).all()
    assert (first.nodes[first.indptr[100] :] == later.nodes).all()
    assert len(reverse_sets(edges, 500, seed=5).nodes) != len(first.nodes)


def test_a_node_that_reaches_nothing_new_is_not_chosen():
    tails, heads = np.array([0, 0, 0]), np.array([1, 2, 3])
    sets = reverse_sets(edges_into(tails, heads, np.ones(3, np.float32), 4), 200)
    found = most_influential(sets, 4, 3)

    assert found.nodes.tolist() == [0]
    assert found.gain.tolist() == [4.0]


@pytest.mark.parametrize("chance", [-0.1, 1.5, float("nan")])
def test_what_is_no_probability_is_refused(chance: float):
    edges = edges_into(np.array([0]), np.array([1]), np.array([chance], np.float32), 2)

    with pytest.raises(RecipeError, match="1 edges have no probability"):
        reverse_sets(edges, 10)


def test_a_graph_without_edges_is_refused():
    nothing = np.zeros(0, np.int64)

    with pytest.raises(RecipeError, match="no node of the graph has an edge"):
        reverse_sets(edges_into(nothing, nothing, nothing.astype(np.float32), 3), 10)


@pytest.mark.parametrize("count", [200, 1 << 70])
def test_sets_of_more_nodes_than_are_allowed_are_refused(count: int):
    edges = edges_into(*small_graph(0), NODES)

    with pytest.raises(BudgetError, match="150 are allowed: ask for fewer `sets`"):
        reverse_sets(edges, count, most=150)
    assert reverse_sets(edges, 20, most=20 * NODES).size == 20
