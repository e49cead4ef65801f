"""One pass over all costs of a problem of transport: what potentials g make of the plan.

Blocks of costs are filled, turned into the rows of the plan and forgotten. On the CPU threads share
the blocks; four running sums, added up in one order at the end, whatever the threads. On any other
device blocks are torch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from curator.embed.costs import Costs, Distances, block_rows

if TYPE_CHECKING:
    import torch

# Shapes: N points moved from, M moved to, B rows of a block.
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
_LANES: Final = 4
_DEVICE_ENTRIES: Final = 1 << 25  # of a block on another device: 128 MB


class Sweep(NamedTuple):
    """What potentials g of the M points make of the plan.

    Attributes:
        f: (N,) float64, of the points moved from: every row then has its mass.
        column: (M,) float64, the masses that the plan's columns have.
        height: sum of a_i f_i; with that of b_j g_j what is to be maximized.
        hessian: (M, M) float32, sum over rows of a_i q_i q_i^T, q_i the row divided by its mass;
            None if not asked for.
    """

    f: F64
    column: F64
    height: float
    hessian: F32 | None


class Sweeps(Protocol):
    """Passes over the costs of one problem."""

    def sweep(self, g: F64, eps: float, *, hessian: bool) -> Sweep:
        """Return what `g` makes of the plan at `eps`."""

    def value(self, g: F64, eps: float) -> float:
        """Return what the plan costs."""


@contextmanager
def open_sweeps(
    costs: Costs, masses_N: F64, masses_M: F64, *, device: str, threads: int
) -> Iterator[Sweeps]:
    """Give passes over `costs` on a device, and let its threads go at the end."""
    if device != "cpu":
        yield _OnDevice(costs, masses_N, masses_M, device)
        return
    with ThreadPoolExecutor(min(threads, _LANES)) as pool:
        yield _OnCpu(costs, masses_N, masses_M, pool)


class _Lane(NamedTuple):
    """One of the running sums of a pass."""

    column: F64
    hessian: F32 | None
    value: F64
    product: F32 | None  # of a block with itself, before it is added to `hessian`


class _OnCpu:
    """Passes in NumPy: a matrix product, five passes over a block in the cache, another product."""

    def __init__(
        self, costs: Costs, masses_N: F64, masses_M: F64, pool: ThreadPoolExecutor
    ) -> None:
        self._costs, self._a, self._b, self._pool = costs, masses_N, masses_M, pool
        self._size = min(block_rows(costs.columns), costs.rows)

    def sweep(self, g: F64, eps: float, *, hessian: bool) -> Sweep:
        f = np.empty(self._costs.rows)
        lanes = self._passed(g, eps, f, hessian=hessian)
        total = next(lanes)
        for lane in lanes:
            total.column[...] += lane.column
            if total.hessian is not None and lane.hessian is not None:
                np.add(total.hessian, lane.hessian, out=total.hessian)
        return Sweep(f, total.column, float(self._a @ f), total.hessian)

    def value(self, g: F64, eps: float) -> float:
        f = np.empty(self._costs.rows)
        return sum(float(lane.value) for lane in self._passed(g, eps, f, priced=True))

    def _passed(
        self, g: F64, eps: float, f: F64, *, hessian: bool = False, priced: bool = False
    ) -> Iterator[_Lane]:
        columns = self._costs.columns
        exponent_M = (g / eps + np.log(self._b)).astype(np.float32)

        def along(number: int) -> _Lane:
            square = np.zeros((columns, columns), np.float32) if hessian else None
            product = np.empty_like(square) if square is not None else None
            lane = _Lane(np.zeros(columns), square, np.zeros(()), product)
            held = np.empty((self._size, columns), np.float32)
            for start in range(number * self._size, self._costs.rows, _LANES * self._size):
                block = held[: self._costs.rows - start]
                self._costs.fill(start, block)
                price = block.copy() if priced else None
                found = self._add(start, block, price, exponent_M, eps, lane)
                f[start : start + len(block)] = found
            return lane._replace(product=None)

        return self._pool.map(along, range(_LANES))  # one is added up while others are made

    def _add(
        self,
        start: int,
        block_BM: F32,
        price_BM: F32 | None,
        exponent_M: F32,
        eps: float,
        lane: _Lane,
    ) -> F64:
        """Turn a block of costs into rows of the plan, add them to `lane`, and return their f."""
        block_BM *= np.float32(-1 / eps)
        block_BM += exponent_M
        highest_B = block_BM.max(axis=1)
        block_BM -= highest_B[:, None]
        np.exp(block_BM, out=block_BM)
        sums_B = block_BM @ np.ones(block_BM.shape[1], np.float32)
        root_B = np.sqrt(self._a[start : start + len(block_BM)]).astype(np.float32)
        block_BM *= (root_B / sums_B)[:, None]
        if lane.hessian is not None and lane.product is not None:
            np.matmul(block_BM.T, block_BM, out=lane.product)
            np.add(lane.hessian, lane.product, out=lane.hessian)
        lane.column[...] += root_B @ block_BM
        if price_BM is not None:
            lane.value[...] += float(root_B @ np.einsum("bm,bm->b", block_BM, price_BM))
        found: F64 = -eps * (highest_B.astype(np.float64) + np.log(sums_B.astype(np.float64)))
        return found


class _OnDevice:
    """Passes in torch, with the same arithmetic in larger blocks."""

    def __init__(self, costs: Costs, masses_N: F64, masses_M: F64, device: str) -> None:
        import torch

        self._costs, self._at = costs, torch.device(device)
        self._a = torch.from_numpy(masses_N).to(self._at)
        self._b = torch.from_numpy(masses_M).to(self._at)
        self._size = max(1, min(costs.rows, _DEVICE_ENTRIES // costs.columns))
        self._to_MD = None
        if isinstance(costs, Distances):
            self._to_MD = torch.from_numpy(costs.to_MD).to(self._at)

    def sweep(self, g: F64, eps: float, *, hessian: bool) -> Sweep:
        import torch

        columns = self._costs.columns
        column = torch.zeros(columns, dtype=torch.float64, device=self._at)
        square = torch.zeros((columns, columns), device=self._at) if hessian else None
        f = []
        for start, _, logits_BM in self._blocks(g, eps):
            total_B = torch.logsumexp(logits_BM, dim=1)
            root_B = self._a[start : start + len(total_B)].sqrt().float()
            rows_BM = torch.exp(logits_BM - total_B[:, None]) * root_B[:, None]
            if square is not None:
                square += rows_BM.T @ rows_BM
            column += root_B @ rows_BM
            f.append(-eps * total_B.double())
        found = torch.cat(f)
        return Sweep(
            found.cpu().numpy(),
            column.cpu().numpy(),
            float(self._a @ found),
            None if square is None else square.cpu().numpy(),
        )

    def value(self, g: F64, eps: float) -> float:
        import torch

        total = 0.0
        for start, price_BM, logits_BM in self._blocks(g, eps):
            rows_BM = torch.softmax(logits_BM, dim=1)
            per_row_B = (rows_BM * price_BM).sum(dim=1).double()
            total += float(self._a[start : start + len(per_row_B)] @ per_row_B)
        return total

    def _blocks(self, g: F64, eps: float) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """Yield (first row, costs, logits of the rows of the plan)."""
        import torch

        exponent_M = (torch.from_numpy(g).to(self._at) / eps + self._b.log()).float()
        for start in range(0, self._costs.rows, self._size):
            price_BM = self._prices(start, min(start + self._size, self._costs.rows))
            yield start, price_BM, exponent_M - price_BM / eps

    def _prices(self, start: int, stop: int) -> Any:
        import torch

        if self._to_MD is None or not isinstance(self._costs, Distances):
            block_BM = np.empty((stop - start, self._costs.columns), np.float32)
            self._costs.fill(start, block_BM)
            return torch.from_numpy(block_BM).to(self._at)
        points_BD = np.ascontiguousarray(self._costs.points(start, stop))
        from_BD = torch.from_numpy(points_BD).to(self._at)
        return (2 - 2 * (from_BD @ self._to_MD.T)).clamp(min=0).sqrt()
