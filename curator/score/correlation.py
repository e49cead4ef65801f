"""Perplexity correlations: text whose loss rises and falls with a benchmark's error over models.

Thrush, Potts, Hashimoto 2025, "Improving pretraining data using perplexity correlations"
(arXiv:2409.05816): five estimates of how a column of losses goes with the models' errors, and a
projection of them onto sampling weights under caps, so that no document is taken twice. A high
loss in models that err much means text that the good models know: positive is better.

Ranks of ties are averages, where the paper's code breaks ties by position.
"""

# Shapes: N models, D documents or groups of them.
from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

Estimator = Literal["product", "sign", "sign_cdf", "sign_sign", "spearman"]
_LEAST_MODELS = 8  # with fewer, correlations are noise
_NULL_MODELS = 20  # below so many, a permutation null is reported beside the estimates
_NULL_DRAWS = 200
_ROUNDS = 200  # halvings: a float64 has no more digits
_FEASIBLE = 1e-9
ESTIMATORS: tuple[str, ...] = get_args(Estimator)


def check_errors(errors: NDArray[np.float64], where: str = "") -> None:
    """Refuse errors of models that nothing can be correlated with.

    Raises:
        RecipeError: fewer than eight models, an error outside [0, 1], or all errors equal.
    """
    found = errors.tolist()
    if len(found) < _LEAST_MODELS:
        raise RecipeError(
            f"{len(found)} models; wanted {_LEAST_MODELS} or more, or correlations are noise: "
            "train a larger swarm (`count`)",
            where=where,
        )
    if not ((errors >= 0) & (errors <= 1)).all():
        raise RecipeError(f"errors {found}; wanted shares in [0, 1], such as 0.4", where=where)
    if len(np.unique(errors)) == 1:
        raise RecipeError(
            f"all errors are {found[0]}; wanted models that differ on the target", where=where
        )


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1 along the first axis, the average of those that tie, as `values`."""
    order = np.argsort(values, axis=0, kind="stable")
    rising = np.take_along_axis(values, order, axis=0)
    place = np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1))
    new = np.ones(values.shape, bool)
    new[1:] = rising[1:] != rising[:-1]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=0)
    ends = np.ones(values.shape, bool)
    ends[:-1] = new[1:]
    last = np.minimum.accumulate(np.where(ends, place, len(values))[::-1], axis=0)[::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=0)
    return ranks


def estimate(
    losses_ND: NDArray[np.float64], errors: NDArray[np.float64], estimator: Estimator
) -> NDArray[np.float64]:
    """Return how losses go with errors, (D,); NaN where a rank correlation has no losses to rank.

    With pairs (k, l) of models, and sums that sort once instead of running over pairs where the
    formula allows:
      product    mean over k of y x
      sign       mean over pairs of sign(y_k - y_l) (x_k - x_l)
      sign_cdf   the same with x in place of its empirical distribution: average rank / N
      sign_sign  mean over pairs of sign(y_k - y_l) sign(x_k - x_l)
      spearman   correlation of average ranks

    Args:
        losses_ND: bits per byte.
        errors: (N,) of the models.
        estimator: which.

    Raises:
        RecipeError: a loss is NaN, or no such estimator.
    """
    if np.isnan(losses_ND).any():
        columns = int(np.isnan(losses_ND).any(axis=0).sum())
        raise RecipeError(
            f"{columns} of {losses_ND.shape[1]} columns of losses hold NaN; wanted documents that "
            "every model has scored: leave the others out"
        )
    estimators: dict[str, Callable[..., NDArray[np.float64]]] = {
        "product": _product,
        "sign": _sign,
        "sign_cdf": lambda x, y: _sign(average_ranks(x) / len(x), y),
        "sign_sign": _sign_sign,
        "spearman": _spearman,
    }
    if estimator not in estimators:
        raise RecipeError(f"estimator={estimator!r}; wanted one of {', '.join(ESTIMATORS)}")
    return estimators[estimator](losses_ND, errors)


def _product(losses_ND: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    return _weighed(losses_ND, errors) / len(errors)


def _sign(losses_ND: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over all pairs, each x_k stands with + once for every smaller y and - for every larger."""
    count = len(errors)
    balance = 2 * average_ranks(errors) - count - 1
    return _weighed(losses_ND, balance) / (count * (count - 1) / 2)


