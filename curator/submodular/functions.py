"""Set functions over a kernel of similarities: what representative, diverse, or both means.

Each takes (n, n) similarities, symmetric and at least 0 (`similarity.kernel_of` checks a kernel
that comes from elsewhere), floats or whole steps; values are in the kernel's unit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.submodular.engines import Floats, Rows
from curator.text.compile import compiled

Kernel = NDArray[Any]
LAMBDA = 0.4  # of the released INGENIOUS code (Efficient-AI/ingenious)


class FacilityLocation:
    """The sum over elements of their similarity to the nearest member; 0 without members.

    For speed there is `curator.submodular.facility`, which takes the same members.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._best = np.zeros(len(kernel), kernel.dtype)

    @property
    def n(self) -> int:
        """How many elements there are."""
        return len(self._kernel)

    @property
    def state_bytes(self) -> int:
        """Memory that the kernel and the state take."""
        return self._kernel.nbytes + self._best.nbytes

    def gains(self, candidates: Rows) -> Floats:
        """Return (C,) what each candidate would add."""
        return _facility_gains(self._kernel, self._best, candidates)

    def add(self, element: int) -> None:
        """Make an element a member."""
        np.maximum(self._best, self._kernel[element], out=self._best)


@compiled
def _facility_gains(kernel: Kernel, best: Kernel, candidates: Rows) -> Floats:
    found = np.zeros(len(candidates))
    for place in range(len(candidates)):
        similar = kernel[candidates[place]]  # symmetric: a row is read faster than a column
        total = 0.0
        for at in range(len(best)):
            total += float(max(similar[at], best[at])) - float(best[at])
        found[place] = total
    return found


class GraphCut:
    """Similarity of members to all elements less `weight` times that among the members.

    Monotone for weights up to 0.5 (Iyer et al. 2021, arXiv:2006.15412); the tests try it.
    """

    def __init__(self, kernel: Kernel, weight: float = LAMBDA) -> None:
        if not weight >= 0:
            raise RecipeError(f"the weight of a graph cut is {weight!r}; wanted 0 or more")
        self._kernel = kernel
        self._weight = weight
        self._total = _sums(kernel)
        self._diagonal = np.diagonal(kernel).astype(np.float64)
        self._within = np.zeros(len(kernel))

    @property
    def n(self) -> int:
        """How many elements there are."""
        return len(self._kernel)

    @property
    def state_bytes(self) -> int:
        """Memory that the kernel and the state take."""
        return self._kernel.nbytes + 3 * self._within.nbytes

    def gains(self, candidates: Rows) -> Floats:
        """Return (C,) what each candidate would add."""
        among = 2 * self._within[candidates] + self._diagonal[candidates]
        found: Floats = self._total[candidates] - self._weight * among
        return found

    def add(self, element: int) -> None:
        """Make an element a member."""
        self._within += self._kernel[element]


class SaturatedCoverage:
    """The sum over elements of their similarity to all members, at most a share of the largest.

    After Lin and Bilmes 2011 (ACL): min(sum over members, share x sum over all elements).
    """

    def __init__(self, kernel: Kernel, share: float = 0.1) -> None:
        if not 0 < share <= 1:
            raise RecipeError(f"share is {share!r}; wanted a number above 0, at most 1")
        self._kernel = kernel
        self._most = share * _sums(kernel)
        self._reached = np.zeros(len(kernel))

    @property
    def n(self) -> int:
        """How many elements there are."""
        return len(self._kernel)

    @property
    def state_bytes(self) -> int:
        """Memory that the kernel and the state take."""
        return self._kernel.nbytes + 2 * self._most.nbytes

    def gains(self, candidates: Rows) -> Floats:
        """Return (C,) what each candidate would add."""
        return _saturated_gains(self._kernel, self._most, self._reached, candidates)

    def add(self, element: int) -> None:
        """Make an element a member."""
        self._reached += self._kernel[element]


@compiled
def _saturated_gains(kernel: Kernel, most: Floats, reached: Floats, candidates: Rows) -> Floats:
    found = np.zeros(len(candidates))
    for place in range(len(candidates)):
        similar = kernel[candidates[place]]
        total = 0.0
        for at in range(len(most)):
            total += min(reached[at] + similar[at], most[at]) - min(reached[at], most[at])
        found[place] = total
    return found


class LogDeterminant:
    """The log of the determinant of the members' kernel: the volume that they span.

    A Cholesky factor grows by a row a member (Chen, Zhang, Zhou 2018, arXiv:1709.05135, section
    3), so that `k` members cost k^2 n / 2 products and k n numbers. What is rounded to a grid of
    2**-20 are the gains: equal elements must tie.

    Args:
        kernel: in units of `unit`.
        ridge: added to the diagonal, above 0: duplicates have no volume.
        unit: what one is in the kernel.
        most: members that there will be at most.
    """

    def __init__(
        self, kernel: Kernel, *, ridge: float = 1.0, unit: float = 1.0, most: int | None = None
    ) -> None:
        if not ridge > 0:
            raise RecipeError(f"ridge is {ridge!r}; wanted a number above 0")
        self._kernel, self._unit, self._ridge = kernel, unit, ridge
        self._rest = (
            np.diagonal(kernel).astype(np.float64) * unit + ridge
        )  # squared, not yet spanned
        self._factor = np.zeros((most or len(kernel), len(kernel)))  # a row a member
        self._members: list[int] = []

    @property
    def n(self) -> int:
        """How many elements there are."""
        return len(self._kernel)

    @property
    def state_bytes(self) -> int:
        """Memory that the kernel and the state take."""
        return self._kernel.nbytes + self._factor.nbytes + self._rest.nbytes

    def gains(self, candidates: Rows) -> Floats:
        """Return (C,) what each candidate would add, nats."""
        # Never below the ridge but for rounding: the kernel has no negative directions.
        volume = np.maximum(self._rest[candidates], self._ridge * 2.0**-20)
        found: Floats = np.rint(np.log(volume) * 2.0**20) / 2.0**20
        return found

    def add(self, element: int) -> None:
        """Make an element a member."""
        count = len(self._members)
        before = self._factor[:count]
        row = self._kernel[element] * self._unit - before[:, element] @ before
        row[element] += self._ridge
        row /= math.sqrt(max(self._rest[element], self._ridge * 2.0**-20))
        self._factor[count] = row
        self._rest -= row * row
        self._members.append(element)


def _sums(kernel: Kernel) -> Floats:
    """The sum of every column; of whole steps exactly."""
    exact = np.float64 if kernel.dtype.kind == "f" else np.int64
    found: Floats = kernel.sum(axis=0, dtype=exact).astype(np.float64)
    return found
