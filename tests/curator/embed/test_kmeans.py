from __future__ import annotations

import numpy as np
import pytest

from curator.embed.encoder import unit
from curator.embed.kmeans import spherical_kmeans
from curator.errors import RecipeError


def test_directions_of_clear_groups_are_found():
    rng = np.random.default_rng(0)
    middles = unit(rng.normal(size=(5, 16)).astype(np.float32))
    owners = np.repeat(np.arange(5), 40)
    points = unit(middles[owners] + rng.normal(size=(200, 16)).astype(np.float32) * 0.05)

    centroids = spherical_kmeans(points, 5, seed=3)

    assert np.linalg.norm(centroids, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert (centroids @ middles.T).max(axis=0) == pytest.approx(np.ones(5), abs=0.01)
    assert (spherical_kmeans(points, 5, seed=3) == centroids).all()


def test_more_iterations_bring_points_no_farther_from_their_centroids():
    points = unit(np.random.default_rng(1).normal(size=(500, 8)).astype(np.float32))

    def mean_cosine(iterations: int) -> float:
        found = spherical_kmeans(points, 12, seed=2, iterations=iterations)
        return float((points @ found.T).max(axis=1).mean())

    assert mean_cosine(20) > mean_cosine(1)


@pytest.mark.parametrize(
    ("points", "clusters", "told"),
    [
        (np.zeros((3, 2)), 2, "no length"),
        (np.full((3, 2), np.nan), 2, "not finite"),
        (np.eye(2), 3, "3 clusters of 2"),
        (np.eye(2), 0, "0 clusters"),
    ],
)
def test_what_cannot_be_clustered_is_refused(points, clusters, told):
    with pytest.raises(RecipeError, match=told):
        spherical_kmeans(points.astype(np.float32), clusters)
