"""Clusters against a union-find in plain Python."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.dedup.clusters import find_clusters
from curator.dedup.minhash import EDGES

PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)


def edge_table(pairs: list[tuple[int, int]]) -> pa.Table:
    columns = [pa.array([pair[side] for pair in pairs], pa.uint64()) for side in (0, 1)]
    return pa.table(columns, schema=EDGES)


def naive_clusters(pairs: list[tuple[int, int]]) -> dict[int, int]:
    smallest = {node: node for pair in pairs for node in pair}
    for _ in smallest:
        for left, right in pairs:
            smallest[left] = smallest[right] = min(smallest[left], smallest[right])
    return smallest


@settings(deadline=None)  # the first call compiles
@given(PAIRS)
def test_a_cluster_is_named_by_its_smallest_node(pairs):
    found = find_clusters([edge_table(pairs)])
    expected = naive_clusters(pairs)

    assert found["node"].to_pylist() == sorted(expected)
    assert (
        dict(zip(found["node"].to_pylist(), found["cluster"].to_pylist(), strict=True)) == expected
    )


@settings(deadline=None)  # the first call compiles
@given(PAIRS, st.integers(0, 40))
def test_the_order_and_the_tables_of_edges_do_not_matter(pairs, border):
    backward = list(reversed(pairs))
    tables = [edge_table(backward[:border]), edge_table(backward[border:])]

    assert find_clusters(tables).equals(find_clusters([edge_table(pairs)]))


def test_every_node_is_told_the_size_of_its_cluster():
    found = find_clusters([edge_table([(1, 2), (2, 3), (7, 8), (9, 9)])])

    assert found["size"].to_pylist() == [3, 3, 3, 2, 2, 1]


def test_no_edges_make_no_clusters():
    assert find_clusters([]).num_rows == 0
