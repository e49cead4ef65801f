"""Predictive strength: how far a document's losses order models as their abilities do.

Shum et al. 2025, "Predictive data selection" (arXiv:2503.00808): over all pairs of models, the
share in which the abler one needs fewer bits. Under models that are alike in all but name every
order of losses is as likely, so what the abilities explain is compared with what they would
explain in any other order of the same models: a permutation test over models.
"""

# Shapes: N documents, K models.
from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

_LEAST_MODELS = 4  # with three, one document in six is in any given order by chance
_EXACT = 8  # models up to which all orders are tried: 40,320
_DRAWS = 10_000
_ROUNDING = 1e-12  # of means that are equal but for the order of their sums


def check_abilities(abilities: NDArray[np.float64], where: str = "") -> None:
    """Refuse abilities that order no models, or too few.

    Raises:
        RecipeError: fewer than four, one that is no number, or two that are equal.
    """
    found = abilities.tolist()
    if len(found) < _LEAST_MODELS:
        raise RecipeError(
            f"{len(found)} models; wanted {_LEAST_MODELS} or more, or their order says nothing: "
            "train a swarm, `models: {swarm: {train: {count: 8, ...}}}`",
            where=where,
        )
    if not np.isfinite(abilities).all():
        raise RecipeError(f"abilities {found}; wanted numbers", where=where)
    if len(np.unique(abilities)) < len(found):
        raise RecipeError(
            f"abilities {found} have ties; wanted models that differ: train them on more tokens "
            "or mixtures further apart, or measure them on more text",
            where=where,
        )


def concordance(bits_NK: NDArray[np.float64], abilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return in how many of the K (K - 1) / 2 pairs of models the abler needs fewer bits, (N,).

    A tie of bits is no concordance.

    Args:
        bits_NK: of each document under each model.
        abilities: (K,) of the models, higher is better.
    """
    ordered = np.ascontiguousarray(bits_NK[:, np.argsort(-abilities)].T)
    found = np.zeros(len(bits_NK), np.int64)
    for better, worse in itertools.combinations(ordered, 2):
        found += better < worse
    return found


def report_of(bits_NK: NDArray[np.float64], abilities: NDArray[np.float64]) -> dict[str, Any]:
    """Return what the abilities explain of the documents' losses, and what chance would.

    `at_top` is of documents that order all models as the abilities do. Each document without ties
    is at the top of exactly one of the K! orders, so under permuted abilities their expected number
    is a K!-th of those; `p` is the share of orders with as many documents as this one, this one
    included. `mean` is the mean concordance as a share of pairs, against all orders of the
    abilities (K <= 8) or 10,000 drawn ones.

    Args:
        bits_NK: of each document under each model.
        abilities: (K,) of the models, higher is better; no ties.
    """
    count, models = bits_NK.shape
    pairs = models * (models - 1) // 2
    found = concordance(bits_NK, abilities)
    top, rivals = _at_top(bits_NK, abilities)
    ordered = bits_NK[(np.diff(np.sort(bits_NK, axis=1), axis=1) > 0).all(axis=1)]
    orders = math.factorial(models)
    expected = len(ordered) / orders
    return {
        "documents": count,
        "pairs": pairs,
        "abilities": abilities.tolist(),
        "histogram": np.bincount(found, minlength=pairs + 1).tolist(),
        "at_top": {
            "documents": top,
            "expected": expected,
            "enrichment": top / expected if expected else None,
            "p": rivals / orders,
        },
        "mean": _mean_test(bits_NK, abilities),
    }


def _at_top(bits_NK: NDArray[np.float64], abilities: NDArray[np.float64]) -> tuple[int, int]:
    """Return how many documents order the models as abilities do, and how many of all orders of
    models have as many or more."""
    ranked = np.sort(bits_NK, axis=1)
    ordered = (np.diff(ranked, axis=1) > 0).all(axis=1)
    orders, counts = np.unique(np.argsort(bits_NK[ordered], axis=1), axis=0, return_counts=True)
    mine = (orders == np.argsort(-abilities)).all(axis=1)
    top = int(counts[mine].sum())
    return top, int((counts >= top).sum()) if top else math.factorial(bits_NK.shape[1])


def _mean_test(bits_NK: NDArray[np.float64], abilities: NDArray[np.float64]) -> dict[str, float]:
    """Return the mean share of concordant pairs, and its mean, deviation and tail under orders."""
    models = bits_NK.shape[1]
    first, second = np.triu_indices(models, 1)
    # One model at a time: N x K x K booleans might not fit.
    wins = np.array([(bits_NK[:, [k]] < bits_NK).mean(axis=0) for k in range(models)])
    orders = _orders(models)
    means = wins[orders[:, first], orders[:, second]].mean(axis=1)
    mine = np.argsort(-abilities)
    observed = float(wins[mine[first], mine[second]].mean())
    drawn = int(models > _EXACT)  # all orders hold the abilities' own; drawn ones need not
    return {
        "share": observed,
        "expected": float(means.mean()),
        "deviation": float(means.std()),
        "p": float((drawn + (means >= observed - _ROUNDING).sum()) / (drawn + len(means))),
    }


def _orders(models: int) -> NDArray[np.int64]:
    """Return orders of models, one a row: all of them, or as many as are drawn."""
    if models <= _EXACT:
        return np.array(list(itertools.permutations(range(models))))
    random = np.random.default_rng(0)
    return random.permuted(np.tile(np.arange(models), (_DRAWS, 1)), axis=1)
