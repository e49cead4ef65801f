"""The nearest of a set of vectors by inner product: FAISS on the CPU, torch on a GPU.

Exact: every pair is compared. Queries go in blocks of one fixed shape, so a query's answer does
not depend on the queries beside it. Costs 2 * Q * N * D operations and a block's Q x N in memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

# Shapes: Q queries, N stored vectors, D dimensions, K neighbors kept.
_BLOCK = 1024  # queries at once; the last block is filled up with zeros


Found = tuple[NDArray[np.float32], NDArray[np.int64]]


class Neighbors:
    """A set of vectors, ready to be asked which of them are nearest."""

    def __init__(
        self, stored_ND: NDArray[np.float32], *, device: str = "cpu", threads: int = 1
    ) -> None:
        if stored_ND.ndim != 2 or not len(stored_ND):
            raise RecipeError(f"vectors of shape {stored_ND.shape}; wanted (1 or more, dimensions)")
        stored = np.ascontiguousarray(stored_ND, dtype=np.float32)
        self._shape = stored.shape
        self._search = _on_cpu(stored, threads) if device == "cpu" else _on_gpu(stored, device)

    def __len__(self) -> int:
        """How many vectors are stored."""
        return int(self._shape[0])

    def top_k(self, query_QD: NDArray[np.float32], k: int) -> Found:
        """Return the inner products with the `k` nearest vectors and their rows.

        Args:
            query_QD: (Q, D); unit vectors for the cosine.
            k: neighbors wanted; never more than are stored.

        Returns:
            (Q, K) float32 falling and (Q, K) int64. Equal products come in the order of rows;
            which of several equal ones is the last to be kept is not defined.
        """
        k = min(k, len(self))
        products_QK = np.empty((len(query_QD), k), np.float32)
        rows_QK = np.empty((len(query_QD), k), np.int64)
        for start in range(0, len(query_QD), _BLOCK):
            asked = query_QD[start : start + _BLOCK]
            block_QD = np.zeros((_BLOCK, self._shape[1]), np.float32)
            block_QD[: len(asked)] = asked
            products, rows = (found[: len(asked)] for found in self._search(block_QD, k))
            order = np.lexsort((rows, -products), axis=1)
            stop = start + len(asked)
            products_QK[start:stop] = np.take_along_axis(products, order, axis=1)
            rows_QK[start:stop] = np.take_along_axis(rows, order, axis=1)
        return products_QK, rows_QK


def _on_cpu(stored_ND: NDArray[np.float32], threads: int) -> Callable[..., Found]:
    import faiss

    index = faiss.IndexFlatIP(stored_ND.shape[1])
    index.add(stored_ND)

    def search(block_QD: NDArray[np.float32], k: int) -> Found:
        faiss.omp_set_num_threads(threads)
        products, rows = index.search(block_QD, k)
        return products, rows

    return search


def _on_gpu(stored_ND: NDArray[np.float32], device: str) -> Callable[..., Found]:
    import torch

    stored = torch.from_numpy(stored_ND).to(device)

    def search(block_QD: NDArray[np.float32], k: int) -> Found:
        products_QN = torch.from_numpy(block_QD).to(device) @ stored.T
        products, rows = torch.topk(products_QN, k, dim=1)
        return products.cpu().numpy(), rows.cpu().numpy()

    return search
