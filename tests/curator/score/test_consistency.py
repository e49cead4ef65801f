from __future__ import annotations

import numpy as np

from curator.score.consistency import Graph, visit


def test_a_document_that_joins_two_known_concepts_apart_is_rejected():
    graph = Graph()

    assert graph.accepts(["a", "b"])
    assert graph.accepts(["c"])
    assert not graph.accepts(["a", "c"])
    assert graph.accepts(["a", "b", "d"])
    assert not graph.accepts(["a", "b", "c"])
    assert graph.accepts(["new", "concepts"])


def test_what_was_rejected_links_nothing():
    graph = Graph()
    graph.accepts(["a"])
    graph.accepts(["b"])

    assert not graph.accepts(["a", "b", "x"])
    assert graph.accepts(["x", "a"])  # x is new still


def test_groups_have_graphs_of_their_own():
    rejected, report = visit([[("a",), ("b",), ("a", "b")], [("a", "b")]])

    assert rejected == [[False, False, True], [False]]
    assert (report["visited"], report["rejected"], report["rejected_share"]) == (4, 1, 0.25)


def test_a_large_graph_rejects_almost_everything():
    rng = np.random.default_rng(0)
    documents = [tuple(map(str, rng.choice(60, 4, replace=False))) for _ in range(2000)]
    _, report = visit([documents])

    assert report["rejected_share_by_tenth"][-1] > 0.95
    assert len(report["rejected_share_by_tenth"]) == 10