def _sign_sign(losses_ND: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """A loop over pairs of models: they are some dozens, and each pass is over all documents."""
    total = np.zeros(losses_ND.shape[1])
    for k, j in itertools.combinations(range(len(errors)), 2):
        direction = np.sign(errors[k] - errors[j])
        if direction:
            total += direction * np.sign(losses_ND[k] - losses_ND[j])
    return total / (len(errors) * (len(errors) - 1) / 2)


def _spearman(losses_ND: NDArray[np.float64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = (len(errors) + 1) / 2
    ranked = average_ranks(losses_ND) - middle
    wanted = average_ranks(errors) - middle
    spread = np.sqrt((wanted**2).sum() * _weighed(ranked**2, np.ones(len(errors))))
    found = np.full(losses_ND.shape[1], np.nan)
    np.divide(_weighed(ranked, wanted), spread, out=found, where=spread > 0)
    return found


def _weighed(rows_ND: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum of rows, added in their order: the same for a column whatever is
    beside it, as a matrix product need not be."""
    total = np.zeros(rows_ND.shape[1])
    for weight, row in zip(weights.tolist(), rows_ND, strict=True):
        total += weight * row
    return total


def caps(tokens: NDArray[np.integer[Any]], rate: float, *, where: str = "") -> NDArray[np.float64]:
    """Return the weight that each document may have at most, (D,), if none is to be read twice.

    Args:
        tokens: size of each, in any unit.
        rate: the share of all tokens that is wanted, in (0, 1).
        where: what an error is about.

    Raises:
        RecipeError: the rate is no such share, or a document has no size.
    """
    if not 0 < rate < 1:
        raise RecipeError(f"rate={rate!r}; wanted a share of the tokens in (0, 1)", where=where)
    if not (tokens > 0).all():
        raise RecipeError(
            f"{int((tokens <= 0).sum())} documents have no tokens; wanted documents with text",
            where=where,
        )
    found: NDArray[np.float64] = tokens / tokens.sum() / rate
    return found


def _check_caps(most: NDArray[np.float64]) -> None:
    if not (most > 0).all():
        raise RecipeError(f"a cap is {most.min()}; wanted caps above 0")
    if most.sum() < 1 - _FEASIBLE:
        raise RecipeError(
            f"caps sum to {most.sum():.3f}; wanted at least 1, or no weights can: raise the rate "
            "or give more documents"
        )


def project_linear(
    estimates: NDArray[np.float64], most: NDArray[np.float64], ties: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return weights, (D,), that sum to 1 and maximize the weighted estimate under caps.

    From the highest estimate down each has its cap until one is left with the remainder. So the
    weights depend on the order of the estimates alone.

    Args:
        estimates: of each.
        most: its cap.
        ties: of equal estimates, that with the lower number comes first.

    Raises:
        RecipeError: caps that are not positive, or sum to less than 1.
    """
    _check_caps(most)
    order = np.lexsort((ties, -estimates))
    before = np.cumsum(most[order]) - most[order]
    weights = np.empty_like(most)
    weights[order] = np.clip(1 - before, 0, most[order])
    return weights


def project_l2(
    estimates: NDArray[np.float64], most: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the weights nearest to the estimates that sum to 1 under caps, (D,), and a shift.

    They are clip(estimates + shift, 0, caps); the shift is found by bisection.

    Raises:
        RecipeError: caps that are not positive, or sum to less than 1.
    """
    _check_caps(most)
    low, high = -float(estimates.max()), float((most - estimates).max())  # sums 0 and all caps
    for _ in range(_ROUNDS):
        shift = (low + high) / 2
        if np.clip(estimates + shift, 0, most).sum() < 1:
            low = shift
        else:
            high = shift
    return np.clip(estimates + high, 0, most), high


def null_report(
    losses_ND: NDArray[np.float64], errors: NDArray[np.float64], estimator: Estimator
) -> dict[str, Any] | None:
    """Return what is estimated under permuted errors; None with so many models that no one asks.

    The number compared is the 95th percentile over documents of the estimate: what a selection of
    the best stands on. `p` is the share of permutations, this one included, in which it is as high.

    Args:
        losses_ND: bits per byte of some documents.
        errors: (N,) of the models.
        estimator: which.
    """
    if len(errors) >= _NULL_MODELS or not losses_ND.shape[1]:
        return None
    random = np.random.default_rng(0)
    observed = _top(estimate(losses_ND, errors, estimator))
    drawn = np.array(
        [
            _top(estimate(losses_ND, random.permutation(errors), estimator))
            for _ in range(_NULL_DRAWS)
        ]
    )
    return {
        "documents": losses_ND.shape[1],
        "permutations": _NULL_DRAWS,
        "percentile_95": observed,
        "expected": float(drawn.mean()),
        "deviation": float(drawn.std()),
        "p": float((1 + (drawn >= observed).sum()) / (1 + _NULL_DRAWS)),
    }


def _top(estimates: NDArray[np.float64]) -> float:
    known = estimates[~np.isnan(estimates)]
    return float(np.quantile(known, 0.95)) if len(known) else 0.0
