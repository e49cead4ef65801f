"""Exponential mixing law: a domain's loss as a function of the shares of a mixture.

Source: Ye et al. 2024, Data Mixing Laws (arXiv 2403.16952): L_i(p) = c_i + k_i exp(sum_j t_ij p_j).
As shares sum to 1, k_i = exp(mean of t_i) with the rest of t_i centered: k is no parameter of its
own, and a law of d domains has d + 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from curator.errors import BudgetError, RecipeError
from curator.laws.fit import fit, held_out
from curator.laws.form import Floats, Form, Parameter
from curator.laws.law import Law, Prediction
from curator.laws.pose import Pull

DELTA = 0.02  # Huber's; olmix (allenai/regmixer) fits the same law with it
# Penalty on each t's distance from the t that domains share: weights to choose from, and the
# distance from which it grows like a logarithm (most domains teach alike, a few much more). Both,
# and the rule of one standard error, were chosen on RegMix's 1M-parameter runs alone: mean rank
# correlation of laws of 64 runs with the others, 13 targets, 4 subsets: without a penalty 0.929,
# the best weight out of fold 0.944, with the rule 0.946; tail 0.1: 0.943, tail 1: 0.937.
WEIGHTS = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
TAIL = 0.3
SUM_TOLERANCE = 5e-3  # published mixtures of 17 shares are rounded to three digits


@dataclass(frozen=True)
class ExponentialMixing(Form):
    """L = c + exp(sum_j t_j p_j): shares p of the named domains."""

    domains: tuple[str, ...]
    name: ClassVar[str] = "exp_mixing"
    scale: ClassVar[Literal["log", "linear"]] = "linear"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The domains."""
        return self.domains

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """c, and one t a domain: the log of what the domain alone leaves above c."""
        slopes = (
            Parameter(f"t_{domain}", -1000.0, 50.0, positive=False) for domain in self.domains
        )
        return (Parameter("c", 1e-6, 1e3), *slopes)

    @property
    def least(self) -> tuple[int, ...]:
        """Two shares a domain: one that never changes has no effect to be seen."""
        return (2,) * len(self.domains)

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        floor = np.exp(q_Bp[:, 0:1])
        above = np.exp(np.clip(q_Bp[:, 1:] @ x_nk.T, -300, 300))
        slopes = np.empty((*above.shape, q_Bp.shape[1]))
        slopes[:, :, 0] = floor
        np.multiply(above[:, :, None], x_nk, out=slopes[:, :, 1:])
        return floor + above, slopes

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 30 starts: ten floors, three ridges in the regression of log(y - c) on shares."""
        rows = []
        for part in (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 0.95):
            floor = part * y_n.min()
            log_above = np.log(y_n - floor)
            for strength in (1e-3, 1e-1, 10.0):
                middle = log_above.mean()
                gram = x_nk.T @ x_nk + strength * np.eye(x_nk.shape[1])
                slopes = middle + np.linalg.solve(
                    gram, x_nk.T @ (log_above - x_nk.sum(axis=1) * middle)
                )
                rows.append([floor, *np.clip(slopes, -19, 19)])
        return np.array(rows)


@dataclass(frozen=True)
class MixingLaw:
    """One exponential law a target over the same domains.

    Attributes:
        laws: by target.
        weights: of the penalty that drew each law's t together, chosen out of fold.
        out_of_fold: rank correlation (Spearman) of targets with predictions by laws that did not
            see them: what to trust a ranking by.
        shares_nk: the mixtures that were fitted.
    """

    laws: Mapping[str, Law]
    weights: Mapping[str, float]
    out_of_fold: Mapping[str, float]
    shares_nk: Floats

    def predict(self, shares: ArrayLike, target: str) -> Prediction:
        """Return the target's loss predicted for mixtures (n, k), with intervals."""
        return self.laws[target].predict(shares)

    def distance(self, shares: ArrayLike) -> Floats:
        """Return each mixture's distance (n,) to the nearest fitted one: half the sum of changes.

        It is the share of the mixture that would have to move; far from all runs a law guesses.
        """
        asked = _shares(shares, self.shares_nk.shape[1])
        moved = np.abs(asked[:, None, :] - self.shares_nk[None]).sum(axis=2)
        return np.asarray(0.5 * moved.min(axis=1))


