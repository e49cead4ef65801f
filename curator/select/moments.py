"""Mean and standard deviation that do not depend on the order of rows, to the last bit.

Floating sums depend on the order of their terms; a z-score whose last bit depends on how files
were cut could swap two documents. So sums are exact: mantissas are added as integers, exponent
by exponent, and rounded once at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_MANTISSA_BITS = 53  # of float64, the hidden bit included
_HALF = 27  # mantissas are added in two halves, so that 2**36 rows fit an int64


@dataclass
class ExactSum:
    """Adds float64 numbers without rounding. `value` is the exact sum."""

    _parts: dict[int, int] = field(default_factory=dict)  # exponent -> sum of integer mantissas

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Add finite `numbers`, (n,) float64."""
        if not len(numbers):
            return
        mantissa, exponent = np.frexp(numbers)
        whole = np.ldexp(mantissa, _MANTISSA_BITS).astype(np.int64)
        values, slot = np.unique(exponent, return_inverse=True)
        high, low = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
        np.add.at(high, slot, whole >> _HALF)
        np.add.at(low, slot, whole & ((1 << _HALF) - 1))
        for each, top, bottom in zip(values.tolist(), high.tolist(), low.tolist(), strict=True):
            self._parts[each] = self._parts.get(each, 0) + (top << _HALF) + bottom

    @property
    def value(self) -> Fraction:
        """The sum of all that was added."""
        terms = (
            Fraction(whole) * Fraction(2) ** (exponent - _MANTISSA_BITS)
            for exponent, whole in self._parts.items()
        )
        return sum(terms, Fraction(0))


@dataclass
class Moments:
    """Accumulates the mean and the standard deviation of scores, batch by batch."""

    count: int = 0
    _total: ExactSum = field(default_factory=ExactSum)
    _squares: ExactSum = field(default_factory=ExactSum)

    def add(self, scores: NDArray[np.float64]) -> None:
        """Count `scores`, (n,) finite float64; squares are rounded one by one, sums never."""
        self.count += len(scores)
        self._total.add(scores)
        self._squares.add(scores * scores)

    def mean_and_deviation(self) -> tuple[float, float]:
        """Return the mean and the population standard deviation; (0, 0) for no scores."""
        if not self.count:
            return 0.0, 0.0
        mean = self._total.value / self.count
        variance = max(Fraction(0), self._squares.value / self.count - mean * mean)
        return float(mean), math.sqrt(variance)
