"""A linear model that tells lines to remove from lines to keep, and how it is taught."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import uniform
from curator.refine.line_features import SHAPES, line_shapes_of
from curator.refine.lined import Lined

_PURPOSE: Final = "prox.learned.split"
_TUNED_SHARE, _HELD_SHARE = 0.15, 0.2  # of the documents: for the threshold, and for the report
_LEAST_LINES: Final = 10  # of either kind, to learn from


class Lesson(NamedTuple):
    """Lines and what a teacher says of them.

    Attributes:
        lined: the documents.
        ids: (documents, 16) uint8.
        gone: (n,) bool, what should go.
    """

    lined: Lined
    ids: NDArray[np.uint8]
    gone: NDArray[np.bool_]


class Pupil(NamedTuple):
    """What was learned.

    Attributes:
        rarity: (buckets,) what a hashed word counts for.
        words: (buckets,) weights.
        shapes: (shapes,) weights.
        bias: log-odds of a line without anything.
        threshold: log-odds above which a line goes.
    """

    rarity: NDArray[np.float64]
    words: NDArray[np.float64]
    shapes: NDArray[np.float64]
    bias: float
    threshold: float


def margins(pupil: Pupil, lined: Lined) -> NDArray[np.float64]:
    """Return (n,) log-odds that a line goes; a blank line stays, -inf."""
    from curator.score.linear import HashedTexts

    words = HashedTexts(lined.texts, len(pupil.rarity), pupil.rarity).times(pupil.words)
    # Row by row, not by one product: BLAS rounds differently in other shapes.
    shapes = (line_shapes_of(lined) * pupil.shapes).sum(axis=1)
    return np.where(lined.blank, -np.inf, words + shapes + pupil.bias)


def learned(
    lesson: Lesson, buckets: int, penalty: float, seed: int
) -> tuple[Pupil, dict[str, Any]]:
    """Return a pupil and what it gets right: its threshold is the best on documents kept for that.

    Documents, not lines, are divided by chance of their ids: to learn from, to choose the threshold
    on, and to report on.

    Raises:
        RecipeError: too few lines of either kind, in any of the three.
    """
    chance = uniform(lesson.ids, _PURPOSE, seed)[lesson.lined.rows]
    judged = ~lesson.lined.blank
    held = judged & (chance < _HELD_SHARE)
    tuned = judged & ~held & (chance < _HELD_SHARE + _TUNED_SHARE)
    taught = judged & ~held & ~tuned
    for part, word in ((taught, "learn from"), (tuned, "choose by"), (held, "report on")):
        gone = int(lesson.gone[part].sum())
        if min(gone, int(part.sum()) - gone) < _LEAST_LINES:
            raise RecipeError(
                f"{gone:,} of {int(part.sum()):,} lines to {word} are to go; wanted "
                f"{_LEAST_LINES} or more of either kind: give more documents, or another teacher"
            )
    pupil = _fitted(lesson, taught, buckets, penalty)
    said = margins(pupil, lesson.lined)
    threshold = _best_threshold(said[tuned], lesson.gone[tuned])
    report = {
        "documents": len(lesson.ids),
        "lines": {
            "taught": int(taught.sum()), "tuned": int(tuned.sum()), "held_out": int(held.sum())
        },
        "share_to_go": round(float(lesson.gone[held].mean()), 4),
        "held_out": agreement(lesson.gone[held], said[held] > threshold),
        "threshold": round(threshold, 4),
        "shapes": {n: round(float(w), 3) for n, w in zip(SHAPES, pupil.shapes, strict=True)},
    }  # fmt: skip
    return pupil._replace(threshold=threshold), report


def agreement(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> dict[str, float]:
    """Return precision, recall and F1 of what was found to go, and the share of good lines lost."""
    right = int((truth & found).sum())
    precision, recall = right / max(1, int(found.sum())), right / max(1, int(truth.sum()))
    lost = int((found & ~truth).sum()) / max(1, int((~truth).sum()))
    f1 = 2 * precision * recall / max(1e-12, precision + recall)
    told = {"precision": precision, "recall": recall, "f1": f1, "good_lost": lost}
    return {name: round(value, 4) for name, value in told.items()}


def _fitted(lesson: Lesson, taught: NDArray[np.bool_], buckets: int, penalty: float) -> Pupil:
    from scipy.sparse import csr_matrix, hstack

    from curator.score.linear import HashedTexts, logistic

    lines = lesson.lined.texts.filter(pa.array(taught))
    rarity = HashedTexts(lines, buckets).rarity_of()
    shapes = csr_matrix(line_shapes_of(lesson.lined)[taught])
    rows = hstack([HashedTexts(lines, buckets, rarity).matrix(), shapes], format="csr")
    weights = logistic(rows, lesson.gone[taught], penalty)
    cut = np.split(weights, [buckets, buckets + len(SHAPES)])
    return Pupil(rarity, cut[0], cut[1], float(cut[2][0]), 0.0)


def _best_threshold(said: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the log-odds above which F1 is best; halfway to the next lower line's."""
    order = np.argsort(-said, kind="stable")
    right = np.cumsum(truth[order])
    f1 = 2 * right / (np.arange(1, len(said) + 1) + truth.sum())
    ranked = said[order]
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # a threshold cannot part equals
    best = int(np.argmax(f1))
    return float(ranked[best : best + 2].mean()) if best + 1 < len(ranked) else -np.inf
