"""Which vectors are nearest, exactly or by an inverted file whose recall was measured.

An inverted file (Sivic and Zisserman 2003, "Video Google") puts vectors into lists by their nearest
centroid and looks only into the lists nearest to a query. What that misses depends on the vectors,
so it is measured here, on a sample of queries against the exact answer, before anything is asked.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from curator.embed.directions import directions
from curator.embed.kmeans import spherical_kmeans
from curator.embed.neighbors import Found, Neighbors
from curator.errors import RecipeError

# Shapes: Q queries, N stored vectors, D dimensions, K neighbors, S sample queries.
_BLOCK = 1024  # queries at once, one shape


class Index(Protocol):
    """A set of vectors that can be asked which of them are nearest."""

    def __len__(self) -> int:
        """How many vectors are stored."""

    def top_k(self, query_QD: NDArray[np.float32], k: int) -> Found:
        """Return (Q, K) inner products, falling, and (Q, K) rows; row -1: none was found."""


class Recall(NamedTuple):
    """What was measured of an inverted file, for the report of a fit.

    Attributes:
        lists: of vectors.
        probes: lists looked into for a query.
        k: neighbors asked for.
        queries: in the sample.
        recall: share of the exact `k` neighbors that were found, in [0, 1].
    """

    lists: int
    probes: int
    k: int
    queries: int
    recall: float


def open_index(
    stored_ND: NDArray[np.float32],
    method: Literal["exact", "ivf"] = "exact",
    *,
    k: int = 10,
    least_recall: float = 0.95,
    sample: int = 256,
    seed: int = 0,
    device: str = "cpu",
    threads: int = 1,
) -> Index:
    """Return an index of unit vectors.

    Args:
        stored_ND: unit vectors.
        method: "exact", or "ivf", an inverted file on the CPU.
        k: neighbors that recall is measured for.
        least_recall: wanted of an inverted file; it looks into as many lists as that takes.
        sample: of the stored vectors, asked for neighbors other than themselves.
        seed: of the sample and the centroids.
        device: of the exact index, and where recall is measured.
        threads: for asking; lists are made by one.

    Raises:
        RecipeError: an unknown method, fewer than two vectors for each list, a vector without
            direction, or a recall that takes more than half of all lists.
    """
    if method not in ("exact", "ivf"):
        raise RecipeError(f"method is {method!r}; wanted 'exact' or 'ivf'")
    exact = Neighbors(stored_ND, device=device, threads=threads)
    if method == "exact":
        return exact
    if not 0 < least_recall <= 1:
        raise RecipeError(f"least_recall is {least_recall!r}; wanted a share in (0, 1]")
    index = Inverted(stored_ND, seed=seed, threads=threads)
    index.probe_for(exact, least_recall, k=k, sample=sample, seed=seed)
    return index


class Inverted:
    """Vectors in lists by their nearest centroid; `measured` says what looking into few misses."""

    measured: Recall | None = None

    def __init__(
        self, stored_ND: NDArray[np.float32], *, lists: int = 0, seed: int = 0, threads: int = 1
    ) -> None:
        import faiss

        stored = directions(stored_ND, where="inverted file")
        self.lists = lists or math.isqrt(len(stored))
        if 2 * self.lists > len(stored):
            raise RecipeError(
                f"{len(stored)} vectors for {self.lists} lists; wanted two a list: ask exactly"
            )
        self._stored_ND = stored
        self._threads = threads
        dimensions = stored.shape[1]
        coarse = faiss.IndexFlatIP(dimensions)
        coarse.add(spherical_kmeans(stored, self.lists, seed=seed, iterations=10))
        self._coarse = coarse  # the index does not keep it alive
        self._index = faiss.IndexIVFFlat(coarse, dimensions, self.lists, faiss.METRIC_INNER_PRODUCT)
        self._index.is_trained = True
        self._index.add(stored)

    def __len__(self) -> int:
        """How many vectors are stored."""
        return len(self._stored_ND)

    def top_k(self, query_QD: NDArray[np.float32], k: int) -> Found:
        """Return (Q, K) inner products, falling, and (Q, K) rows; row -1: none was found."""
        import faiss

        faiss.omp_set_num_threads(self._threads)
        k = min(k, len(self))
        products_QK = np.empty((len(query_QD), k), np.float32)
        rows_QK = np.empty((len(query_QD), k), np.int64)
        for start in range(0, len(query_QD), _BLOCK):
            asked = query_QD[start : start + _BLOCK]
            block_QD = np.zeros((_BLOCK, query_QD.shape[1]), np.float32)
            block_QD[: len(asked)] = asked
            products, rows = self._index.search(block_QD, k)
            order = np.lexsort((rows, -products), axis=1)[: len(asked)]
            stop = start + len(asked)
            products_QK[start:stop] = np.take_along_axis(products[: len(asked)], order, axis=1)
            rows_QK[start:stop] = np.take_along_axis(rows[: len(asked)], order, axis=1)
        return products_QK, rows_QK

    def probe_for(
        self, exact: Neighbors, least_recall: float, *, k: int, sample: int, seed: int = 0
    ) -> Recall:
        """Return the recall measured with as few lists as reach it, doubling; from now on so many.

        Raises:
            RecipeError: it would take more than half of the lists.
        """
        chance = np.random.default_rng(seed)
        drawn = np.sort(chance.permutation(len(self))[:sample])
        asked_SD = self._stored_ND[drawn]
        wanted = _others(exact.top_k(asked_SD, k + 1)[1], drawn)
        probes = 1
        while True:
            self._index.nprobe = probes
            found = _others(self.top_k(asked_SD, k + 1)[1], drawn)
            hits = (wanted[:, :, None] == found[:, None, :]).any(axis=2) & (wanted >= 0)
            recall = float(hits.sum() / max(1, (wanted >= 0).sum()))
            self.measured = Recall(self.lists, probes, k, len(drawn), recall)
            if recall >= least_recall:
                return self.measured
            if 4 * probes > self.lists:
                raise RecipeError(
                    f"recall@{k} is {recall:.3f} with {probes} of {self.lists} lists, below "
                    f"{least_recall}; ask exactly, or for less"
                )
            probes *= 2


def _others(rows_SK: NDArray[np.int64], own_S: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows without each query's own: in its place, or else in the last, -1."""
    own = rows_SK == own_S[:, None]
    own[:, -1] |= ~own.any(axis=1)
    return np.where(own, -1, rows_SK)
