"""How dense a set of vectors is anywhere: principal directions, then kernels or nearest neighbors.

Vectors are projected to the few directions that they vary in, whitened by the set's own covariance
and compared with every vector of the set. Costs 2 * N * S * R operations for N vectors beside S in
R dimensions; memory is the set and one block of products, 32 MB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from curator.embed.whitening import Metric, Moments, gram
from curator.errors import LedgerError, RecipeError

# Shapes: N queries, S vectors of the set, D dimensions of the encoder, R that are kept.
F64 = NDArray[np.float64]
Vectors = NDArray[np.floating[Any]]
Estimator = Literal["kernels", "nearest"]

# The project's specification (refine-mix-validate.md, R9) refuses fewer vectors a dimension.
ENOUGH: Final = 10
_QUERIES: Final = 1024  # at once; the last block is filled up, so that a row's sum has one shape
_STORED: Final = 4096
_NEAREST: Final = 1e-9  # least distance, in deviations: a copy of k others is not infinitely dense
_FILE: Final = "density.npz"


@dataclass(frozen=True)
class Principal:
    """The directions in which vectors vary most.

    Attributes:
        mean: (D,).
        axes: (R, D) orthonormal, the most varying first.
        explained: share of the variance that lies in them.
    """

    mean: F64
    axes: F64
    explained: float


def principal(parts: tuple[Moments, ...], most: int, least_share: float) -> Principal:
    """Return the directions of several sets, each of which counts alike whatever its size.

    Args:
        parts: moments of each set.
        most: directions at most.
        least_share: of the variance; no more directions are kept than reach it.
    """
    mean = np.mean([part.mean for part in parts], axis=0)
    covariance = np.mean([part.second for part in parts], axis=0) - np.outer(mean, mean)
    values, columns = np.linalg.eigh(covariance)
    values = np.clip(values[::-1], 0, None)
    reached = np.cumsum(values) / max(float(values.sum()), np.finfo(float).tiny)
    kept = min(most, int(np.searchsorted(reached, least_share - 1e-12)) + 1, len(values))
    return Principal(mean, columns[:, ::-1][:, :kept].T.copy(), float(reached[kept - 1]))


@dataclass(frozen=True)
class Density:
    """A set of vectors, ready to be asked how dense it is.

    Attributes:
        mean: (D,), what is subtracted first.
        basis: (D, R), projects and whitens at once.
        points: (S, R), the set so seen.
        log_det: log of the volume that whitening shrinks to 1.
        estimator: "kernels": Gaussians of Scott's width, the covariance's shape; "nearest": k over
            the volume that reaches the k-th nearest (Loftsgaarden and Quesenberry 1965, "A
            nonparametric estimate of a multivariate density function").
        k: of "nearest".
    """

    mean: F64
    basis: F64
    points: F64
    log_det: float
    estimator: Estimator
    k: int

    @classmethod
    def fit(
        cls, vectors: Vectors, plane: Principal, *, estimator: Estimator, k: int, where: str
    ) -> Density:
        """Return the density of a set.

        Raises:
            RecipeError: fewer than ten vectors a dimension, all alike, or one that is not finite.
        """
        dimensions = len(plane.axes)
        if len(vectors) < ENOUGH * dimensions:
            raise RecipeError(
                f"{len(vectors)} vectors in {dimensions} dimensions; wanted {ENOUGH} a dimension, "
                f"{ENOUGH * dimensions}: give more reference documents, or set `dimensions` to at "
                f"most {len(vectors) // ENOUGH}",
                where=where,
            )
        flat = (vectors.astype(np.float64) - plane.mean) @ plane.axes.T
        metric = Metric.fit(gram([flat], where=where), shrink="never", where=where)
        basis = plane.axes.T @ np.linalg.inv(metric.factor).T
        mean = plane.mean + metric.mean @ plane.axes
        points = (vectors.astype(np.float64) - mean) @ basis
        log_det = float(np.log(np.diag(metric.factor)).sum())
        return cls(mean, basis, points, log_det, estimator, k)

    def save(self, out: Path, *, encoder: str, threshold: float) -> None:
        """Write what `load_density` reads into the folder `out`."""
        np.savez(
            out / _FILE,
            mean=self.mean,
            basis=self.basis,
            points=self.points,
            numbers=np.array([self.log_det, threshold, self.k]),
            words=np.array([self.estimator, encoder]),
        )

    def at(self, vectors: Vectors) -> F64:
        """Return (N,) the log density at vectors, in nats; the rows beside one do not change it.

        Raises:
            RecipeError: vectors of other dimensions, or one that is not finite.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise RecipeError(
                f"vectors of shape {vectors.shape} for a density in {len(self.mean)} dimensions; "
                "wanted both of one encoder"
            )
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise RecipeError(f"vector {bad[0]} is not finite; embed again, or leave it out")
        parts = [np.zeros(0)]
        for begin in range(0, len(vectors), _QUERIES):
            rows = vectors[begin : begin + _QUERIES]
            block = np.tile(self.mean, (_QUERIES, 1))
            block[: len(rows)] = rows
            parts.append(self._of_block((block - self.mean) @ self.basis, None)[: len(rows)])
        return np.concatenate(parts)

    def left_out(self) -> F64:
        """Return (S,) the log density at each vector of the set, of the set without it.

        The width of kernels and the metric are those of the whole set.
        """
        parts = []
        for begin in range(0, len(self.points), _QUERIES):
            rows = self.points[begin : begin + _QUERIES]
            block = np.zeros((_QUERIES, self.points.shape[1]))
            block[: len(rows)] = rows
            parts.append(self._of_block(block, begin)[: len(rows)])
        return np.concatenate(parts)

    def _of_block(self, block: F64, first: int | None) -> F64:
        """Return the log density at whitened points; `first`: their place in the set, left out."""
        others = len(self.points) - (first is not None)
        found = self._kernels if self.estimator == "kernels" else self._nearest
        log_sum: F64 = found(self._squares(block, first)) - math.log(others) - self.log_det
        return log_sum

    def _squares(self, block: F64, first: int | None) -> Iterator[F64]:
        """Yield squared distances (N, B) to the set, a block of it at a time; infinite to self."""
        own = np.einsum("nr,nr->n", block, block)[:, None]
        for begin in range(0, len(self.points), _STORED):
            stored = self.points[begin : begin + _STORED]
            squares = own + np.einsum("sr,sr->s", stored, stored) - 2 * (block @ stored.T)
            np.clip(squares, 0, None, out=squares)
            if first is not None:
                places = first + np.arange(len(block)) - begin
                inside = np.flatnonzero((places >= 0) & (places < len(stored)))
                squares[inside, places[inside]] = np.inf
            yield squares

    def _kernels(self, blocks: Iterator[F64]) -> F64:
        """Return the log of the sum of kernels; Scott's factor n ** (-1 / (d + 4)) is their width.

        Scott 1992, "Multivariate Density Estimation", section 6.2; what scipy.stats.gaussian_kde
        takes unless told.
        """
        count, dimensions = self.points.shape
        width = count ** (-1 / (dimensions + 4))
        total = np.full(_QUERIES, -np.inf)
        for squares in blocks:
            exponents = squares / (-2 * width**2)
            highest = np.maximum(total, exponents.max(axis=1))
            summed = np.exp(exponents - highest[:, None]).sum(axis=1) + np.exp(total - highest)
            total = highest + np.log(summed)
        logs: F64 = total - dimensions * (math.log(2 * math.pi) / 2 + math.log(width))
        return logs

    def _nearest(self, blocks: Iterator[F64]) -> F64:
        """Return log(k / volume of the ball that reaches the k-th nearest)."""
        dimensions = self.points.shape[1]
        kept = np.full((_QUERIES, self.k), np.inf)
        for squares in blocks:
            both = np.concatenate([kept, squares], axis=1)
            kept = np.partition(both, self.k - 1, axis=1)[:, : self.k]
        radius = np.maximum(np.sqrt(kept.max(axis=1)), _NEAREST)
        unit = dimensions / 2 * math.log(math.pi) - math.lgamma(dimensions / 2 + 1)
        logs: F64 = math.log(self.k) - unit - dimensions * np.log(radius)
        return logs


def load_density(folder: Path | None, *, encoder: str, where: str) -> tuple[Density, float]:
    """Return the density that a fit saved, and its threshold.

    Raises:
        LedgerError: there is none.
        RecipeError: it was learned from vectors of another encoder than `encoder`'s digest.
    """
    if folder is None:
        raise LedgerError(f"{where} has no density; wanted the folder of its fit", where=where)
    with np.load(folder / _FILE, allow_pickle=False) as saved:
        estimator, made_by = (str(word) for word in saved["words"])
        log_det, threshold, k = (float(number) for number in saved["numbers"])
        mean, basis, points = saved["mean"], saved["basis"], saved["points"]
    if made_by != encoder:
        raise RecipeError(
            f"a density of vectors of encoder {made_by!r} beside documents of {encoder!r}; fit "
            "again: one run compares vectors of one encoder",
            where=where,
        )
    kind: Estimator = "nearest" if estimator == "nearest" else "kernels"
    return Density(mean, basis, points, log_det, kind, int(k)), threshold
