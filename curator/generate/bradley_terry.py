"""Strengths from comparisons: Bradley and Terry's model with a prior (Biometrika 1952, 39:324).

P(a beats b) = sigmoid(strength of a - strength of b). Verdicts may be probabilities, and the loss
is the cross entropy of QuRating (Wettig et al. 2024, arXiv:2402.09739). The objective is convex;
Newton's method finds its only optimum, each step by conjugate gradients: the Hessian is a graph's
Laplacian plus the prior, so a step costs a pass over the comparisons.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

# 1 / variance of the normal prior on strengths. It is what keeps a document that wins every
# comparison from infinity, and decides between parts that were never compared: all start at 0.
PRIOR = 0.1
_STEPS = 100
_CLOSE = 1e-10  # of the gradient's largest entry

Strengths = NDArray[np.float64]


def fit_strengths(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    p_first: NDArray[np.float64],
    count: int,
    *,
    prior: float = PRIOR,
) -> Strengths:
    """Return (count,) strengths, of mean 0 in every connected part.

    Args:
        first: (c,) which one stood on one side of each comparison.
        second: (c,) which one stood on the other.
        p_first: (c,) in [0, 1], the verdict that the one in `first` has more.
        count: how many there are.
        prior: see `PRIOR`, above 0.

    Raises:
        RecipeError: verdicts that are no probabilities, or no prior.
    """
    if prior <= 0:
        raise RecipeError(f"prior={prior!r}; wanted above 0: without it strengths may be infinite")
    if len(p_first) and not (np.min(p_first) >= 0 and np.max(p_first) <= 1):
        raise RecipeError("verdicts are wanted in [0, 1]")
    strengths = np.zeros(count)
    for _ in range(_STEPS):
        p = _sigmoid(strengths[first] - strengths[second])
        slope = _laid(first, second, p - p_first, count) + prior * strengths
        if not len(slope) or np.abs(slope).max() < _CLOSE:
            break
        step = _solve(first, second, p * (1 - p), slope, prior)
        before = loss(strengths, first, second, p_first, prior)
        share = 1.0  # Newton's step may overshoot far from the optimum: take less of it
        while share > 1e-6:
            after = loss(strengths - share * step, first, second, p_first, prior)
            if after <= before - 1e-4 * share * float(slope @ step):
                break
            share /= 2
        strengths = strengths - share * step
    return strengths


def loss(
    strengths: Strengths,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    p_first: NDArray[np.float64],
    prior: float = PRIOR,
) -> float:
    """Return the cross entropy of the verdicts plus the prior's penalty, in nats."""
    margin = strengths[first] - strengths[second]
    entropy = np.logaddexp(0, -margin) + (1 - p_first) * margin
    return float(entropy.sum() + prior / 2 * (strengths**2).sum())


def _solve(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    weight: NDArray[np.float64],
    wanted: Strengths,
    prior: float,
) -> Strengths:
    """Return x with (Laplacian of `weight` + prior) x = wanted, by conjugate gradients."""

    def times(x: Strengths) -> Strengths:
        return _laid(first, second, weight * (x[first] - x[second]), len(x)) + prior * x

    found = np.zeros_like(wanted)
    rest = wanted.copy()
    way = rest.copy()
    size = float(rest @ rest)
    enough = 1e-24 * size
    for _ in range(2 * len(wanted)):
        if size <= enough:
            break
        image = times(way)
        share = size / float(way @ image)
        found += share * way
        rest -= share * image
        following = float(rest @ rest)
        way = rest + following / size * way
        size = following
    return found


def _laid(
    first: NDArray[np.int64], second: NDArray[np.int64], values: NDArray[np.float64], count: int
) -> Strengths:
    """Return the sums of values at `first` less those at `second`."""
    plus = np.bincount(first, values, minlength=count)
    return np.asarray(plus - np.bincount(second, values, minlength=count))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))
