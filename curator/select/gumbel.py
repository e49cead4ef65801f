"""Gumbel top-k: draw without replacement with odds exp(score / temperature).

The `k` largest of score / temperature + Gumbel noise are a draw of `k` without replacement from
softmax(score / temperature) (Kool, van Hoof, Welling 2019, arXiv:1903.06059). The caller hands
over scores that are already "higher is better": negating a noisy score afterwards would follow
another law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.errors import PluginError
from curator.identity import uniform
from curator.select.moments import ExactSum, Moments

PURPOSE = "select.gumbel"
# The last bits of a logarithm differ between CPUs (NumPy has other code for AVX-512), so keys are
# rounded to a grid far finer than the noise and far coarser than those bits.
_GRID = 2.0**24


@dataclass(frozen=True)
class GumbelKey:
    """Turns scores into noisy keys; `mean` and `deviation` are 0 and 1 for raw scores."""

    temperature: float
    seed: int
    mean: float = 0.0
    deviation: float = 1.0

    def __call__(
        self, doc_id: NDArray[np.uint8], score: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return (n,) float64 keys, higher is taken earlier, fixed by id, score and seed."""
        return noisy(doc_id, self.odds(score), PURPOSE, self.seed)

    def odds(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) float64: the logarithms of what documents are drawn in proportion to."""
        with np.errstate(over="ignore"):
            found: NDArray[np.float64] = (score - self.mean) / self.deviation / self.temperature
        return found


def noisy(
    doc_id: NDArray[np.uint8], odds: NDArray[np.float64], purpose: str, seed: int
) -> NDArray[np.float64]:
    """Return (n,) keys whose `k` largest are drawn without replacement with odds exp(odds)."""
    noise = -np.log(-np.log(uniform(doc_id, purpose, seed)))
    with np.errstate(over="ignore"):  # a huge score over a tiny temperature: plain top-k
        key: NDArray[np.float64] = np.rint((odds + noise) * _GRID) / _GRID
    return key


def effective_share(odds: Callable[[], Iterable[NDArray[np.float64]]]) -> float:
    """Return Kish's effective sample size over n of weights exp(odds), in [0, 1].

    (sum w)**2 / sum w**2 / n: 1 means that the draw is uniform, near 0 that it is top-k. To four
    digits, and of exact sums, so that it is the same whatever the order of rows.

    Args:
        odds: called twice; yields every document's once.
    """
    highest = max((float(batch.max(initial=-np.inf)) for batch in odds()), default=-np.inf)
    total, squares, count = ExactSum(), ExactSum(), 0
    for batch in odds():
        with np.errstate(invalid="ignore"):  # of infinite odds only those count
            weights = np.where(batch == highest, 1.0, np.exp(batch - highest))
        total.add(weights)
        squares.add(weights * weights)
        count += len(batch)
    if not count:
        return 0.0
    return float(f"{float(total.value**2 / squares.value / count):.4g}")


def standardized(temperature: float, seed: int, scores: Iterable[NDArray[np.float64]]) -> GumbelKey:
    """Return a key that z-scores by the pool's mean and deviation, whatever the order of rows.

    Raises:
        PluginError: a score is infinite, so that there is no mean.
    """
    moments = Moments()
    for batch in scores:
        if np.isinf(batch).any():
            raise PluginError(
                "the score column has infinite values, which cannot be standardized; return null "
                "where there is no score, or set `standardize: false`"
            )
        moments.add(batch)
    mean, deviation = moments.mean_and_deviation()
    # One value everywhere: all z-scores are 0 and the draw is uniform.
    return GumbelKey(temperature, seed, mean, deviation or 1.0)
