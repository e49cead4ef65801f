"""A cheap model that imitates another score, learned from a sample and scoring every document.

The end of most published systems: what ranks well (nearness to a benchmark, losses of many models,
a language model's verdict) is too slow for a corpus, so a sample is labelled and a classifier or a
regression is trained on it. Scores at about 90 MB/s a core (fastText), 40 MB/s (linear).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import id_array
from curator.schema import score_field
from curator.score import classifier, distillation, heldout
from curator.score.format_leak import leak
from curator.score.grid import declared, on_grid
from curator.score.learners import FastText, Hashed, Learner, Lesson, Vectors
from curator.stage import Corpus, FittedScorer, Site, Stage, circumstance, write_report

_GRID = 1e-4  # of log-odds, or of the label's unit
_SEEN = "seen.npy"


class Model(NamedTuple):
    """What scoring needs: what was learned, and the ids that it was learned from."""

    learned: Any
    seen: pa.Array


@dataclass(frozen=True)
class Distill(FittedScorer):
    """Log-odds of the better class, or the label itself; null where there is nothing to read.

    Attributes:
        of: the column learned: an earlier entry of `score`, or NAME.COLUMN. Null: unlabelled.
        model: "fasttext", "linear" (hashed 1- and 2-grams) or "ridge" (vectors of `encoder`).
        learn: "class" or "value"; fastText learns a class, the others a value unless told.
        positives: share of labelled documents in the better class, or "best": the very best label.
        least_label: if given, the better class is this label and better ones instead.
        negatives: "rest", or "worst": from the worst label on, as many as positives.
        learning_rate: fastText's `lr`; None, with `epochs`: by the number of examples.
        epochs: fastText's `epoch`; likewise.
        dimensions: fastText's `dim`.
        min_count: fastText's `minCount`; 5, as published for millions, empties a small vocabulary.
        word_ngrams: fastText's `wordNgrams`.
        buckets: of hashed n-grams, for fastText and "linear".
        tune: try other rates and epochs on a fifth of the examples, and keep the best.
        penalty: of squared weights, for "linear" and "ridge".
        encoder: of the vectors for "ridge", as `curator.embed.encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        examples: of each class at most; held in memory, for "linear" with some 10 KB each beside.
        heldout: share of the labelled documents that the report is about.
        least_positives: fewer labelled positives are refused.
        least_auc: a model below this on held-out documents is refused.
        least_spearman: likewise, with the labels; None: not asked for.
        seed: of the split, the balance and fastText.
    """

    of: str
    model: Literal["fasttext", "linear", "ridge"] = "fasttext"
    learn: Literal["class", "value"] | None = None
    positives: float | Literal["best"] = 0.1
    least_label: float | None = None
    negatives: Literal["rest", "worst"] = "rest"
    learning_rate: float | None = None
    epochs: int | None = None
    dimensions: int = 100
    min_count: int = 1
    word_ngrams: int = 2
    buckets: int = 100_000
    tune: bool = False
    penalty: float = 1.0
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    examples: int = 200_000
    heldout: float = 0.2
    least_positives: int = 100
    least_auc: float = 0.55
    least_spearman: float | None = None
    seed: int = 0

    name: ClassVar[str] = "distill"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-community", "scipy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("distilled", unit="log-odds or label", about="imitates another score"),
                _GRID,
            ),
            score_field(
                "seen",
                unit="0 or 1",
                better="neither",
                about="1: its label had a part in the model",
                kind=pa.uint8(),
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other or mean nothing."""
        if self.model == "fasttext" and self.learn == "value":
            raise RecipeError(
                "model='fasttext' with learn='value': fastText learns classes; use model 'linear' "
                "or 'ridge' to learn values"
            )
        if not isinstance(self.positives, str) and not 0.0 < self.positives < 1.0:
            raise RecipeError(f"positives={self.positives!r}; wanted a share above 0 and below 1")
        if not 0.0 < self.heldout <= 0.5:
            raise RecipeError(f"heldout={self.heldout!r}; wanted a share above 0, at most 0.5")
        if self.penalty <= 0 or (self.learning_rate is not None and self.learning_rate <= 0):
            raise RecipeError("penalty and learning_rate are wanted above 0")
        counts = (self.dimensions, self.min_count, self.word_ngrams, self.buckets, self.examples)
        if min(*counts, self.least_positives, 1 if self.epochs is None else self.epochs) < 1:
            raise RecipeError(
                "dimensions, min_count, word_ngrams, buckets, examples, least_positives and epochs "
                "are counts: wanted 1 or more"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override] # which, a setting says
        """What is predicted from, who the document is, and its label."""
        return ("vector" if self.model == "ridge" else "text", "doc_id", self.of)

    @property
    def scores(self) -> tuple[str, ...]:
        """The entry whose column is learned."""
        return (self.of.split(".")[0],)

    @property
    def beside(self) -> tuple[Stage, ...]:
        """The vectors, for a model of them."""
        if self.model != "ridge":
            return ()
        from curator.embed.vectors import Embed  # loads torch

        return (Embed(encoder=self.encoder, max_characters=self.max_characters),)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the model, the ids that it has seen, and `report.json` into `out`."""
        where = f"{self.name} of {self.of!r}"
        labels = distillation.read_labels(corpora["raw"], self.of, where=where)
        classes = self._learn == "class"
        split = distillation.split_classes if classes else distillation.split_values
        plan = split(labels, self._split(), where=where)
        learner = self._learner(int(plan.learned.sum()))
        used = plan.learned | plan.heldout
        documents = distillation.documents_of(
            corpora["raw"], labels.ids[used], ("text", learner.reads)
        )
        order = distillation.order_of(labels.ids[plan.learned], self.seed)
        target = plan.positive.astype(np.float64) if classes else labels.values
        shown = documents.filter(pa.array(plan.learned[used])).take(pa.array(order))
        lesson = Lesson(shown[learner.reads], target[plan.learned][order], classes)
        chosen = learner.learn(lesson, out)
        good = pa.array(plan.positive[plan.learned][order])
        report = {
            "of": self.of,
            "better": "lower" if labels.flipped else "higher",
            "model": self.model,
            "learned": self._learn,
            **distillation.counts_of(labels, plan),
            **chosen,
            **leak(shown["text"].filter(good), shown["text"].filter(pc.invert(good))),
        }
        predicted = learner.predict(learner.load(out), documents[learner.reads])
        part = plan.heldout[used]
        size = pc.binary_length(documents["text"]).to_numpy()[part].astype(np.float64)
        truth, positive = labels.values[plan.heldout], plan.positive[plan.heldout]
        report |= heldout.judged(truth, positive, predicted[part], size, classes=classes)
        write_report(out, report)
        self._refuse_noise(report, where)
        np.save(out / _SEEN, labels.ids[plan.seen])

    def load(self, site: Site) -> Model:
        """Return what `fit` wrote."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it labels by `of`")
        ids = np.load(site.fitted / _SEEN, allow_pickle=False)
        return Model(self._learner(0).load(site.fitted), id_array(ids))

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return the prediction and whether the document was learned from, one row a document."""
        learner = self._learner(0)
        found = on_grid(learner.predict(model.learned, table[learner.reads]), _GRID)
        seen = pc.is_in(table["doc_id"], value_set=model.seen).cast(pa.uint8())
        return pa.table({"distilled": pa.array(found, mask=np.isnan(found)), "seen": seen})

    @property
    def _learn(self) -> str:
        return self.learn or ("class" if self.model == "fasttext" else "value")

    def _split(self) -> distillation.Split:
        return distillation.Split(
            positives=self.positives,
            least_label=self.least_label,
            negatives=self.negatives,
            examples=self.examples,
            heldout=self.heldout,
            least_positives=self.least_positives,
            seed=self.seed,
        )

    def _learner(self, documents: int) -> Learner:
        """Return the learner for so many examples."""
        if self.model == "linear":
            return Hashed(self.buckets, self.penalty)
        if self.model == "ridge":
            return Vectors(self.penalty)
        settings = classifier.Settings(
            dimensions=self.dimensions,
            min_count=self.min_count,
            word_ngrams=self.word_ngrams,
            buckets=self.buckets,
            seed=self.seed,
        )
        if self.learning_rate is None and self.epochs is None:
            return FastText(classifier.scaled(settings, documents), self.tune)
        return FastText(classifier.with_rate(settings, self.learning_rate, self.epochs), self.tune)

    def _refuse_noise(self, report: Mapping[str, Any], where: str) -> None:
        """Refuse a model that does not order held-out documents as their labels do."""
        wanted = (("auc", self.least_auc), ("spearman", self.least_spearman))
        for measure, least in wanted:
            found = report[measure]
            if least and (found is None or found < least):
                raise RecipeError(
                    f"what was learned says too little: held-out {measure} {found!r} on "
                    f"{report['heldout']}, wanted {least} or more (least_{measure}); label more "
                    f"documents, or use labels that a text gives away",
                    where=where,
                )
