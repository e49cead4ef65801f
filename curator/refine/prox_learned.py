"""A refiner of one's own: which lines go is learned from another's programs, or from labels.

ProX (Zhou et al. 2024, arXiv:2409.17115) fine-tunes a small language model on programs that a large
one wrote. Here the pupil is a logistic regression on a line's words and shape and the lines around
it: it judges 300,000 lines a second, and says on documents that it did not learn from
how well it agrees with its teacher.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError, shown
from curator.identity import id_matrix, uniform
from curator.refine.edited import Editing
from curator.refine.line_features import SHAPES
from curator.refine.line_pupil import Lesson, Pupil, learned, margins
from curator.refine.line_rules import noise_of
from curator.refine.lined import Lined, lines_of, removed_by, removing
from curator.refine.plant import Plant, planted_lines
from curator.refine.prox_replay import ProxReplay
from curator.refine.refiner import Refined
from curator.stage import Corpus, Site, write_report

_WEIGHTS: Final = "weights.npy"
_PURPOSE: Final = "prox.learned"


@dataclass(frozen=True)
class ProxLearned(Editing):
    """Removes the lines that a pupil judges as its teacher would.

    Attributes:
        teacher: "planted" (noise lines are planted into the documents: no teacher is needed, and
            nothing but that noise is learned), "rules" (`prox`), "programs" (a file of another
            refiner's), or "labels" (`line_labels` in the documents' extra fields: 1 for each line
            to keep, 0 for each to drop).
        programs: the file, for "programs".
        documents: that are learned from, by chance of their ids.
        buckets: of hashed words and pairs of words.
        penalty: on squared weights.
    """

    teacher: Literal["planted", "rules", "programs", "labels"] = "planted"
    programs: str = ""
    documents: int = 2000
    buckets: int = 1 << 15
    penalty: float = 1.0

    name: ClassVar[str] = "prox_learned"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("polars", "scipy")

    def __post_init__(self) -> None:
        """Refuse a teacher without programs, and sizes that teach nothing."""
        super().__post_init__()
        if (self.teacher == "programs") != bool(self.programs):
            raise RecipeError(
                f"teacher={self.teacher!r} and programs={self.programs!r}; wanted a file for "
                "'programs', and for no other"
            )
        if self.documents < 1 or self.buckets < 1 or not self.penalty > 0:
            raise RecipeError(
                f"documents={self.documents!r}, buckets={self.buckets!r}, "
                f"penalty={self.penalty!r}; wanted 1 or more, 1 or more, above 0"
            )
        if self.programs:
            ProxReplay(programs=self.programs)

    def identity(self) -> dict[str, Any]:
        """Return what names the work: a file of programs by its content."""
        named = super().identity()
        if self.programs:
            named["settings"]["programs"] = ProxReplay(programs=self.programs).identity()
        return named

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the pupil's weights, and what it got right of what it had not seen."""
        lesson = self._lesson(corpora["raw"])
        pupil, report = learned(lesson, self.buckets, self.penalty, self.seed)
        np.save(out / _WEIGHTS, np.concatenate([*pupil[:3], [pupil.bias, pupil.threshold]]))
        write_report(out, {"teacher": self.teacher, **report})

    def load(self, site: Site) -> Pupil:
        """Return the pupil."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: nothing was learned")
        flat = np.load(site.fitted / _WEIGHTS, allow_pickle=False)
        cuts = np.cumsum([self.buckets, self.buckets, len(SHAPES)])
        rarity, words, shapes, (bias, threshold) = np.split(flat, cuts)
        return Pupil(rarity, words, shapes, float(bias), float(threshold))

    def refine(self, model: Pupil, table: pa.Table) -> Refined:
        """Return the documents without the lines that the pupil would have go."""
        lined = lines_of(table["text"])
        return self.edited(table, removing(lined, margins(model, lined) > model.threshold))

    def _lesson(self, corpus: Corpus) -> Lesson:
        """Return the documents to learn from, in the order of their ids, and the teacher's word."""
        table = pa.concat_tables(self._sampled(corpus))
        order = np.lexsort(id_matrix(table["doc_id"]).T[::-1])
        table = table.take(pa.array(order))
        if self.teacher == "labels":
            table = table.filter(pa.array([_labels(one) is not None for one in _extras(table)]))
        if self.teacher == "planted":
            made = Plant(seed=self.seed).refine(None, table).children
            table = table.take(made["row"]).set_column(0, "text", made["text"])
            table = table.append_column("about", made["about"])
        if not table.num_rows:
            raise RecipeError(
                f"no documents that the teacher {self.teacher!r} says anything of; wanted some",
                where=self.name,
            )
        lined = lines_of(table["text"])
        return Lesson(lined, id_matrix(table["doc_id"]), self._taught(table, lined))

    def _taught(self, table: pa.Table, lined: Lined) -> NDArray[np.bool_]:
        """Return (lines,) bool: what should go, by the teacher."""
        if self.teacher == "planted":
            return _marked(lined, [planted_lines(one) for one in table["about"].to_pylist()])
        if self.teacher == "rules":
            return noise_of(lined).kinds >= 0
        if self.teacher == "labels":
            labels = [_labels(one) or [] for one in _extras(table)]
            sizes = np.diff(lined.offsets).tolist()
            if sizes != [len(one) for one in labels]:
                raise RecipeError(
                    "a document has another number of lines than `line_labels`; wanted one label "
                    "a line, of the text as it is in the pool (no rewriting before)"
                )
            flat = [label for one in labels for label in one]
            strange = [label for label in flat if label not in (0, 1)]
            if strange:
                raise RecipeError(
                    f"line_labels has {shown(strange[0])}; wanted 1 for a line to keep, 0 for one "
                    "to drop"
                )
            return np.array([label == 0 for label in flat], np.bool_)
        replay = ProxReplay(programs=self.programs)
        return removed_by(replay.recorded(replay.load(Site()), table).programs, lined)

    def _sampled(self, corpus: Corpus) -> Iterator[pa.Table]:
        from curator.score.examples import draw_threshold

        most = draw_threshold(
            corpus, self.documents, purpose=_PURPOSE, seed=self.seed, where=self.name
        )
        columns = ("text", "doc_id", "extra") if self.teacher == "labels" else ("text", "doc_id")
        for table in corpus.tables(columns):
            chance = uniform(id_matrix(table["doc_id"]), _PURPOSE, self.seed)
            yield table.filter(pa.array(chance <= most))


def _extras(table: pa.Table) -> list[str | None]:
    found: list[str | None] = table["extra"].to_pylist()
    return found


def _labels(extra: str | None) -> list[int] | None:
    """Return the labels of a document's lines, in its extra fields or in `meta` there."""
    known = json.loads(extra) if extra else {}
    meta = known.get("meta")
    found = known.get("line_labels", meta.get("line_labels") if isinstance(meta, dict) else None)
    return found if isinstance(found, list) else None


def _marked(lined: Lined, numbers: list[list[int]]) -> NDArray[np.bool_]:
    gone = np.zeros(len(lined.rows), np.bool_)
    for row, mine in enumerate(numbers):  # a list each: they come from JSON
        gone[lined.offsets[row] + np.array(mine, np.int64)] = True
    return gone
