from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from curator.embed.diffusion import (
    diffusion_clusters,
    diffusion_coordinates,
    kernel,
    release_clusters,
)
from curator.embed.encoder import unit
from curator.embed.graph import knn_graph
from curator.errors import RecipeError
from tests.support.vectors import clumped


def crescents(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors on two interlocking arcs: near ones of an arc are joined, its ends far apart."""
    rng = np.random.default_rng(seed)
    arc = rng.integers(2, size=n)
    angle = rng.uniform(0, np.pi, size=n)
    x = np.where(arc, 1 - np.cos(angle), np.cos(angle))
    y = np.where(arc, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([x, y], axis=1) * 0.25 + rng.normal(size=(n, 2)) * 0.012
    return unit(np.concatenate([points, np.ones((n, 1))], axis=1).astype(np.float32)), arc


def agreement(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of pairs that both groupings treat alike."""
    same = (found[:, None] == found[None]) == (truth[:, None] == truth[None])
    return float(same.mean())


def test_groups_follow_what_is_joined_where_distance_alone_does_not():
    from curator.embed.kmeans import spherical_kmeans

    vectors, arc = crescents(400)
    found = diffusion_clusters(vectors, 2, neighbors=10)
    straight = (vectors @ spherical_kmeans(vectors, 2).T).argmax(axis=1)

    assert agreement(found, arc) > 0.95
    assert agreement(straight, arc) < 0.8


def test_coordinates_are_the_leading_eigenvectors_of_the_normalized_kernel():
    joined = kernel(knn_graph(clumped(80, 3, spread=1.0), 8))  # one part
    found = diffusion_coordinates(joined, 4).astype(np.float64)
    dense = joined.toarray()
    scale = 1 / np.sqrt(dense.sum(axis=1))
    _, vectors = np.linalg.eigh(scale[:, None] * dense * scale[None])
    leading = vectors[:, -4:]
    leading /= np.linalg.norm(leading, axis=1, keepdims=True)

    # Eigenvectors are known up to a rotation where values are near each other: compare angles.
    assert found @ found.T == pytest.approx(leading @ leading.T, abs=1e-4)


def test_the_kernel_is_symmetric_and_of_the_graphs_edges():
    graph = knn_graph(clumped(50, 1), 5)
    joined = kernel(graph)

    assert abs(joined - joined.T).max() == 0
    assert set(zip(graph.tails, graph.indices, strict=True)) <= set(
        zip(*map(np.ndarray.tolist, joined.nonzero()), strict=True)
    )
    assert 0 < joined.data.min() <= joined.data.max() <= 1


def test_what_is_not_symmetric_is_refused():
    lower = sparse.csr_array(np.tril(np.ones((6, 6))))

    with pytest.raises(RecipeError, match="not symmetric"):
        diffusion_coordinates(lower, 2)


def test_groups_are_the_same_again_and_numbered_by_their_first_member():
    vectors, _ = crescents(200)
    found = diffusion_clusters(vectors, 4)

    assert (found == diffusion_clusters(vectors, 4)).all()
    firsts = [np.flatnonzero(found == group)[0] for group in range(found.max() + 1)]
    assert firsts == sorted(firsts)


def test_equal_vectors_and_parts_that_nothing_joins_are_grouped():
    axes = np.repeat(np.eye(4, dtype=np.float32), 20, axis=0)
    found = diffusion_clusters(axes, 4, neighbors=5)

    assert agreement(found, np.repeat(np.arange(4), 20)) == 1


def test_the_release_solves_for_a_matrix_that_is_not_symmetric():
    vectors, arc = crescents(200)
    right, release = diffusion_clusters(vectors, 2), release_clusters(vectors, 2)

    assert agreement(right, arc) > 0.95
    assert agreement(release, arc) < agreement(right, arc)
    assert (release == release_clusters(vectors, 2)).all()
    assert release_clusters(vectors, 2, seed=-1).max() == 1


@pytest.mark.parametrize("group", [diffusion_clusters, release_clusters])
@pytest.mark.parametrize("clusters", [1, 30, 31])
def test_as_many_clusters_as_vectors_are_refused(group, clusters: int):
    with pytest.raises(RecipeError, match=f"{clusters} clusters of 30 vectors"):
        group(clumped(30, 0), clusters)
