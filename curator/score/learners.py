"""Three ways to imitate a label: fastText, a linear model of hashed n-grams, one of vectors.

A learner is settings; `learn` writes a model into a folder and says what it chose, `predict` reads
the folder's model. Predictions grow with the label: log-odds of the better class, or the label
itself (negated where lower is better). NaN: there is nothing to predict from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.schema import vector_matrix
from curator.score import classifier
from curator.score.fasttext_model import LinearModel
from curator.score.heldout import auc
from curator.score.linear import HashedTexts, logistic, ridge

_MODEL: Final = "model.bin"
_WEIGHTS: Final = "weights.npy"


@dataclass(frozen=True)
class Lesson:
    """What is learned from: documents in the order in which they are shown.

    Attributes:
        inputs: (n,) texts or vectors.
        target: (n,) float64: labels; for classes 1 for the better one and 0 for the other.
        classes: whether classes are learned, not values.
    """

    inputs: pa.ChunkedArray
    target: NDArray[np.float64]
    classes: bool


class Learner(Protocol):
    """What `Distill` asks of a kind of model."""

    reads: ClassVar[str]  # the column it predicts from

    def learn(self, lesson: Lesson, out: Path) -> dict[str, Any]:
        """Write a model into `out`, and return the settings that were chosen, for the report."""

    def load(self, folder: Path) -> Any:
        """Return the model that `learn` wrote."""

    def predict(self, model: Any, inputs: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return (n,) predictions, NaN where there is none."""


@dataclass(frozen=True)
class FastText:
    """A fastText classifier; `tune` tries other rates and epochs on a part of the examples."""

    settings: classifier.Settings
    tune: bool = False

    reads: ClassVar[str] = "text"

    def learn(self, lesson: Lesson, out: Path) -> dict[str, Any]:
        """Train on single lines, the classes as labels."""
        settings, tried = _tuned(self.settings, lesson, out) if self.tune else (self.settings, [])
        _train(lesson, settings, out)
        chosen = {name: getattr(settings, name) for name in classifier.CHOSEN}
        return {"settings": chosen, **({"tuning": tried} if tried else {})}

    def load(self, folder: Path) -> LinearModel:
        """Return the classifier, without fastText."""
        return classifier.load(folder / _MODEL)

    def predict(self, model: LinearModel, inputs: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return the log-odds of the better class."""
        return classifier.good_margin(model, inputs)


@dataclass(frozen=True)
class Hashed:
    """Ridge or logistic regression on hashed unigrams and bigrams."""

    buckets: int
    penalty: float

    reads: ClassVar[str] = "text"

    def learn(self, lesson: Lesson, out: Path) -> dict[str, Any]:
        """Weigh buckets by rarity and fit."""
        rarity = HashedTexts(lesson.inputs, self.buckets).rarity_of()
        rows = HashedTexts(lesson.inputs, self.buckets, rarity).matrix()
        weights = _fitted(rows, lesson, self.penalty)
        np.save(out / _WEIGHTS, np.stack([np.append(rarity, 0.0), weights]))
        return {"settings": {"buckets": self.buckets, "penalty": self.penalty}}

    def load(self, folder: Path) -> NDArray[np.float64]:
        """Return (2, buckets + 1): what buckets count for, and weights, the intercept last."""
        return _array(folder)

    def predict(self, model: NDArray[np.float64], inputs: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return weighted sums; NaN for a text without tokens."""
        rows = HashedTexts(inputs, model.shape[1] - 1, model[0, :-1])
        return np.where(rows.empty, np.nan, rows.times(model[1, :-1]) + model[1, -1])


@dataclass(frozen=True)
class Vectors:
    """Ridge or logistic regression on frozen vectors, one output.

    FineWeb-Edu's classifier has this shape: an encoder that stays as it is under a regression
    with one output (huggingface/cosmopedia, classification/train_edu_bert.py). There the head is
    trained by AdamW; here it is the exact minimum.
    """

    penalty: float

    reads: ClassVar[str] = "vector"

    def learn(self, lesson: Lesson, out: Path) -> dict[str, Any]:
        """Fit to the documents that have a vector."""
        rows, known = _dense(lesson.inputs)
        if not len(rows):
            raise RecipeError(
                f"none of {len(known)} documents to learn from has a vector; wanted some: label "
                "documents that have text",
                where="ridge",
            )
        taken = replace(lesson, target=lesson.target[known])
        np.save(out / _WEIGHTS, _fitted(rows, taken, self.penalty))
        return {"settings": {"dimensions": rows.shape[1], "penalty": self.penalty}}

    def load(self, folder: Path) -> NDArray[np.float64]:
        """Return (D + 1,) weights, the intercept last."""
        return _array(folder)

    def predict(self, model: NDArray[np.float64], inputs: pa.ChunkedArray) -> NDArray[np.float64]:
        """Return products; NaN for a document without a vector."""
        rows, known = _dense(inputs)
        found = np.full(len(known), np.nan)
        # Row by row, not by one product: BLAS rounds differently in other shapes.
        found[known] = (rows * model[:-1]).sum(axis=1) + model[-1] if known.any() else 0.0
        return found


def _fitted(rows: Any, lesson: Lesson, penalty: float) -> NDArray[np.float64]:
    if lesson.classes:
        return logistic(rows, lesson.target > 0.5, penalty)
    return ridge(rows, lesson.target, penalty)


def _dense(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the vectors that there are, (k, D), and which of the (n,) rows have one."""
    known = np.asarray(column.is_valid().to_numpy())
    return vector_matrix(column.filter(pa.array(known))).astype(np.float64), known


def _array(folder: Path) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.load(folder / _WEIGHTS, allow_pickle=False)
    return found


def _train(lesson: Lesson, settings: classifier.Settings, out: Path) -> None:
    good = lesson.target > 0.5
    inputs = lesson.inputs.combine_chunks()
    better, worse = (inputs.filter(pa.array(flags)) for flags in (good, ~good))
    # `classifier.train` takes the classes one after the other, and the order to show them in.
    place = np.empty(len(good), np.int64)
    place[good] = np.arange(good.sum())
    place[~good] = good.sum() + np.arange((~good).sum())
    model = classifier.train(better, worse, settings, place)
    classifier.save(model, out / _MODEL)


def _tuned(
    settings: classifier.Settings, lesson: Lesson, out: Path
) -> tuple[classifier.Settings, list[dict[str, Any]]]:
    """Return the settings of a small fixed grid that do best on every fifth example, and all."""
    kept = np.arange(len(lesson.target)) % 5 > 0
    part = Lesson(lesson.inputs.filter(pa.array(kept)), lesson.target[kept], classes=True)
    inputs, truth = lesson.inputs.filter(pa.array(~kept)), lesson.target[~kept] > 0.5
    tried: list[tuple[float, classifier.Settings]] = []
    for candidate in classifier.neighbors_of(settings):
        _train(part, candidate, out)
        score = classifier.good_margin(classifier.load(out / _MODEL), inputs)
        known = ~np.isnan(score)
        found = auc(score[known & truth], score[known & ~truth])
        tried.append((float(np.nan_to_num(found)), candidate))
    best = max(tried, key=lambda one: one[0])[1]  # the first of equals: nearest to the rule
    told = [
        {"learning_rate": s.learning_rate, "epochs": s.epochs, "auc": round(value, 4)}
        for value, s in tried
    ]
    return best, told
