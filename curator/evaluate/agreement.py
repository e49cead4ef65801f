"""Do two measurements put recipes in the same order? A small proxy's and a large one's, say.

Decision accuracy is the share of pairs of recipes that both order alike (DataDecide,
arXiv:2504.11393): the chance that picking the better of two by the small proxy is right. Beside
it Kendall's tau-b and Spearman's rho. A metric that is to decide needs a spread over recipes well
above its noise over seeds.
"""

# Shapes: R recipes, S seeds of the small measurement, L of the large one, B resamples.
from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from curator.errors import BudgetError, RecipeError
from curator.evaluate.statistics import CONFIDENCE
from curator.score.correlation import average_ranks
from curator.score.heldout import spearman

RESAMPLES = 2000
PERMUTATIONS = 10_000
MOST_EXACT = 7  # recipes: 5,040 orders are all looked at, of more a random part
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one measurement's order of recipes foretells another's.

    Attributes:
        accuracy: share of pairs ordered alike, in [0, 1]; a tie in the small one counts half,
            pairs that tie in the large one are left out.
        low: lower end of its interval over recipes and seeds.
        high: upper end.
        tau: Kendall's tau-b.
        spearman: Spearman's rank correlation.
        p: two-sided, of a correlation as strong if the order were chance.
        recipes: how many were ordered.
        pairs: of recipes that were compared.
    """

    accuracy: float
    low: float
    high: float
    tau: float
    spearman: float
    p: float
    recipes: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How far recipes differ in a metric and how noisy it is, both in its unit.

    `noise` is the standard deviation over seeds of one recipe's number beside those of the others
    from the same seed; `spread` that of recipes' means; `ratio` spread over noise: higher is
    better (inf without noise).
    """

    noise: float
    spread: float
    ratio: float


def agreement(
    small: ArrayLike,
    large: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Return how the order of recipes by the mean of `small` fits the one by that of `large`.

    The interval is a percentile bootstrap: recipes are drawn again, and seeds of either
    measurement, the same ones for all recipes. Both must be better in the same direction.

    Args:
        small: (R,) or (R, S) numbers.
        large: (R,) or (R, L) numbers.
        confidence: of the interval.
        resamples: how many times to draw again.
        seed: of the resampling, and of permutations where there are too many to see all.

    Raises:
        RecipeError: other recipes in the two, or a number that is not finite.
        BudgetError: fewer than three recipes, or all alike.
    """
    few, many = _matrix(small), _matrix(large)
    if len(few) != len(many):
        raise RecipeError(f"{len(few)} recipes against {len(many)}; give the same ones in both")
    if len(few) < 3:
        raise BudgetError(f"{len(few)} recipes; an order needs at least 3, better 6")
    x, y = few.mean(1), many.mean(1)
    accuracy, pairs = _accuracy(x[None], y[None])
    if pairs[0] == 0:
        raise BudgetError("all recipes are alike in the larger measurement; nothing to foretell")
    chance = np.random.default_rng(seed)
    drawn = _redrawn(few, many, resamples, chance)
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Agreement(
        float(accuracy[0]),
        float(low),
        float(high),
        kendall(x, y),
        spearman(x, y),
        spearman_p(x, y, chance),
        len(x),
        int(pairs[0]),
    )


def kendall(x: ArrayLike, y: ArrayLike) -> float:
    """Return Kendall's tau-b, in [-1, 1]; nan where one of the two does not vary."""
    signs = [_signs(np.asarray(each, dtype=np.float64)[None])[0] for each in (x, y)]
    size = math.sqrt(float((signs[0] ** 2).sum() * (signs[1] ** 2).sum()))
    return float((signs[0] * signs[1]).sum() / size) if size else math.nan


def spearman_p(x: ArrayLike, y: ArrayLike, chance: np.random.Generator | None = None) -> float:
    """Return the two-sided p of Spearman's correlation by permutation.

    All orders of up to seven recipes are looked at; of more, `PERMUTATIONS` random ones, and the
    order found counts as one of them, so p is never 0.
    """
    a, b = _centered_ranks(x), _centered_ranks(y)
    if len(a) <= MOST_EXACT:
        orders, own = np.array(list(permutations(range(len(a))))), 0
    else:
        chance = np.random.default_rng(0) if chance is None else chance
        orders, own = np.argsort(chance.random((PERMUTATIONS, len(a))), axis=1), 1
    found = abs(b[orders] @ a)
    # Sums of products of halves are exact in float64; the margin is for safety only.
    as_strong = int((found >= abs(float(a @ b)) - 1e-9).sum())
    return (as_strong + own) / (len(orders) + own)


def spread_of(values: ArrayLike) -> Spread:
    """Return noise and spread of a metric from (R, S) numbers, seeds paired over recipes.

    What a seed does to all recipes alike is no noise between them and is taken out first.

    Raises:
        BudgetError: fewer than two recipes or two seeds.
    """
    found = _matrix(values)
    recipes, seeds = found.shape
    if min(recipes, seeds) < 2:
        raise BudgetError(f"{recipes} recipes and {seeds} seeds; noise needs two of either")
    rest = found - found.mean(0) - found.mean(1, keepdims=True) + found.mean()
    noise = math.sqrt(float((rest**2).sum()) / ((recipes - 1) * (seeds - 1)))
    spread = float(found.mean(1).std(ddof=1))
    return Spread(noise, spread, spread / noise if noise else math.inf)


def _matrix(values: ArrayLike) -> Array:
    found = np.asarray(values, dtype=np.float64)
    found = found[:, None] if found.ndim == 1 else found
    if not np.isfinite(found).all():
        raise RecipeError("some numbers are not finite; leave failed runs out")
    return found


def _redrawn(few: Array, many: Array, resamples: int, chance: np.random.Generator) -> Array:
    """Return the decision accuracy of every resample, (B,); nan where one recipe was drawn only."""
    recipes = chance.integers(0, len(few), (resamples, len(few)))
    means = []
    for values in (few, many):
        seeds = chance.integers(0, values.shape[1], (resamples, values.shape[1]))
        means.append(values[recipes[:, :, None], seeds[:, None, :]].mean(2))
    return _accuracy(means[0], means[1], recipes)[0]


def _accuracy(
    x_BR: Array, y_BR: Array, names_BR: NDArray[np.int64] | None = None
) -> tuple[Array, NDArray[np.int64]]:
    """Return the share of pairs ordered alike, (B,), and of how many pairs.

    A recipe drawn twice is no pair with itself.
    """
    ours, theirs = _signs(x_BR), _signs(y_BR)
    counted = theirs != 0
    if names_BR is not None:
        counted &= _signs(names_BR.astype(np.float64)) != 0
    pairs = counted.sum(1)
    alike = (((ours * theirs) + 1) / 2 * counted).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return alike / pairs, pairs


def _signs(x_BR: Array) -> Array:
    """Return which of each pair of columns is larger: 1, 0 or -1, (B, pairs)."""
    one, other = np.triu_indices(x_BR.shape[1], 1)
    return np.sign(x_BR[:, one] - x_BR[:, other])


def _centered_ranks(values: ArrayLike) -> Array:
    """Return ranks less their mean; those that tie share the mean of their ranks."""
    ranks = average_ranks(np.asarray(values, dtype=np.float64))
    centered: Array = ranks - ranks.mean()
    return centered
