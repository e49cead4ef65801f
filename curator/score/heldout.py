"""What a learned score is worth on documents that it has not learned from: numbers for a report.

The measures that selection by a cheap imitation needs: does it order (Spearman, AUC), does it find
the top (recall of the true top at the predicted top), are its numbers what they say (calibration),
what becomes of every level of a discrete label, and where thresholds lie.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curator.score.correlation import average_ranks

RATES: Final = (0.03, 0.1, 0.3)  # of recall and of thresholds
BINS: Final = 10
MOST_LEVELS: Final = 20  # a label with more values is not discrete
Numbers = NDArray[np.floating[Any]]


def auc(good: Numbers, bad: Numbers) -> float:
    """Return the chance that a good score exceeds a bad one, ties counting half: in [0, 1].

    Mann-Whitney's U over the number of pairs. NaN if either side is empty.
    """
    if not len(good) or not len(bad):
        return float("nan")
    ascending = np.sort(bad)
    below = np.searchsorted(ascending, good, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(ascending, good, side="right").sum(dtype=np.int64)
    return float((below + not_above) / (2 * len(good) * len(bad)))


def spearman(one: Numbers, other: Numbers) -> float:
    """Return the correlation of average ranks, in [-1, 1]; NaN if either side is constant."""
    ranks = [average_ranks(np.asarray(values, np.float64)) for values in (one, other)]
    a, b = (each - each.mean() for each in ranks)
    size = math.sqrt(float((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / size) if size else math.nan


def recall_of_top(truth: Numbers, score: Numbers, rate: float) -> float:
    """Return how much of the predicted top belongs to the true top, both a share `rate`.

    Without ties this is recall and precision at once. Documents that tie with the last one of the
    true top count as belonging to it; the predicted top is then as large as asked for.
    """
    count = max(1, round(rate * len(truth)))
    top = np.argsort(-score, kind="stable")[:count]
    border = np.partition(truth, len(truth) - count)[len(truth) - count]
    return float((truth[top] >= border).mean())


def calibration(predicted: Numbers, observed: Numbers) -> list[dict[str, float]]:
    """Return the mean of both in ten equal groups of documents, from the lowest prediction up."""
    order = np.argsort(predicted, kind="stable")
    return [
        {
            "documents": len(part),
            "predicted": _short(predicted[part].mean()),
            "observed": _short(observed[part].mean()),
        }
        for part in np.array_split(order, BINS)
        if len(part)
    ]


def levels(
    truth: Numbers, score: Numbers, positive: NDArray[np.bool_], *, classes: bool
) -> list[dict[str, float]]:
    """Return for every value of a discrete label how many documents have it and are found.

    `taken` is the share of them in a predicted top as large as the positive class; `recalled`, for
    predicted labels, the share to which this level is the nearest: a regression that stays near
    the mean recalls none of the outer ones. Empty if the label has more than `MOST_LEVELS` values.
    """
    values = np.unique(truth)
    if len(values) > MOST_LEVELS or not len(truth):
        return []
    count = int(positive.sum())
    taken = np.zeros(len(truth), bool)
    taken[np.argsort(-score, kind="stable")[:count]] = True
    nearest = values[np.abs(score[:, None] - values).argmin(axis=1)]
    found = []
    for value in values:
        of_it = truth == value
        told = {"level": float(value), "documents": int(of_it.sum())}
        told["taken"] = _short(taken[of_it].mean())
        if not classes:
            told["recalled"] = _short((nearest[of_it] == value).mean())
        found.append(told)
    return found


def thresholds(score: Numbers, weight: Numbers) -> list[dict[str, float]]:
    """Return for each of `RATES` the score above which documents weigh that share of all."""
    order = np.argsort(-score, kind="stable")
    passed = np.cumsum(weight[order])
    if not len(order):
        return []
    last = np.searchsorted(passed, np.array(RATES) * passed[-1])
    return [
        {"rate": rate, "score": _short(score[order[min(at, len(order) - 1)]])}
        for rate, at in zip(RATES, last.tolist(), strict=True)
    ]


def judged(
    truth: Numbers,
    positive: NDArray[np.bool_],
    predicted: Numbers,
    size: Numbers,
    *,
    classes: bool,
) -> dict[str, Any]:
    """Return what a report says of held-out documents.

    Args:
        truth: (n,) labels, higher is better.
        positive: (n,) the class of the best.
        predicted: (n,) log-odds of that class, or labels; NaN: no prediction, only counted.
        size: (n,) what thresholds weigh documents by: bytes of text.
        classes: whether the predictions are log-odds.
    """
    known = ~np.isnan(predicted)
    truth, positive, predicted = truth[known], positive[known], predicted[known]
    expected = np.exp(-np.logaddexp(0.0, -predicted)) if classes else predicted
    observed = positive.astype(np.float64) if classes else truth
    recall = {f"{r:g}": _short(recall_of_top(truth, predicted, r)) for r in RATES if len(truth)}
    return {
        "auc": rounded(auc(predicted[positive], predicted[~positive])),
        "spearman": rounded(spearman(truth, predicted)),
        "recall": recall,
        "without_score": int((~known).sum()),
        "calibration": calibration(expected, observed),
        "levels": levels(truth, predicted, positive, classes=classes),
        "thresholds": thresholds(predicted, size[known]),
        "thresholds_weigh": "bytes of text, on held-out documents",
    }


def rounded(value: float) -> float | None:
    """Return a share or a correlation to four digits; None if there is none."""
    return None if np.isnan(value) else round(value, 4)


def _short(value: Any) -> float:
    """Return a number to six digits: a report says no more than it knows."""
    return float(f"{float(value):.6g}")
