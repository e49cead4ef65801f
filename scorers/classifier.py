"""A fastText classifier learned from examples of good and bad text (DCLM's recipe).

The positive set is the method: what the good examples share, length and format included, is what
is learned. Held-out AUC, calibration, and how far length and format alone would go are written
beside the model, and a model that cannot tell its own classes apart is refused. Scores at about
90 MB/s a core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import score_field
from curator.score import classifier, heldout
from curator.score.examples import draw_examples, lowest_share
from curator.score.format_leak import leak
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, write_report

# Fewer held-out examples of a class than this say too little to refuse a model by.
_ENOUGH_HELD_OUT = 50
_CHANCE = "classifier.examples"
_GRID = 1e-4  # of a probability: ten times what fastText adds to every one of its own


@dataclass(frozen=True)
class Classifier(FittedScorer):
    """P(good) by fastText, in [0, 1], rounded to 0.0001; null for a text without words.

    Attributes:
        learning_rate: fastText's `lr`; None, with `epochs`: by the number of examples.
        dimensions: fastText's `dim`.
        epochs: fastText's `epoch`; likewise.
        word_ngrams: fastText's `wordNgrams`.
        buckets: hash buckets for word n-grams; the model's file is 4 * dimensions * buckets bytes.
        examples: documents of each class at most; DCLM took 200,000.
        heldout: share of the examples kept from training to measure AUC on.
        least_auc: a model below this on at least 50 held-out examples of each class is refused.
        seed: of the class balance, the held-out split and fastText.
    """

    learning_rate: float | None = 0.1
    dimensions: int = 100
    epochs: int | None = 5
    word_ngrams: int = 2
    buckets: int = 100_000
    examples: int = 200_000
    heldout: float = 0.1
    least_auc: float = 0.55
    seed: int = 0

    name: ClassVar[str] = "classifier"
    version: ClassVar[int] = 2
    learns_from: ClassVar[tuple[str, ...]] = ("good", "bad")
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-community",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("good_probability", unit="probability", about="fastText's P(good)"),
                _GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse settings that fastText would accept and not honor."""
        if not 0.0 <= self.heldout <= 0.5:
            raise RecipeError(f"heldout={self.heldout!r}; wanted a share from 0 to 0.5")
        counts = (self.dimensions, self.word_ngrams, self.buckets, self.examples)
        if min(*counts, 1 if self.epochs is None else self.epochs) < 1:
            raise RecipeError(
                "dimensions, epochs, word_ngrams, buckets and examples are counts: wanted 1 or more"
            )
        if self.learning_rate is not None and self.learning_rate <= 0:
            raise RecipeError(f"learning_rate={self.learning_rate!r}; wanted a number above 0")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write `model.bin` and `report.json` into `out`."""
        (good, good_out), (bad, bad_out) = (self._split(t) for t in self._examples(corpora))
        ids = np.concatenate([id_matrix(good["doc_id"]), id_matrix(bad["doc_id"])])
        settings = self._settings(len(ids))
        model = classifier.train(
            good["text"].combine_chunks(),
            bad["text"].combine_chunks(),
            settings,
            np.lexsort(ids.T[::-1]),  # by doc_id: as good as shuffled, and the same every time
        )
        classifier.save(model, out / "model.bin")
        report = {
            "documents": {"good": good.num_rows, "bad": bad.num_rows},
            "heldout": {"good": good_out.num_rows, "bad": bad_out.num_rows},
            "settings": {name: getattr(settings, name) for name in classifier.CHOSEN},
            **leak(good["text"], bad["text"]),
            **_judged(classifier.load(out / "model.bin"), good_out["text"], bad_out["text"]),
        }
        self._refuse_noise(report)
        write_report(out, report)

    def load(self, site: Site) -> Any:
        """Return the model that `fit` wrote, to be asked without fastText."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it examples by `learns_from`")
        return classifier.load(site.fitted / "model.bin")

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `good_probability`, one row a document."""
        found = on_grid(classifier.good_probability(model, table["text"]), _GRID)
        return pa.table({"good_probability": pa.array(found, mask=np.isnan(found))})

    def _settings(self, documents: int) -> classifier.Settings:
        """Return fastText's settings for so many examples."""
        settings = classifier.Settings(
            dimensions=self.dimensions,
            word_ngrams=self.word_ngrams,
            buckets=self.buckets,
            seed=self.seed,
        )
        if self.learning_rate is None and self.epochs is None:
            return classifier.scaled(settings, documents)
        return classifier.with_rate(settings, self.learning_rate, self.epochs)

    def _examples(self, corpora: Mapping[str, Corpus]) -> tuple[pa.Table, pa.Table]:
        """Return as many good as bad documents, at most `examples` of each."""
        drawn = [
            draw_examples(
                corpora[role],
                self.examples,
                purpose=_CHANCE,
                seed=self.seed,
                where=f"{self.name}, role {role!r}",
            )
            for role in self.learns_from
        ]
        count = min(table.num_rows for table in drawn)
        if count < 2:
            counts = dict(zip(self.learns_from, (table.num_rows for table in drawn), strict=True))
            raise RecipeError(f"{self.name} has examples {counts}; wanted at least 2 of each class")
        good, bad = (
            table.filter(pa.array(lowest_share(table, count, purpose=_CHANCE, seed=self.seed)))
            for table in drawn
        )
        return good, bad

    def _split(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        chance = uniform(id_matrix(table["doc_id"]), "classifier.heldout", self.seed)
        held_out = chance < self.heldout
        if held_out.all():  # a handful of documents: training comes first
            held_out[:] = False
        return table.filter(pa.array(~held_out)), table.filter(pa.array(held_out))

    def _refuse_noise(self, report: Mapping[str, Any]) -> None:
        if report["auc"] is None or min(report["heldout"].values()) < _ENOUGH_HELD_OUT:
            return
        if report["auc"] < self.least_auc:
            raise RecipeError(
                f"{self.name} cannot tell good from bad: AUC {report['auc']:.3f} on held-out "
                f"examples, wanted {self.least_auc} or more; give other examples, more of them, "
                "or lower least_auc"
            )


def _judged(model: Any, good: pa.ChunkedArray, bad: pa.ChunkedArray) -> dict[str, Any]:
    """Return AUC, None if a class has no held-out text with words, and calibration."""
    scores = [_probabilities(model, texts) for texts in (good, bad)]
    truth = np.repeat([1.0, 0.0], [len(each) for each in scores])
    return {
        "auc": heldout.rounded(heldout.auc(*scores)),
        "calibration": heldout.calibration(np.concatenate(scores), truth),
    }


def _probabilities(model: Any, texts: pa.ChunkedArray) -> NDArray[np.float64]:
    found = classifier.good_probability(model, texts)
    return found[~np.isnan(found)]
