"""Which vectors a target vector is made of: nonnegative Lasso and ridge, cross-validated.

A task's head as a sparse combination of the heads of source tasks (L1-A-MTRL: Wang, Chen, Jamieson
and Du 2023, arXiv:2306.02556): nu = argmin 1/2 |W nu - w|**2 + penalty * sum nu, nu >= 0. Columns
are brought to length one first, so that the penalty asks the same of all. Dozens of columns: what
costs is their Gram matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

# Shapes: M sources, D dimensions, K folds of the target's examples, P penalties.
F64 = NDArray[np.float64]
Kind = Literal["lasso", "ridge"]
PENALTIES: Final = 60
_SMALLEST: Final = 1e-4  # of the penalties, times the largest
_ROUNDS: Final = 10_000
_SETTLED: Final = 1e-12  # of the largest coefficient's change


@dataclass(frozen=True)
class Relevance:
    """How much of each source a target is made of.

    Attributes:
        weights: (M,) at least 0, of sum 1; all 0 if no source helps.
        penalty: that was chosen, as a share of the smallest that lets no source in.
        errors: (P,) mean over folds of the held-out |W nu - w|**2 / |w|**2, for falling penalties.
        error: at the penalty that was chosen.
        closest: the largest cosine between two sources: near 1, they may split their weight.
    """

    weights: F64
    penalty: float
    errors: F64
    error: float
    closest: float


def nonnegative(gram_MM: F64, inner_M: F64, penalty: float = 0.0) -> F64:
    """Return nu >= 0 that minimizes 1/2 nu^T G nu - b^T nu + penalty * sum(nu), (M,).

    Coordinate descent, to a change of 1e-12 of the largest coefficient; a ridge goes into G.
    """
    nu = np.zeros(len(inner_M))
    for _ in range(_ROUNDS):
        moved = 0.0
        for j in range(len(nu)):  # each step needs the one before; M is dozens
            rest = inner_M[j] - penalty - gram_MM[j] @ nu + gram_MM[j, j] * nu[j]
            value = max(0.0, rest / gram_MM[j, j])
            moved, nu[j] = max(moved, abs(value - nu[j])), value
        if moved <= _SETTLED * max(1e-300, nu.max(initial=0.0)):
            break
    return nu


def relevance(
    sources_MD: F64, folds_KD: F64, *, kind: Kind = "lasso", where: str = "relevance"
) -> Relevance:
    """Return how much of each source the target is made of, by the penalty that predicts best.

    A penalty is judged by how near the combination that all folds but one ask for comes to the
    one left out. Of the penalties within one standard error of the best, the largest is taken: the
    fewest sources that say as much (Breiman, Friedman, Olshen and Stone 1984).

    Args:
        sources_MD: a vector a source.
        folds_KD: the target's vector by each of K parts of equally many of its examples.
        kind: "lasso": weights in proportion to nu; "ridge": penalty / 2 * |nu|**2 instead, and
            weights in proportion to nu**2.
        where: what an error is about.

    Raises:
        RecipeError: fewer than two folds, other dimensions, or a source or target of length 0.
    """
    _require(sources_MD, folds_KD, where)
    norms = np.linalg.norm(sources_MD, axis=1)
    unit = sources_MD / norms[:, None]
    gram = unit @ unit.T
    inner_KM = folds_KD @ unit.T
    whole = inner_KM.mean(axis=0)
    scale = float(whole.max()) if kind == "lasso" else 1.0
    closest = float((gram - 2 * np.eye(len(gram))).max()) if len(gram) > 1 else 0.0
    if not whole.max() > 0:  # every combination is farther from the target than none
        return Relevance(np.zeros(len(unit)), 1.0, np.ones(1), 1.0, closest)
    path = np.geomspace(1.0, _SMALLEST, PENALTIES) * (1 if kind == "lasso" else 100)
    errors_PK = _held_out(gram, inner_KM, folds_KD, path * scale, kind)
    errors = errors_PK.mean(axis=1)
    best = int(errors.argmin())
    slack = errors_PK[best].std(ddof=1) / np.sqrt(len(folds_KD))
    chosen = int(np.flatnonzero(errors <= errors[best] + slack)[0])
    nu = _solved(gram, whole, float(path[chosen]) * scale, kind) / norms
    weights = nu**2 if kind == "ridge" else nu
    total = float(weights.sum())
    shares = weights / total if total > 0 else np.zeros_like(weights)
    return Relevance(shares, float(path[chosen]), errors, float(errors[chosen]), closest)


def _solved(gram: F64, inner: F64, penalty: float, kind: Kind) -> F64:
    if kind == "lasso":
        return nonnegative(gram, inner, penalty)
    return nonnegative(gram + penalty * np.eye(len(gram)), inner)


def _held_out(gram: F64, inner_KM: F64, folds_KD: F64, penalties: F64, kind: Kind) -> F64:
    """Return (P, K) the error on each fold of what the others ask for."""
    k = len(folds_KD)
    squares = np.einsum("kd,kd->k", folds_KD, folds_KD)
    found = np.empty((len(penalties), k))
    for fold in range(k):
        others = (inner_KM.sum(axis=0) - inner_KM[fold]) / (k - 1)
        for place, penalty in enumerate(penalties):
            nu = _solved(gram, others, float(penalty), kind)
            missed = nu @ gram @ nu - 2 * inner_KM[fold] @ nu + squares[fold]
            found[place, fold] = missed / squares[fold]
    return found


def _require(sources_MD: F64, folds_KD: F64, where: str) -> None:
    if len(folds_KD) < 2 or sources_MD.shape[1:] != folds_KD.shape[1:]:
        raise RecipeError(
            f"sources of shape {sources_MD.shape}, folds of {folds_KD.shape}; wanted two folds or "
            "more, and vectors of one encoder or one sketch",
            where=where,
        )
    for what, vectors in (("source", sources_MD), ("fold of the target", folds_KD)):
        norms = np.linalg.norm(vectors, axis=1)
        wrong = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
        if len(wrong):
            raise RecipeError(
                f"{what} {wrong[0]} has a vector of length {norms[wrong[0]]!r}; wanted finite "
                "lengths above 0: leave out what has no text",
                where=where,
            )
