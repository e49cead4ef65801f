"""Clusters by how a random walk spreads over nearest neighbors, not by distance alone.

Diffusion coordinates (Coifman and Lafon 2006, Appl. Comput. Harmon. Anal. 21:5) of a graph that
joins each vector to its nearest others: eigenvectors of the symmetric normalized kernel
D^-1/2 A D^-1/2, that is of I less the symmetric normalized Laplacian, rows scaled to length one
(Ng, Jordan, Weiss 2001, NIPS 14), then k-means. The graph is sparse, so n vectors cost their
nearest neighbors and some hundred products with k n numbers, never n x n.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curator.embed.graph import Graph, knn_graph
from curator.errors import RecipeError

# Shapes: N vectors, D dimensions, K clusters.
_SPARE: Final = 8  # vectors of a block beside those wanted: what lies just below converges slowly
_ROUNDS, _DEGREE, _CLOSE = 100, 16, 1e-8
_LEAST: Final = 1e-12  # a node's length in the coordinates below which it has no direction


def diffusion_clusters(
    vectors_ND: NDArray[np.float32],
    clusters: int,
    *,
    neighbors: int = 10,
    threads: int = 1,
) -> NDArray[np.int32]:
    """Return the cluster of every vector, (N,), numbered from 0 by their first member.

    Args:
        vectors_ND: unit vectors.
        clusters: K, and as many coordinates; fewer may be found.
        neighbors: of each vector in the graph.
        threads: share the search for neighbors.

    Raises:
        RecipeError: as many clusters or neighbors as vectors, or more.
    """
    if not 2 <= clusters < len(vectors_ND):
        raise RecipeError(
            f"{clusters} clusters of {len(vectors_ND)} vectors; wanted 2 or more, and fewer than "
            "there are vectors"
        )
    graph = knn_graph(vectors_ND, neighbors, threads=threads)
    return _renumbered(_means(diffusion_coordinates(kernel(graph), clusters), clusters))


def kernel(graph: Graph) -> Any:
    """Return the symmetric Gaussian kernel on a graph's edges, (N, N) sparse.

    exp(-d^2 / (2 sigma^2)) with d the distance of unit vectors and sigma its median over edges, as
    PASER has it over all pairs (arXiv:2502.12594); an edge either way is an edge both ways.
    """
    from scipy import sparse

    distance = 2 * np.maximum(1 - graph.weight.astype(np.float64), 0)  # squared, of unit vectors
    middle = float(np.median(distance)) or 1.0  # all vectors equal: every edge is 1
    shape = (graph.nodes, graph.nodes)
    one_way = sparse.csr_array(
        (np.exp(-distance / (2 * middle)), graph.indices, graph.indptr), shape=shape
    )
    return one_way.maximum(one_way.T).tocsr()


def diffusion_coordinates(kernel_NN: Any, count: int) -> NDArray[np.float32]:
    """Return the leading `count` eigenvectors of the normalized kernel, rows of length one.

    Args:
        kernel_NN: symmetric, sparse, nothing below 0.
        count: coordinates, fewer than N.

    Raises:
        RecipeError: the kernel is not symmetric: the solver would answer wrongly and not say so.
    """
    from scipy import sparse

    if abs(kernel_NN - kernel_NN.T).max() > 1e-12:
        raise RecipeError("the kernel is not symmetric; wanted the weight of every edge both ways")
    degree = np.asarray(kernel_NN.sum(axis=1)).ravel()
    scale = sparse.diags_array(1 / np.sqrt(np.maximum(degree, _LEAST)))
    normal = (scale @ kernel_NN @ scale).tocsr()
    vectors = _leading(normal, count)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    first = np.zeros(count)
    first[0] = 1.0  # a node that no coordinate reaches lies with the others like it
    placed = np.where(length > _LEAST, vectors / np.maximum(length, _LEAST), first)
    return placed.astype(np.float32)


def _means(coordinates_NK: NDArray[np.float32], clusters: int) -> NDArray[np.int64]:
    """Return the group of every row by k-means that begins from rows as unlike as there are.

    So do Ng, Jordan and Weiss: groups lie at right angles to each other, and a beginning by chance
    may put two centers into one.
    """
    rows = coordinates_NK.astype(np.float64)
    centers = rows[:1]
    while len(centers) < clusters:
        centers = np.vstack([centers, rows[np.abs(rows @ centers.T).max(axis=1).argmin()]])
    found: NDArray[np.int64] = (rows @ centers.T).argmax(axis=1)
    for _ in range(_ROUNDS):
        sums = np.stack([rows[found == group].sum(axis=0) for group in range(clusters)])
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centers = np.where(length > _LEAST, sums / np.maximum(length, _LEAST), centers)
        before, found = found, (rows @ centers.T).argmax(axis=1)
        if (found == before).all():
            break
    return found


def _leading(matrix: Any, count: int) -> NDArray[np.float64]:
    """Return (N, count) eigenvectors of the largest eigenvalues of a matrix, all in [-1, 1].

    A block iterated under a Chebyshev filter (Zhou et al. 2006, J. Comput. Phys. 219:172). A graph
    in c parts has c eigenvalues of 1, which a solver that builds on one vector may miss.
    """
    size = min(matrix.shape[0], count + _SPARE)
    block = np.linalg.qr(np.random.default_rng(0).normal(size=(matrix.shape[0], size)))[0]
    for _ in range(_ROUNDS):
        image = matrix @ block
        values, turn = np.linalg.eigh(block.T @ image)
        block, image = block @ turn, image @ turn
        off = np.abs(image - block * values)[:, -count:].max()
        if off < _CLOSE or size == matrix.shape[0]:
            break
        block = np.linalg.qr(_filtered(matrix, block, float(values[0])))[0]
    leading: NDArray[np.float64] = block[:, -count:]
    return leading


def _filtered(matrix: Any, block: NDArray[np.float64], below: float) -> NDArray[np.float64]:
    """Return the block with what belongs to eigenvalues from -1 to `below` held down."""
    half, middle = max((below + 1) / 2, _LEAST), (below - 1) / 2
    before = block
    now: NDArray[np.float64] = (matrix @ block - middle * block) / half
    for _ in range(_DEGREE - 1):
        before, now = now, 2 * (matrix @ now - middle * now) / half - before
        scale = np.abs(now).max()  # the recurrence is linear: both may shrink together
        before, now = before / scale, now / scale
    return now


def release_clusters(
    vectors_ND: NDArray[np.float32], clusters: int, *, seed: int = 0, steps: int = 200
) -> NDArray[np.int32]:
    """Return the clusters of PASER's released code, (N,): dense, for thousands of vectors at most.

    A symmetric eigensolver is given I - D^-1 A, which is not symmetric, and reads half of it; the
    cluster is the largest component of a nonnegative factorization of |Y Y^T|
    (BokwaiHo/PASER; multiplicative steps of Lee and Seung 2001 for its library's).

    Args:
        vectors_ND: unit vectors.
        clusters: components, and coordinates.
        seed: of the factorization's beginning.
        steps: of the factorization.

    Raises:
        RecipeError: as many clusters as vectors.
    """
    if not 2 <= clusters < len(vectors_ND):
        raise RecipeError(
            f"{clusters} clusters of {len(vectors_ND)} vectors; wanted 2 or more, and fewer than "
            "there are vectors"
        )
    wide = vectors_ND.astype(np.float64)
    squared = np.maximum(2 - 2 * (wide @ wide.T), 0)
    middle = float(np.median(np.sqrt(squared))) or 1.0
    affinity = np.exp(-squared / (2 * middle**2))
    laplacian = np.eye(len(wide)) - affinity / affinity.sum(axis=1, keepdims=True)
    # As eigsh would take it: the lower half stands for the whole.
    _, vectors = np.linalg.eigh(laplacian, UPLO="L")
    coordinates = vectors[:, :clusters]
    target = np.abs(coordinates @ coordinates.T)
    rng = np.random.default_rng(seed % (1 << 63))
    left, right = rng.uniform(size=(len(wide), clusters)), rng.uniform(size=(clusters, len(wide)))
    for _ in range(steps):
        right *= (left.T @ target) / np.maximum(left.T @ left @ right, _LEAST)
        left *= (target @ right.T) / np.maximum(left @ (right @ right.T), _LEAST)
    return _renumbered(left.argmax(axis=1))


def _renumbered(found: NDArray[np.int64]) -> NDArray[np.int32]:
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int32)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse.ravel()]
