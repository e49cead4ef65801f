"""Facility location on a device of torch: the same whole numbers, so the same members and gains.

The kernel lies on the device as int32. A step reads the rows of the elements that a new member is
nearer to than any before, a portion at a time, and asks for the largest gain.
"""

# Shapes: N elements, D dimensions, R rows of a portion.
from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.errors import BudgetError
from curator.submodular.engines import Greedy
from curator.submodular.facility import require_choice
from curator.submodular.similarity import STEP, Negative, scaled, whole_vectors

MOST_BYTES: Final = 1 << 33  # 46,340 elements
_PORTION: Final = 1 << 26  # numbers of a portion: 512 MB as int64 while they are summed


def facility_location_on(
    device: str,
    vectors_ND: NDArray[np.float32],
    k: int,
    *,
    chance: NDArray[np.float64] | None = None,
    negative: Negative = "clip",
    most_bytes: int = MOST_BYTES,
) -> Greedy:
    """Return what `curator.submodular.facility.facility_location` does, worked out on a device.

    Args:
        device: of torch, "cuda" or "cpu".
        vectors_ND: unit vectors.
        k: members, 1 to N - 1.
        chance: (N,) of equal gains the lower comes first.
        negative: what is done to cosines below 0.
        most_bytes: that the kernel may take, 4 N^2.

    Raises:
        BudgetError: the kernel would take more, or `k` members are no choice.
        RecipeError: a vector is not finite, or longer than one.
    """
    n = len(vectors_ND)
    require_choice(n, k)
    if 4 * n * n > most_bytes:
        raise BudgetError(
            f"the similarities of {n:,} elements take {4 * n * n:,} bytes on {device!r}, "
            f"{most_bytes:,} are allowed; make partitions"
        )
    order = np.arange(n) if chance is None else np.argsort(chance, kind="stable")
    found = _greedy(_steps(device, vectors_ND[order], negative), k)
    rest = np.empty_like(found.rest)
    rest[order] = found.rest
    return Greedy(order[found.order], found.gains, rest)


def _steps(device: str, vectors_ND: NDArray[np.float32], negative: Negative) -> Tensor:
    """Return the (N, N) int32 similarities on the device."""
    whole = whole_vectors(vectors_ND)
    left, base = scaled(whole, negative)
    left_ND, right_DN = torch.from_numpy(left).to(device), torch.from_numpy(whole).to(device).T
    n = len(whole)
    steps = torch.empty((n, n), dtype=torch.int32, device=device)
    portion = max(1, _PORTION // n)
    for start in range(0, n, portion):
        # TensorFloat-32 would be exact too: it holds 11 bits, and so do the numbers.
        block = left_ND[start : start + portion] @ right_DN + base
        steps[start : start + portion] = block.clamp_(0, 65535).to(torch.int32)
    return steps


def _greedy(steps: Tensor, k: int) -> Greedy:
    n = len(steps)
    best = torch.zeros(n, dtype=torch.int32, device=steps.device)
    gains = steps.sum(dim=0, dtype=torch.int64)
    # Gain and place as one number: of equal gains argmax may name any, and the first is wanted.
    places = torch.arange(n, device=steps.device)
    order = torch.empty(k, dtype=torch.int64, device=steps.device)
    taken = torch.empty_like(order)
    for at in range(k):
        member = torch.argmax(gains * n - places)
        order[at], taken[at] = member, gains[member]
        nearest = torch.maximum(best, steps[member])
        gains -= _lost(steps, best, nearest)
        best = nearest
        gains[member] = -1
    rest = gains.clamp(min=0).cpu().numpy().astype(np.float64) * STEP
    return Greedy(order.cpu().numpy(), taken.cpu().numpy().astype(np.float64) * STEP, rest)


def _lost(steps: Tensor, best: Tensor, nearest: Tensor) -> Tensor:
    """Return (N,) int64, what columns would have gained and, with the new member, would not."""
    changed = torch.nonzero(nearest > best).squeeze(1)
    lost = torch.zeros(len(steps), dtype=torch.int64, device=steps.device)
    portion = max(1, _PORTION // len(steps))
    for start in range(0, len(changed), portion):
        rows = changed[start : start + portion]
        similar = steps[rows]
        high, low = nearest[rows].unsqueeze(1), best[rows].unsqueeze(1)
        lost += (torch.minimum(similar, high) - torch.minimum(similar, low)).sum(0)
    return lost
