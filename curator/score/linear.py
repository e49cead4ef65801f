"""Linear models that are fitted exactly: ridge in closed form, logistic regression by L-BFGS.

Fits are deterministic: one thread, sums in the order of rows, no chance. A prediction is a sum over
one row alone, so it does not depend on which rows were asked for together.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.text.buckets import bucket_counts

_ITERATIONS: Final = 200
_TOLERANCE: Final = 1e-7  # of the mean loss, between two iterations


class Rows(Protocol):
    """Inputs that a linear model multiplies: a dense array, or a sparse matrix by rows."""

    shape: Any

    def __matmul__(self, other: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the product with a vector."""

    @property
    def T(self) -> Any:
        """The transpose."""


def ridge(inputs: Rows, target: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Return (D + 1,) weights, the intercept last, that minimize squares + penalty * |weights|^2.

    The intercept is not penalized. In closed form for a dense array, else by L-BFGS.

    Args:
        inputs: (N, D).
        target: (N,).
        penalty: above 0, on the scale of a sum over rows.
    """
    if not isinstance(inputs, np.ndarray):
        return _descended(inputs, target, penalty, _squares)
    mean, level = inputs.mean(axis=0), float(target.mean())
    centered = inputs - mean
    gram = centered.T @ centered + penalty * np.eye(len(mean))
    weights = np.linalg.solve(gram, centered.T @ (target - level))
    return np.append(weights, level - mean @ weights)


def logistic(inputs: Rows, positive: NDArray[np.bool_], penalty: float) -> NDArray[np.float64]:
    """Return (D + 1,) weights of the log-odds, the intercept last, penalized by |weights|^2 / 2.

    Minimizes the sum of log losses + penalty / 2 * |weights|^2: scikit-learn's `C` is 1 / penalty.
    """
    return _descended(inputs, positive.astype(np.float64), penalty, _log_loss)


def _squares(
    score: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return half the sum of squares (so that the penalty halves alike) and its slope."""
    error = score - target
    return 0.5 * float(error @ error), error


def _log_loss(
    score: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the sum of log losses and its slope, without overflow."""
    loss = np.logaddexp(0.0, score) - target * score
    share = np.where(score >= 0, 1.0, np.exp(-np.abs(score))) / (1.0 + np.exp(-np.abs(score)))
    return float(loss.sum()), share - target


def _descended(
    inputs: Rows, target: NDArray[np.float64], penalty: float, loss: Any
) -> NDArray[np.float64]:
    from scipy.optimize import minimize

    rows, columns = inputs.shape
    across = inputs.T

    def value_and_slope(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = loss(inputs @ weights[:-1] + weights[-1], target)
        bent = np.append(across @ slope + penalty * weights[:-1], slope.sum())
        return (value + 0.5 * penalty * float(weights[:-1] @ weights[:-1])) / rows, bent / rows

    start = np.zeros(columns + 1)
    start[-1] = float(target.mean()) if loss is _squares else 0.0
    options = {"maxiter": _ITERATIONS, "ftol": _TOLERANCE}
    done = minimize(value_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(done.x, np.float64)


class HashedTexts:
    """Texts as rows of hashed 1- and 2-gram weights: log(1 + count) * idf, of length 1.

    The buckets are those of `curator.text.buckets`. A text without tokens is a row of zeros.

    Args:
        texts: a text column.
        buckets: D, columns.
        rarity: (D,) what each bucket counts for, from `rarity_of`; none: all alike.
    """

    def __init__(
        self,
        texts: pa.Array | pa.ChunkedArray,
        buckets: int,
        rarity: NDArray[np.float64] | None = None,
    ) -> None:
        counted = bucket_counts(texts, buckets)
        self.indptr, self.indices = counted.indptr, counted.indices
        self.values = np.log1p(counted.counts.astype(np.float64))
        self.buckets = buckets
        if rarity is not None:
            self.values *= rarity[self.indices]
            length = np.sqrt(self.summed(self.values**2))
            self.values /= np.repeat(np.where(length > 0, length, 1.0), np.diff(self.indptr))

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Which texts have no tokens, (N,)."""
        return np.asarray(np.diff(self.indptr) == 0)

    def rarity_of(self) -> NDArray[np.float64]:
        """Return log((1 + N) / (1 + texts with the bucket)) + 1 for every bucket, (D,) float64."""
        met = np.bincount(self.indices, minlength=self.buckets)
        weights: NDArray[np.float64] = np.log((len(self.indptr)) / (1.0 + met)) + 1.0
        return weights

    def matrix(self) -> Any:
        """Return the rows as a `scipy.sparse.csr_matrix`."""
        from scipy.sparse import csr_matrix

        shape = (len(self.indptr) - 1, self.buckets)
        return csr_matrix((self.values, self.indices, self.indptr), shape=shape)

    def times(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each row's product with (D,) weights, (N,) float64."""
        return self.summed(self.values * weights[self.indices])

    def summed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of each row's entries; 0 for an empty row."""
        # reduceat has no word for an empty group: it gives the next entry, so those rows are reset.
        whole = np.append(values, 0.0)
        sums = np.add.reduceat(whole, self.indptr[:-1]) if len(self.indptr) > 1 else np.zeros(0)
        return np.where(self.empty, 0.0, sums)
