"""A metric in which vectors vary equally in all directions: one Gram matrix, one Cholesky factor.

Vectors are read once, in blocks: their number, mean and mean outer product in float64 say all that
whitening, leverage scores and Ledoit and Wolf's shrinkage need, whatever the number of vectors.
Costs 2 * N * D * D operations to read, D**3 / 3 to factor and 2 * N * D * D to whiten; holds 16 D*D
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curator.embed.directions import directions
from curator.errors import RecipeError

# Shapes: N vectors, D dimensions.
F64 = NDArray[np.float64]
Vectors = NDArray[np.floating[Any]]
Shrink = Literal["auto", "always", "never"]
ROWS: Final = 4096  # widened to float64 at a time
# The project's specification (selection.md, B13) asks for five vectors a dimension or shrinkage,
# and for two at least without: a covariance of fewer is mostly noise.
ENOUGH, LEAST = 5, 2


@dataclass(frozen=True)
class Moments:
    """What a stream of vectors x says of their distribution.

    Attributes:
        n: how many there were.
        mean: (D,), of x.
        second: (D, D), mean of x x^T; n times it is the Gram matrix X^T X, not centered.
        third: (D,), mean of |x|^2 x.
        fourth: mean of |x|^4; with `third`, what shrinkage needs.
    """

    n: int
    mean: F64
    second: F64
    third: F64
    fourth: float

    @property
    def covariance(self) -> F64:
        """(D, D), around the mean and divided by n."""
        centered: F64 = self.second - np.outer(self.mean, self.mean)
        return centered


def gram(vectors: Iterable[Vectors], *, where: str = "vectors") -> Moments:
    """Return the moments of a stream of matrices (any number of rows, D), read once.

    The sums are taken over 4,096 rows at a time, as the matrices come; another cut into matrices
    changes the last bits of float64.

    Raises:
        RecipeError: no vectors, several dimensions, or one that is not finite.
    """
    n = 0
    total = third = np.zeros(0)
    second = np.zeros((0, 0))
    fourth = 0.0
    for matrix in vectors:
        for start in range(0, len(matrix), ROWS):
            rows = matrix[start : start + ROWS].astype(np.float64)
            if not n:
                total, third = np.zeros((2, rows.shape[1]))
                second = np.zeros((rows.shape[1], rows.shape[1]))
            _require_alike(rows, len(total), n, where)
            lengths = np.einsum("nd,nd->n", rows, rows)
            n += len(rows)
            total += rows.sum(axis=0)
            second += rows.T @ rows
            third += lengths @ rows
            fourth += float(lengths @ lengths)
    if not n:
        raise RecipeError("no vectors to learn a metric from; wanted some", where=where)
    return Moments(n, total / n, second / n, third / n, fourth / n)


def _require_alike(rows: F64, dimensions: int, before: int, where: str) -> None:
    if rows.shape[1] != dimensions:
        raise RecipeError(
            f"vectors of {rows.shape[1]} dimensions after some of {dimensions}; wanted all of one "
            "encoder, or of one sketch",
            where=where,
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise RecipeError(
            f"vector {before + bad[0]} is not finite; leave it out, or make the vectors again "
            "(half precision ends at 65,504)",
            where=where,
        )


def ledoit_wolf(moments: Moments) -> float:
    """Return how far to shrink a covariance towards a multiple of the identity, in [0, 1].

    Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88: the expected error of the covariance over its distance
    from the mean eigenvalue times the identity. From moments alone: the sum over x of |x|^4, x
    centered, is expanded.
    """
    covariance = moments.covariance
    n, d = moments.n, len(covariance)
    mean, square = moments.mean, float(moments.mean @ moments.mean)
    centered_fourth = (
        moments.fourth
        - 4 * float(mean @ moments.third)
        + 4 * float(mean @ moments.second @ mean)
        + 2 * square * float(np.trace(moments.second))
        - 3 * square**2
    )
    whole = float(np.sum(covariance**2))
    distance = whole - np.trace(covariance) ** 2 / d
    error = (centered_fourth - whole) / n
    return float(np.clip(error / distance, 0, 1)) if distance > 0 else 1.0


@dataclass(frozen=True)
class Metric:
    """A mean and the Cholesky factor of a covariance.

    Attributes:
        mean: (D,).
        factor: (D, D) lower triangular L; covariance = L L^T.
        shrinkage: share of the covariance that was replaced by its mean eigenvalue.
        n: vectors that it was learned from.
    """

    mean: F64
    factor: F64
    shrinkage: float
    n: int

    @classmethod
    def fit(
        cls,
        moments: Moments,
        *,
        ridge: float = 1e-6,
        shrink: Shrink = "auto",
        where: str = "whitening",
    ) -> Metric:
        """Return the metric of a distribution.

        Args:
            moments: as `gram` returns them.
            ridge: added to the diagonal, as a multiple of the mean variance of a dimension.
            shrink: "auto": where there are fewer than five vectors a dimension.
            where: what an error is about.

        Raises:
            RecipeError: fewer than two vectors a dimension and no shrinkage, all vectors equal, or
                a covariance that is not positive definite with the ridge.
        """
        n, d = moments.n, len(moments.mean)
        if shrink not in ("auto", "always", "never"):
            raise RecipeError(
                f"shrink is {shrink!r}; wanted 'auto', 'always' or 'never'", where=where
            )
        if shrink == "never" and n < LEAST * d:
            raise RecipeError(
                f"{n} vectors of {d} dimensions and no shrinkage; wanted {LEAST * d} or more: give "
                "more documents, fewer dimensions, or shrink: auto",
                where=where,
            )
        covariance = moments.covariance
        variance = float(np.trace(covariance)) / d
        if not variance > 0:
            raise RecipeError(f"{n} vectors are all the same; wanted some that differ", where=where)
        few = shrink == "always" or (shrink == "auto" and n < ENOUGH * d)
        shrinkage = ledoit_wolf(moments) if few else 0.0
        shrunk: F64 = (1 - shrinkage) * covariance
        shrunk[np.diag_indices(d)] += (shrinkage + ridge) * variance
        try:
            factor = np.linalg.cholesky(shrunk)
        except np.linalg.LinAlgError:
            lowest = float(np.linalg.eigvalsh(shrunk)[0])
            raise RecipeError(
                f"the covariance is not positive definite with ridge {ridge!r}: its lowest "
                f"eigenvalue is {lowest!r}; wanted a larger ridge, or shrink: always",
                where=where,
            ) from None
        return cls(moments.mean, np.asarray(factor, np.float64), shrinkage, n)

    def whiten(self, vectors: Vectors) -> NDArray[np.float32]:
        """Return (N, D) float32, of covariance I for vectors like those it was learned from.

        The product is taken in float64: L may be ill conditioned, and a block of rows is small.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise RecipeError(
                f"vectors of shape {vectors.shape} for a metric of {len(self.mean)} dimensions; "
                "wanted both of one encoder, or of one sketch"
            )
        inverse = self.root()
        white = np.empty(vectors.shape, np.float32)
        for start in range(0, len(vectors), ROWS):
            rows = vectors[start : start + ROWS].astype(np.float64)
            white[start : start + ROWS] = (rows - self.mean) @ inverse
        return white

    def units(self, vectors: Vectors, *, where: str = "whitening") -> NDArray[np.float32]:
        """Return the whitened vectors at length one; a vector that is the mean is refused."""
        return directions(self.whiten(vectors), where=where)

    def save(self, path: Path) -> None:
        """Write the metric to a file, "metric.npz"."""
        np.savez(path, mean=self.mean, factor=self.factor, shrinkage=self.shrinkage, n=self.n)

    @classmethod
    def load(cls, path: Path) -> Metric:
        """Return the metric that `save` wrote."""
        with np.load(path, allow_pickle=False) as kept:
            shrinkage, n = float(kept["shrinkage"]), int(kept["n"])
            return cls(kept["mean"], kept["factor"], shrinkage, n)

    def root(self) -> F64:
        """Return (D, D), the transposed inverse of the factor: centered rows times it are white."""
        from scipy.linalg import solve_triangular

        solved: F64 = solve_triangular(self.factor, np.eye(len(self.factor)), lower=True).T
        return np.ascontiguousarray(solved)
