"""What LESS and TRAK share: sketches of documents by several models, and what a target pulls at.

A document's score is linear in each target example, so of a subtask's examples only their mean
sketch is kept: what scoring costs does not depend on how many there are.
"""

# Shapes: N documents or examples, K dimensions, M models, S subtasks.
from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.directions import directions
from curator.errors import RecipeError
from curator.evaluate.language_models import model_digest
from curator.identity import id_matrix, uniform
from curator.influence.captured import Layers
from curator.influence.projection import Projection, projection_from
from curator.influence.sketch import Reader, Sketch
from curator.schema import vector_matrix
from curator.score.grid import on_grid
from curator.stage import Corpus, Site, Work, circumstance, write_report

Rows = NDArray[np.floating[Any]]
_PULLS = "pulls.npy"
_PROJECTION = "projection.json"


class Examples(NamedTuple):
    """Target examples: texts, and which of the subtasks each is of.

    Attributes:
        texts: doc_id, source, text; sorted by source and chance.
        subtask: (N,) number in `names`.
        names: the sources, sorted.
    """

    texts: pa.Table
    subtask: NDArray[np.int64]
    names: tuple[str, ...]

    def means(self, rows_NK: Rows) -> NDArray[np.float64]:
        """Return the mean row of each subtask, (S, K)."""
        sums = np.zeros((len(self.names), rows_NK.shape[1]))
        np.add.at(sums, self.subtask, rows_NK.astype(np.float64))
        found: NDArray[np.float64] = sums / np.bincount(self.subtask)[:, None]
        return found


