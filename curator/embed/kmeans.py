"""Spherical k-means: directions that divide unit vectors into groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.embed.encoder import unit
from curator.errors import RecipeError

_MOST_POINTS = 256  # a centroid; FAISS's own default, more change centroids little


def spherical_kmeans(
    points_ND: NDArray[np.float32], clusters: int, *, seed: int = 0, iterations: int = 20
) -> NDArray[np.float32]:
    """Return (clusters, D) unit centroids; points go to the one of largest inner product.

    One thread, so the same points in the same order give the same centroids on one machine. Of
    more than 256 points a centroid FAISS draws that many.

    Raises:
        RecipeError: a point is not finite or has no length, or points are fewer than clusters.
    """
    import faiss

    points = np.ascontiguousarray(points_ND, np.float32)
    if clusters < 1 or len(points) < clusters:
        raise RecipeError(f"{clusters} clusters of {len(points)} vectors; wanted 1 to as many")
    norms = np.linalg.norm(points, axis=1)
    if not np.isfinite(norms).all() or (norms == 0).any():
        raise RecipeError("a vector is not finite or has no length; leave such documents out")
    faiss.omp_set_num_threads(1)
    fitted = faiss.Kmeans(
        points.shape[1],
        clusters,
        niter=iterations,
        seed=seed % (1 << 31),
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=_MOST_POINTS,
    )
    fitted.train(points)
    return unit(np.asarray(fitted.centroids, np.float32).reshape(clusters, -1))
