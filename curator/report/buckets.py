"""Quantiles, histograms and means that come out the same however the rows were cut.

A float64's leading bits (sign, exponent, first 7 bits of the mantissa) are a bucket number that
rises with the value: 128 buckets per power of two, so a bucket's middle is within 1/256 (0.4 %)
of everything in it, at any magnitude, with no range to choose. Counts per bucket are integers,
so merging is exact, commutative and associative. This is the relative-error guarantee of
DDSketch (Masson, Rim, Lee, VLDB 2019) with buckets linear inside each octave instead of
logarithmic: no logarithm whose last bit differs between machines. Sums are exact integers too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

MANTISSA_BITS = 7
RELATIVE_ERROR = 1 / 256  # half a bucket over its lower edge: 2 ** -(MANTISSA_BITS + 1)
_SHIFT = 52 - MANTISSA_BITS
_UNIT = 1074  # the smallest float64 is 2 ** -1074: every float64 is a whole number of those
_LOW_BITS = 27  # sums of 27-bit halves of mantissas stay below 2 ** 53 for 2 ** 26 rows
_CHUNK = 1 << 25

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _no_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Buckets:
    """Counts of finite values by bucket, with their exact sum, least and greatest."""

    keys: Ints = field(default_factory=_no_ints)  # ascending
    counts: Ints = field(default_factory=_no_ints)
    total: int = 0  # the sum of all values in units of 2 ** -1074
    least: float = np.inf
    greatest: float = -np.inf
    whole: bool = True  # every value is a whole number

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float | None:
        """The mean of the values, correctly rounded; None if there are none."""
        return float(Fraction(self.total, self.count << _UNIT)) if self.count else None

    def merged(self, other: Buckets) -> Buckets:
        """Return the counts of both; equal to counting all values at once."""
        keys = np.concatenate([self.keys, other.keys])
        counts = np.concatenate([self.counts, other.counts])
        found, place = np.unique(keys, return_inverse=True)
        added = np.zeros(len(found), dtype=np.int64)
        np.add.at(added, place, counts)
        return Buckets(
            found,
            added,
            self.total + other.total,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
            self.whole and other.whole,
        )

    def quantile(self, share: float) -> float | None:
        """Return the value that a share (0..1) of the values do not exceed; None if empty.

        The inverted distribution function (nearest rank) within `RELATIVE_ERROR`; exact for whole
        numbers up to 256 and for the ends.
        """
        if not self.count:
            return None
        rank = max(1, int(np.ceil(share * self.count)))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(self.middles()[bucket])

    def middles(self) -> Floats:
        """Return one value per bucket that stands for what is in it."""
        low, high = _edge(self.keys), _edge(self.keys + np.sign(self.keys) + (self.keys == 0))
        middle = low / 2 + high / 2  # halved first: the sum of two large edges can overflow
        if self.whole:  # a bucket no wider than 1 holds one whole number: that one
            only = np.where(self.keys > 0, np.ceil(low), np.floor(low))
            middle = np.where(np.abs(high - low) <= 1, only, middle)
        middle[self.keys == 0] = 0.0  # what is smaller than 1e-308
        return np.clip(middle, self.least, self.greatest)

    def histogram(self, bins: int) -> tuple[Floats, Ints]:
        """Return edges (bins + 1) and counts between least and greatest.

        Edges are evenly spaced, or evenly in the logarithm where `is_wide`. A value near an edge
        may count next door.
        """
        if not self.count:
            return np.zeros(0), _no_ints()
        low, high = self.least, self.greatest
        if low == high:
            return np.array([low, high]), np.array([self.count], dtype=np.int64)
        edges = (
            np.geomspace(low, high, bins + 1) if self.is_wide else np.linspace(low, high, bins + 1)
        )
        edges[0], edges[-1] = low, high
        place = np.clip(np.searchsorted(edges, self.middles(), side="right") - 1, 0, bins - 1)
        counts = np.zeros(bins, dtype=np.int64)
        np.add.at(counts, place, self.counts)
        return edges, counts

    @property
    def is_wide(self) -> bool:
        """Whether the values ask for a logarithmic axis: the middle 90 % span a factor of 100."""
        low, high = self.quantile(0.05), self.quantile(0.95)
        return self.least > 0 and low is not None and high is not None and high >= 100 * low


def bucketed(values: npt.NDArray[Any]) -> Buckets:
    """Return the counts of an array of finite numbers (n,). Whole numbers beyond 2**53 round."""
    numbers = values.astype(np.float64)
    if not len(numbers):
        return Buckets()
    keys, counts = np.unique(_keys(numbers), return_counts=True)
    return Buckets(
        keys,
        counts.astype(np.int64),
        _exact_sum(numbers),
        float(numbers.min()),
        float(numbers.max()),
        bool((numbers == np.floor(numbers)).all()),
    )


def _keys(numbers: Floats) -> Ints:
    magnitude = np.abs(numbers).view(np.int64) >> _SHIFT
    return np.where(numbers < 0, -magnitude, magnitude)


def _edge(keys: Ints) -> Floats:
    """Return the end of each bucket that lies nearer to zero."""
    edge = (np.abs(keys) << _SHIFT).view(np.float64)
    return np.copysign(np.minimum(edge, np.finfo(np.float64).max), keys)  # past the last: inf


def _exact_sum(numbers: Floats) -> int:
    """Return the sum in units of 2 ** -1074, without rounding: order and cuts cannot show."""
    total = 0
    for start in range(0, len(numbers), _CHUNK):
        mantissa, exponent = np.frexp(numbers[start : start + _CHUNK])
        whole = np.ldexp(mantissa, 53).astype(np.int64)
        lowest = int(exponent.min())
        place = exponent - lowest
        high = np.bincount(place, weights=whole >> _LOW_BITS)
        low = np.bincount(place, weights=whole & ((1 << _LOW_BITS) - 1))
        for step in np.flatnonzero((high != 0) | (low != 0)).tolist():  # one step a power of two
            part = (int(high[step]) << _LOW_BITS) + int(low[step])
            shift = lowest + step - 53 + _UNIT
            total += part << shift if shift >= 0 else part >> -shift  # exact: those bits are 0
    return total
