"""The nearest of a set of vectors by inner product, every pair compared.

Matrix products of blocks of one shape, and of each block only what can still be among a query's
best is looked at again (`curator.embed.best`): nearly all of the time is the matrix product. A
query's answer does not depend on the queries beside it. Costs 2 * Q * N * D operations and, for
each thread, one block of products (16 MB) whatever Q and N are. On the CPU the products are
NumPy's; on any other device, and on the CPU as "cpu:0", torch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from curator.embed.best import Best
from curator.errors import RecipeError

if TYPE_CHECKING:
    import torch

# Shapes: Q queries, N stored vectors, D dimensions, K neighbors kept.
_QUERIES = 1024  # at once; the last block is filled up with zeros
_STORED = 4096  # at once; the last block begins earlier and is cut
_ROW_BITS = 32

Found = tuple[NDArray[np.float32], NDArray[np.int64]]
Vectors = NDArray[np.floating[Any]]


class Neighbors:
    """A set of vectors, ready to be asked which of them are nearest.

    Args:
        stored_ND: float32; or float16, of which a block at a time is widened.
        device: "cpu", or as torch names it.
        threads: share the queries, 1,024 at a time; on the CPU give BLAS one.

    Raises:
        RecipeError: there are none, or one is not finite.
    """

    def __init__(self, stored_ND: Vectors, *, device: str = "cpu", threads: int = 1) -> None:
        if stored_ND.ndim != 2 or not len(stored_ND):
            raise RecipeError(f"vectors of shape {stored_ND.shape}; wanted (1 or more, dimensions)")
        for start in range(0, len(stored_ND), _STORED):
            _refuse_infinite(stored_ND[start : start + _STORED], "stored", start)
        self._stored_ND = stored_ND
        self._device = device
        self._threads = threads

    def __len__(self) -> int:
        """How many vectors are stored."""
        return len(self._stored_ND)

    def top_k(self, query_QD: NDArray[np.float32], k: int) -> Found:
        """Return the inner products with the `k` nearest vectors and their rows.

        Args:
            query_QD: (Q, D); unit vectors for the cosine.
            k: neighbors wanted; never more than are stored.

        Returns:
            (Q, K) float32 falling and (Q, K) int64; of equal products the lowest rows.

        Raises:
            RecipeError: queries have other dimensions, or one is not finite.
        """
        if query_QD.ndim != 2 or query_QD.shape[1] != self._stored_ND.shape[1]:
            raise RecipeError(
                f"queries of shape {query_QD.shape} for vectors of {self._stored_ND.shape[1]} "
                "dimensions; wanted both from one encoder"
            )
        if k < 1:
            raise RecipeError(f"k is {k}; wanted 1 or more neighbors")
        _refuse_infinite(query_QD, "query", 0)
        search = self._by_numpy if self._device == "cpu" else self._by_torch
        return search(query_QD, min(k, len(self)))

    def _by_numpy(self, query_QD: NDArray[np.float32], k: int) -> Found:
        best = Best(len(query_QD), k)
        blocks = [(start, _filled(query_QD, start)) for start in _starts(len(query_QD), _QUERIES)]

        def multiply(block: tuple[int, NDArray[np.float32]]) -> None:
            start, asked_QD = block
            products_QB = asked_QD @ stored_BD.T
            count = len(query_QD) - start
            best.offer(start, products_QB[:count, skip:], rows.astype(np.uint64), rows)

        with ThreadPoolExecutor(self._threads) as pool:
            for begin, skip in self._stored_blocks():
                stored_BD = self._stored_ND[begin : begin + _STORED].astype(np.float32, copy=False)
                rows = np.arange(begin + skip, begin + len(stored_BD))
                list(pool.map(multiply, blocks))
        kept = best.kept()
        return kept.value_QK, kept.number_QK

    def _by_torch(self, query_QD: NDArray[np.float32], k: int) -> Found:
        """Keep the best as whole numbers that order as (product, row), so that ties are decided."""
        import torch

        at = torch.device(self._device)
        stored_ND = torch.from_numpy(np.ascontiguousarray(self._stored_ND)).to(at)
        found = []
        for start in _starts(len(query_QD), _QUERIES):
            asked_QD = torch.from_numpy(_filled(query_QD, start)).to(at)
            best = torch.empty((_QUERIES, 0), dtype=torch.int64, device=at)
            for begin, skip in self._stored_blocks():
                products_QB = asked_QD @ stored_ND[begin : begin + _STORED].float().T
                keys = torch.cat([best, _keys(products_QB[:, skip:], begin + skip)], dim=1)
                best = torch.topk(keys, min(k, keys.shape[1]), dim=1).values
            found.append(best[: len(query_QD) - start].cpu())
        keys = torch.cat([torch.empty((0, k), dtype=torch.int64), *found])
        return _products(keys).numpy(), _rows(keys).numpy()

    def _stored_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield where blocks of one shape begin, and how many rows an earlier block has had."""
        size = min(_STORED, len(self))
        for start in _starts(len(self), size):
            begin = min(start, len(self) - size)
            yield begin, start - begin


def _starts(count: int, size: int) -> range:
    return range(0, count, size)


def _filled(query_QD: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    """Return the queries of a block, and zeros up to its size."""
    block_QD = np.zeros((_QUERIES, query_QD.shape[1]), np.float32)
    asked = query_QD[start : start + _QUERIES]
    block_QD[: len(asked)] = asked
    return block_QD


def _refuse_infinite(vectors_ND: Vectors, kind: str, first: int) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors_ND).all(axis=1))
    if len(bad):
        raise RecipeError(
            f"{kind} vector {first + bad[0]} is not finite; embed again, or leave it out"
        )


def _keys(products_QB: torch.Tensor, first: int) -> torch.Tensor:
    """Return int64 that order as products do, and of equal ones the lowest row highest."""
    import torch

    bits = (products_QB + 0.0).view(torch.int32)  # +0.0: minus zero and zero are equal
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats order backwards
    rows = torch.arange(first, first + products_QB.shape[1], device=products_QB.device)
    return (rising.long() << _ROW_BITS) | ((1 << _ROW_BITS) - 1 - rows)


def _products(keys_QK: torch.Tensor) -> torch.Tensor:
    import torch

    rising = (keys_QK >> _ROW_BITS).int()
    return (rising ^ ((rising >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _rows(keys_QK: torch.Tensor) -> torch.Tensor:
    last = (1 << _ROW_BITS) - 1
    return last - (keys_QK & last)
