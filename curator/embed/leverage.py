"""How much a row alone can say in a direction: leverage scores, Lewis weights, root leverage.

A row's l_p sensitivity is the largest share of ||A x||_p**p that it can have, over all x. For p = 2
it is the leverage score a^T (A^T A)^-1 a. For other p it costs a convex program a row; Lewis
weights, leverage scores of the matrix reweighted by themselves, stand in for it (Cohen and Peng
2015, arXiv:1412.0588). Both are one quadratic form, so that D * D numbers judge any row. Reads the
rows once for leverage and some twenty times for Lewis weights, at 4 * N * D * D operations each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curator.embed.whitening import ROWS, Vectors, gram
from curator.errors import RecipeError

# Shapes: N rows, D dimensions.
F64 = NDArray[np.float64]
Stream = Callable[[], Iterable[Vectors]]  # the same rows each time it is called
# The project's specification (selection.md, B18 and E14).
WORST_CONDITION: Final = 1e8  # of the Gram matrix: float64 then leaves eight digits of a score
RESIDUAL: Final = 1e-6
_ROUNDS: Final = 200  # enough up to p = 3.8; the fixed point is none from 4 on


@dataclass(frozen=True)
class Leverage:
    """The form (a^T M^-1 a)**power by which rows are judged.

    Attributes:
        factor: (D, D) lower triangular L; M = L L^T.
        power: 1 for leverage, p / 2 for Lewis weights and root leverage.
        n: rows that M was learned from, those of zeros included.
        condition: of the Gram matrix, ridge included.
        rounds: of the fixed point; 0: M is the Gram matrix.
        residual: at most by how much a round still changes a weight, relative to it.
    """

    factor: F64
    power: float
    n: int
    condition: float
    rounds: int = 0
    residual: float = 0.0

    def scores(self, rows: Vectors) -> F64:
        """Return (N,) float64, 0 for a row of zeros.

        Raises:
            RecipeError: rows of other dimensions than M.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.factor):
            raise RecipeError(
                f"rows of shape {rows.shape} for a form of {len(self.factor)} dimensions; wanted "
                "both of one encoder, or of one sketch"
            )
        found = np.empty(len(rows))
        for start in range(0, len(rows), ROWS):
            block = rows[start : start + ROWS].astype(np.float64)
            found[start : start + ROWS] = _form(self.factor, block) ** self.power
        return found

    def save(self, path: Path) -> None:
        """Write the form to a file, "leverage.npz"."""
        np.savez(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Leverage:
        """Return the form that `save` wrote."""
        with np.load(path, allow_pickle=False) as kept:
            factor = kept["factor"]
            power, condition, residual = (
                float(kept[name]) for name in ("power", "condition", "residual")
            )
            return cls(factor, power, int(kept["n"]), condition, int(kept["rounds"]), residual)


def leverage(
    rows: Stream, *, p: float = 2.0, ridge: float = 0.0, where: str = "leverage"
) -> Leverage:
    """Return the leverage scores' form, raised to p / 2: for p < 2 "root leverage".

    Woodruff and Yasuda 2023 (arXiv:2306.00732): sampling by root leverage scores preserves
    ||A x||_p with about D rows for 1 <= p < 2.

    Args:
        rows: matrices of any number of rows, D.
        p: the norm; at 2 a score is in [0, 1] and all sum to the rank.
        ridge: added to the diagonal, as a multiple of its mean: the scores of directions that few
            rows have then count for less, and there are scores where the rank is below D.
        where: what an error is about.

    Raises:
        RecipeError: p below 1, a negative ridge, or a condition number above 1e8.
    """
    _require(p, ridge, where)
    moments = gram(rows(), where=where)
    factor, condition = _factored(moments.n * moments.second, ridge, where)
    return Leverage(factor, p / 2, moments.n, condition)


def lewis(rows: Stream, *, p: float, ridge: float = 0.0, where: str = "Lewis weights") -> Leverage:
    """Return the form of Lewis weights w_i = (a_i^T (A^T W**(1 - 2/p) A)^-1 a_i)**(p/2).

    The fixed point is iterated from leverage scores (Cohen and Peng 2015; it contracts
    by |1 - p/2| a round, so p must be below 4) until no weight changes by a millionth. A round's
    largest change is bounded by the eigenvalues of the new form relative to the old one.

    Arguments and errors are those of `leverage`.

    Raises:
        RecipeError: also p of 4 or more, or no fixed point within 200 rounds.
    """
    _require(p, ridge, where)
    if p >= 4:
        raise RecipeError(
            f"p is {p!r}; the fixed point of Lewis weights contracts for p below 4 only",
            where=where,
        )
    found = leverage(rows, p=p, ridge=ridge, where=where)
    if p == 2:
        return found
    for rounds in range(1, _ROUNDS + 1):
        matrix = _reweighted(rows, found)
        factor, _ = _factored(matrix, ridge, where, worst=np.inf)
        residual = _change(factor, found.factor, found.power)
        found = Leverage(factor, p / 2, found.n, found.condition, rounds, residual)
        if residual < RESIDUAL:
            return found
    raise RecipeError(
        f"Lewis weights still change by {found.residual:.2g} after {_ROUNDS} rounds; wanted less "
        f"than {RESIDUAL:g}: p is {p!r}, take one nearer to 2",
        where=where,
    )


def _require(p: float, ridge: float, where: str) -> None:
    if not 1 <= p < np.inf:
        raise RecipeError(f"p is {p!r}; wanted 1 or more: below it is no norm", where=where)
    if not 0 <= ridge < np.inf:
        raise RecipeError(f"ridge is {ridge!r}; wanted 0 or more", where=where)


def _factored(
    matrix: F64, ridge: float, where: str, worst: float = WORST_CONDITION
) -> tuple[F64, float]:
    """Return the Cholesky factor of a Gram matrix with its ridge, and its condition number."""
    d = len(matrix)
    mean = float(np.trace(matrix)) / d
    ridged = matrix + ridge * mean * np.eye(d)
    values = np.linalg.eigvalsh(ridged)
    condition = float(values[-1] / values[0]) if values[0] > 0 else np.inf
    if not condition <= worst or values[0] <= 0:
        rank = int((values > values[-1] / worst).sum()) if values[-1] > 0 else 0
        enough = max(1e-6, 2 * float(values[-1]) / worst / mean) if mean > 0 else 1e-6
        raise RecipeError(
            f"the Gram matrix has condition number {condition:.3g} ({rank} of {d} directions are "
            f"filled) with ridge {ridge!r}; wanted {worst:g} or less: give `ridge: "
            f"{enough:.0e}` or more, more rows, or fewer dimensions",
            where=where,
        )
    factor: F64 = np.asarray(np.linalg.cholesky(ridged), np.float64)
    return factor, condition


def _form(factor: F64, rows: F64) -> F64:
    """Return (N,) a^T (L L^T)^-1 a."""
    from scipy.linalg import solve_triangular

    solved = solve_triangular(factor, rows.T, lower=True, check_finite=False)
    found: F64 = np.einsum("dn,dn->n", solved, solved)
    return found


def _reweighted(rows: Stream, form: Leverage) -> F64:
    """Return A^T W**(1 - 2/p) A for the weights W of a form; a row of zeros has no weight."""
    total = np.zeros_like(form.factor)
    for matrix in rows():
        for start in range(0, len(matrix), ROWS):
            block = matrix[start : start + ROWS].astype(np.float64)
            square = _form(form.factor, block)
            # w = square**(p/2), so that w**(1 - 2/p) = square**(p/2 - 1).
            weight = np.zeros_like(square)
            np.power(square, form.power - 1, out=weight, where=square > 0)
            total += (block * weight[:, None]).T @ block
    return total


def _change(new: F64, old: F64, power: float) -> float:
    """Return the most by which a weight can differ between two forms, relative to it."""
    from scipy.linalg import solve_triangular

    between = solve_triangular(old, new, lower=True)
    values = np.linalg.svd(between, compute_uv=False) ** 2  # of M_new relative to M_old
    return float(max(values[0] ** power, values[-1] ** -power) - 1)