def fit_mixing(
    shares: ArrayLike,
    losses: Mapping[str, ArrayLike],
    *,
    domains: Sequence[str],
    weights: Sequence[float] = WEIGHTS,
    folds: int = 8,
    delta: float = DELTA,
    draws: int = 200,
    seed: int = 0,
) -> MixingLaw:
    """Return the exponential law of each target, its penalty chosen out of fold.

    Args:
        shares: (n, k) mixtures, one run a row, in the order of `domains`.
        losses: (n,) by target.
        domains: names of the k domains.
        weights: of the penalty, to choose from out of fold; it draws the t of all domains
            together, toward "every domain teaches the same".
        folds: parts of the runs that are held out in turn; runs are dealt in the order given.
        delta: Huber's, on log residuals.
        draws: bootstrap resamples of the runs.
        seed: of the bootstrap.

    Raises:
        RecipeError: shares that are negative or do not sum to 1.
        BudgetError: fewer than two runs a domain.
    """
    shares_nk = _shares(shares, len(domains))
    if len(shares_nk) < 2 * len(domains):
        text = (
            f"{len(shares_nk)} runs for {len(domains)} domains: an exponential mixing law wants "
            f"two a domain; add {2 * len(domains) - len(shares_nk)} runs or merge domains"
        )
        raise BudgetError(text)
    form = ExponentialMixing(tuple(domains))
    laws, chosen, ranked = {}, {}, {}
    for target, loss in losses.items():
        plain = fit(form, shares_nk, loss, delta=delta, draws=0)
        chosen[target], ranked[target] = _choose(plain, shares_nk, loss, weights, folds, delta)
        pulls = _pulls(plain, chosen[target])
        laws[target] = fit(form, shares_nk, loss, delta=delta, pulls=pulls, draws=draws, seed=seed)
    return MixingLaw(laws, chosen, ranked, shares_nk)


def _shares(shares: ArrayLike, domains: int) -> Floats:
    shares_nk = np.atleast_2d(np.asarray(shares, dtype=np.float64))
    if shares_nk.shape[1] != domains:
        text = f"mixtures of {shares_nk.shape[1]} shares for {domains} domains: give one share each"
        raise RecipeError(text)
    sums = shares_nk.sum(axis=1)
    bad = ~(np.abs(sums - 1) <= SUM_TOLERANCE) | (shares_nk < 0).any(axis=1)
    if bad.any():
        at = int(np.argmax(bad))
        text = f"mixture {at} sums to {sums[at]:.6g}: shares must be >= 0 and sum to 1; rescale it"
        raise RecipeError(text)
    return shares_nk


def _pulls(plain: Law, weight: float) -> dict[str, Pull]:
    """Return penalties toward the t that domains share: the median of the plain fit's."""
    names = plain.form.names[1:]
    center = float(np.median([plain.parameters[name] for name in names]))
    return dict.fromkeys(names, Pull(weight, center, TAIL))


def _choose(
    plain: Law,
    shares_nk: Floats,
    loss: ArrayLike,
    weights: Sequence[float],
    folds: int,
    delta: float,
) -> tuple[float, float]:
    """Return the weight chosen by its error out of fold, and its rank correlation there."""
    target_n = np.asarray(loss, dtype=np.float64)
    fold_n = np.arange(len(shares_nk)) % folds
    held = [
        held_out(plain, shares_nk, target_n, fold_n, delta=delta, pulls=_pulls(plain, weight))
        for weight in sorted(weights)
    ]
    errors_Wn = np.abs(np.log(np.array(held)) - np.log(target_n))
    chosen = _simplest(errors_Wn)
    return sorted(weights)[chosen], rank_correlation(held[chosen], target_n)


def _simplest(errors_Wn: Floats) -> int:
    """Return the last row whose mean error is within one standard error of the least.

    The rule of Breiman et al. 1984 (Classification and Regression Trees, section 3.4.3), with the
    standard error of the difference from the best row, as both see the same runs.
    """
    more = errors_Wn - errors_Wn[errors_Wn.mean(axis=1).argmin()]
    error = more.std(axis=1, ddof=1) / np.sqrt(errors_Wn.shape[1])
    return int(np.flatnonzero(more.mean(axis=1) <= error)[-1])


def rank_correlation(a_n: Floats, b_n: Floats) -> float:
    """Return Spearman's correlation, ties at their mean rank."""
    return float(np.corrcoef(rankdata(a_n), rankdata(b_n))[0, 1])
