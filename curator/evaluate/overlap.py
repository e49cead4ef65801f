"""How much text the runs of an arm share, and what that does to an interval over them.

A run that trains on fewer tokens than its mixture holds reads one arc of a circle of documents.
Runs on arcs that do not touch are independent draws of text; runs that share the part r of their
text are correlated by r at most, and the variance of their mean is, for a sample variance s^2,

    s^2 (1 / n + r / (1 - r))      Nadeau & Bengio 2003, Machine Learning 52:239, section 3

With r the mean over pairs this holds for any arcs: E s^2 = v (1 - r) and the variance of the mean
is v (r + (1 - r) / n), where v is the variance of one run. What is random in training is never
shared, so r is an upper bound and the interval errs on the wide side; if text were all of a run's
noise, pairs that share unequally would leave fewer than n - 1 degrees of freedom (simulated: 5
seeds of a third of a mixture each are then told apart in 7 % at a nominal 5 %).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Covers = Literal["text", "seeds"]
Window = tuple[float, float]  # where an arc begins, and its length, on a circle of length 1
# Beyond a half the correction more than doubles the variance of two runs, and rests on a sample
# variance that is mostly training noise. Ours.
MOST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Sharing:
    """What the runs of an arm have in common.

    Attributes:
        overlap: mean over pairs of runs of the share of text that both read, in [0, 1].
        share: the part of the mixture that one run reads, in [0, 1].
        known: whether windows were recorded; if not, nothing can be said of other text.
    """

    overlap: float = 0.0
    share: float = 0.0
    known: bool = True

    @property
    def covers(self) -> Covers:
        """Return what an interval over such runs speaks of: other text too, or other seeds only."""
        return "text" if self.known and self.overlap <= MOST_OVERLAP else "seeds"

    def widening(self, n: ArrayLike) -> NDArray[np.float64]:
        """Return the variance of the mean of `n` runs over the sample variance of these.

        More runs on arcs of the same length cannot go on sharing nothing: arcs laid as evenly as
        can be share (n share - 1) / (n - 1) on average, so more seeds do not help forever. inf
        where `n` runs would share more than can be corrected for.
        """
        runs = np.asarray(n, dtype=np.float64)
        if self.covers == "seeds":
            return 1 / runs
        even = (runs * self.share - 1) / np.maximum(runs - 1, 1)
        overlap = np.maximum(self.overlap, even)
        variance = (overlap + (1 - overlap) / runs) / (1 - self.overlap)
        return np.where(overlap <= MOST_OVERLAP, variance, np.inf)


UNKNOWN = Sharing(overlap=1.0, share=1.0, known=False)
APART = Sharing()


def sharing(windows: Sequence[Window | None]) -> Sharing:
    """Return what the runs with these windows share; unknown if one has none.

    Two arcs share their intersection over the geometric mean of their lengths, which is the
    correlation of two means over them. A run of a whole mixture or more shares all it has.
    """
    found = [window for window in windows if window is not None]
    if len(found) < max(2, len(windows)):
        return UNKNOWN
    pairs = [_common(one, other) for one, other in combinations(found, 2)]
    share = min(1.0, max(length for _, length in found))
    return Sharing(float(np.mean(pairs)), share)


def wider(one: Sharing, other: Sharing) -> Sharing:
    """Return what may be assumed of two arms together: the more that either shares."""
    if not (one.known and other.known):
        return UNKNOWN
    return Sharing(max(one.overlap, other.overlap), max(one.share, other.share))


def _common(one: Window, other: Window) -> float:
    """Return the share of text of two arcs that both hold, in [0, 1]."""
    (a, b), (length, reach) = (one[0] % 1, other[0] % 1), (min(one[1], 1.0), min(other[1], 1.0))
    # The second arc may meet the first on either side of the point where the circle closes.
    met = sum(max(0.0, min(a + length, b + turn + reach) - max(a, b + turn)) for turn in (-1, 0, 1))
    return min(1.0, met / math.sqrt(length * reach))