@dataclass(frozen=True)
class ByGradients(Work):
    """Settings of scorers that compare documents with a target by their gradients.

    Attributes:
        models: folders of our runs; in a recipe names of `models`, best of one proxy after several
            numbers of tokens. Where they lie is a circumstance; their content is identity.
        dimensions: of a sketch, which is off by about |u| |v| / sqrt(dimensions).
        seed: of the projection and of the choice of examples.
        max_tokens: only the beginning of a document or an example is read.
        layers: whose weights, as in `curator.influence.sketch`. The head was added after seed 0 of
            bench/datamodel.py, where every method foretold better with it.
        targets: examples of each subtask at most. Each source of the role `target` is a subtask.
        aggregate: over subtasks, "max" or "mean".
    """

    models: tuple[str, ...] = circumstance(())
    dimensions: int = 4096
    seed: int = 0
    max_tokens: int = 256
    layers: tuple[Layers, ...] = ("blocks", "head")
    targets: int = 500
    aggregate: Literal["max", "mean"] = "max"

    libraries: ClassVar[tuple[str, ...]] = ("tokenizers", "torch")

    def __post_init__(self) -> None:
        """Refuse no models, and counts below one."""
        if not self.models:
            raise RecipeError("models are missing; name some of the recipe's `models`, or folders")
        if self.targets < 1:
            raise RecipeError(f"targets is {self.targets!r}; wanted 1 example or more")
        if self.aggregate not in ("max", "mean"):
            raise RecipeError(f"aggregate is {self.aggregate!r}; wanted 'max' or 'mean'")
        _ = self.beside  # refuses its own settings

    @property
    def beside(self) -> tuple[Sketch, ...]:
        """The sketches of documents, one of each model."""
        return tuple(self.sketch(number) for number in range(len(self.models)))

    def sketch(self, number: int) -> Sketch:
        """Return the stage that sketches documents by one of the models."""
        return Sketch(
            self.models[number], self.dimensions, seed=self.seed, max_tokens=self.max_tokens,
            layers=self.layers, column=f"gradient{number}",
        )  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """Return what names the work: the settings and the models' content, not their places."""
        return {**super().identity(), "models": [model_digest(name) for name in self.models]}

    def examples(self, target: Corpus) -> Examples:
        """Return distinct examples with text of every subtask, chosen by their ids.

        Raises:
            RecipeError: there are none.
        """
        table = pa.concat_tables(list(target.tables(("doc_id", "source", "text"))))
        table = table.filter(pc.greater(pc.binary_length(table["text"]), 0))
        frame = pl.DataFrame(
            {
                "row": np.arange(table.num_rows),
                "id": pl.Series(table["doc_id"].cast(pa.binary()), dtype=pl.Binary),
                "source": pl.Series(table["source"].to_pylist(), dtype=pl.String),
                "chance": uniform(id_matrix(table["doc_id"]), f"{self.name}.targets", self.seed),
            }
        ).unique("id", keep="first", maintain_order=True)
        ordered = frame.sort("source", "chance", "id").group_by("source", maintain_order=True)
        chosen = ordered.head(self.targets)
        if not len(chosen):
            raise RecipeError("role 'target' has no text; wanted at least one", where=self.name)
        names, subtask = np.unique(chosen["source"].to_numpy(), return_inverse=True)
        texts = table.take(pa.array(chosen["row"].to_numpy()))
        return Examples(texts, subtask.astype(np.int64), tuple(names.tolist()))

    def gradients(self, examples: Examples, reader: Reader, number: int) -> NDArray[np.float32]:
        """Return the sketched gradients of examples, as they are, by one of the models, (N, K).

        Args:
            examples: what a target consists of.
            reader: as the stage of this model opens it; its moments are not used.
            number: of the model.
        """
        plain = replace(self.sketch(number), precondition="none", compat="")
        table = plain.process(reader._replace(state=None), examples.texts)
        rows, _ = gradients_of(table, plain.column, plain.projection, where=self.name)
        return rows

    def keep(
        self, pulls_MSK: NDArray[np.float64], examples: Examples, out: Path, **more: Any
    ) -> None:
        """Write what `pulls` reads, and a report."""
        np.save(out / _PULLS, pulls_MSK, allow_pickle=False)
        (out / _PROJECTION).write_text(self.sketch(0).projection.to_json())
        counts = np.bincount(examples.subtask).tolist()
        report = {
            "examples": dict(zip(examples.names, counts, strict=True)),
            "models": len(self.models),
            "dimensions": self.dimensions,
            **more,
        }
        write_report(out, report)

    def load(self, site: Site) -> NDArray[np.float64]:
        """Return what each subtask pulls at in each model, (M, S, K).

        Raises:
            RecipeError: nothing was fitted, or with another projection.
        """
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        kept = projection_from((site.fitted / _PROJECTION).read_text())
        kept.require(self.sketch(0).projection, where=self.name)
        pulls: NDArray[np.float64] = np.load(site.fitted / _PULLS, allow_pickle=False)
        if len(pulls) != len(self.models):
            raise RecipeError(
                f"fitted with {len(pulls)} models, {len(self.models)} are named; wanted the same",
                where=self.name,
            )
        return pulls

    @abstractmethod
    def features(self, rows_NK: NDArray[np.float32], table: pa.Table, number: int) -> Rows:
        """Return what of documents is multiplied by the pulls of subtasks, (N, K).

        Args:
            rows_NK: their sketches by one of the models.
            table: their other columns.
            number: of the model.
        """

    def scored(self, pulls_MSK: NDArray[np.float64], table: pa.Table, grid: float) -> pa.Array:
        """Return each document's products with what subtasks pull at, one float32 for all of them.

        Null for a document without sketch.
        """
        found = np.zeros((table.num_rows, pulls_MSK.shape[1]))
        known = np.zeros(table.num_rows, np.bool_)
        for number, (stage, pulls_SK) in enumerate(zip(self.beside, pulls_MSK, strict=True)):
            rows, known = gradients_of(table, stage.column, stage.projection, where=self.name)
            if len(rows):
                features = self.features(rows, table.filter(pa.array(known)), number)
                found[known] += features @ pulls_SK.T
        scores = found.max(axis=1) if self.aggregate == "max" else found.mean(axis=1)
        return pa.array(on_grid(scores, grid), mask=~known)


def gradients_of(
    table: pa.Table, column: str, projection: Projection, *, where: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the sketches of documents that have one, (n, K), and which those are, (N,).

    Raises:
        RecipeError: the column is of another projection, or a sketch is zero or not finite.
    """
    noted = (table.schema.field(column).metadata or {}).get(b"sketch")
    if noted is not None:
        projection.require(projection_from(noted.decode()), where=where)
    known: NDArray[np.bool_] = pc.is_valid(table[column]).to_numpy()
    if not known.any():
        return np.zeros((0, projection.dimensions), np.float32), known
    rows = vector_matrix(table[column].drop_null())
    directions(rows, dimensions=projection.dimensions, where=where)  # refuses zero
    return rows, known
