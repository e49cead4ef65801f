"""How early greedy maximization of a set function takes a document, and what it then adds.

INGENIOUS (Renduchintala et al. 2023, arXiv:2305.06677; Efficient-AI/ingenious): the pool is split
into partitions; in each, documents are taken one after another, each the one that makes the set
most representative (facility location), until none is left, so that every document has a marginal
gain. Costs the vectors, and for each partition its rows squared times dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import nearest
from curator.embed.centroids import learn_centroids
from curator.embed.encoder import encoder_digest
from curator.embed.units import load_centroids, units
from curator.embed.vectors import Embed
from curator.errors import BudgetError, LedgerError, RecipeError
from curator.identity import id_matrix, pair_bits, uniform
from curator.schema import score_field
from curator.stage import Corpus, Site, Stage, WideScorer, circumstance, write_report

if TYPE_CHECKING:
    from curator.submodular.engines import Greedy

_PARTITIONS: Final = "partitions.json"
_RIDGE: Final = 1.0  # of the log determinant: no gain is then below 0
_PART: Final = "submodular.partition"
_TIES: Final = "submodular.ties"

Function = Literal["facility_location", "graph_cut", "log_det"]


class Partitions(NamedTuple):
    """How documents are parted: `number` by chance of their own, or by the nearest centroid."""

    number: int
    centroids: NDArray[np.float32] | None


@dataclass(frozen=True)
class Submodular(WideScorer):
    """The share of its partition that is taken after a document, what it added, its partition.

    Null for a text without tokens. Gains of different partitions do not compare.

    Attributes:
        function: "facility_location": the sum over the partition of the similarity to the nearest
            member. "graph_cut": similarity of the members to all, less `weight` times that among
            them. "log_det": the volume that members span, log det(I + kernel).
        weight: of the graph cut; up to 0.5 gains are at or above 0. 0.4 is the paper's code's.
        partition: "chance": by each document's own; "kmeans": by clusters of the vectors.
        rows: wanted in a partition.
        largest: rows that a partition may have: its kernel takes two bytes times their square, and
            "log_det" eight more.
        negative: what is done to cosines below 0, under which facility location would not be
            monotone: "clip" makes them 0, "shift" takes (cosine + 1) / 2 of all. The log
            determinant always shifts: a clipped kernel may have negative directions.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        model: take a proxy's hidden states for vectors, not the encoder's: one of the recipe's
            `models`, or a folder.
        layer: of the model; null: three quarters of its depth.
        seed: of the partitions and of ties.
    """

    function: Function = "facility_location"
    weight: float = 0.4
    partition: Literal["chance", "kmeans"] = "chance"
    rows: int = 2000
    largest: int = 20_000
    negative: Literal["clip", "shift"] = "clip"
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    model: str = circumstance("")
    layer: int | None = None
    seed: int = 0

    name: ClassVar[str] = "submodular"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "vector")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "earliness",
                unit="share",
                about="Of its partition, what greedy maximization takes after it; 1: it is first.",
            ),
            score_field("gain", unit="similarity", about="What it added when it was taken."),
            score_field("partition", unit="number", better="neither", kind=pa.uint32()),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse partitions of one, functions that there are not, and weights without meaning."""
        if self.function not in ("facility_location", "graph_cut", "log_det"):
            raise RecipeError(
                f"function is {self.function!r}; wanted 'facility_location', 'graph_cut' or "
                "'log_det'"
            )
        if not 2 <= self.rows <= self.largest:
            raise RecipeError(
                f"rows={self.rows!r}, largest={self.largest!r}; wanted 2 <= rows <= largest"
            )
        if not 0 <= self.weight <= 0.5:
            raise RecipeError(
                f"weight is {self.weight!r}; wanted 0 to 0.5: a graph cut of more falls as "
                "members are added, and a gain below 0 is no weight to draw by"
            )

    @property
    def beside(self) -> tuple[Stage, ...]:
        """The vectors: of the encoder, or of the model."""
        if not self.model:
            return (Embed(self.encoder, self.max_characters),)
        from curator.influence.hidden import HiddenStates

        return (HiddenStates(self.model, self.layer),)

    @property
    def vectors_digest(self) -> str:
        """What names the encoder, or the model, by content."""
        if not self.model:
            return encoder_digest(self.encoder)
        from curator.evaluate.language_models import model_digest

        return model_digest(self.model)

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and the content of what made the vectors."""
        return {**super().identity(), "vectors": self.vectors_digest}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write how many partitions there are, and with "kmeans" their centroids, into `out`."""
        documents = sum(
            int(pc.sum(pc.is_valid(table["vector"])).as_py() or 0)
            for table in corpora["raw"].tables(("vector",))
        )
        count = max(1, round(documents / self.rows))
        if self.partition == "kmeans":
            learned = learn_centroids(
                corpora["raw"], count, purpose=_PART, seed=self.seed, where=self.name
            )
            learned.save(out, encoder=self.vectors_digest, seed=self.seed)
            count = len(learned.centroids)
        told = {"partitions": count, "vectors": self.vectors_digest}
        (out / _PARTITIONS).write_text(json.dumps(told, sort_keys=True) + "\n")
        report = {"documents": documents, "partitions": count, "function": self.function}
        write_report(out, {**report, "rows": self.rows})

    def load(self, site: Site) -> Partitions:
        """Return what `fit` wrote.

        Raises:
            LedgerError: there is nothing.
            RecipeError: it was fitted to vectors of another encoder or model.
        """
        if site.fitted is None:
            raise LedgerError(
                f"{self.name} was not fitted; wanted the folder of its fit", where=self.name
            )
        told = json.loads((site.fitted / _PARTITIONS).read_text())
        if told["vectors"] != self.vectors_digest:
            raise RecipeError(
                f"partitions were fitted to vectors of {told['vectors']!r}, those here are of "
                f"{self.vectors_digest!r}; fit again: one run compares vectors of one model",
                where=self.name,
            )
        if self.partition == "chance":
            return Partitions(told["partitions"], None)
        centroids = load_centroids(site.fitted, encoder=self.vectors_digest, where=self.name)
        return Partitions(told["partitions"], centroids)

    def emit(self, model: Partitions, table: pa.Table) -> pa.Table:
        """Return the vectors, each with the partition that it belongs to."""
        known = table.filter(pc.is_valid(table["vector"])).select(["row", "doc_id", "vector"])
        if model.centroids is None:
            chance = uniform(id_matrix(known["doc_id"]), _PART, self.seed)
            part = np.minimum(chance * model.number, model.number - 1).astype(np.int64)
        else:
            vectors = units(known["vector"], dimensions=model.centroids.shape[1], where=self.name)
            part = nearest(vectors, model.centroids)[0].astype(np.int64)
        known = known.append_column("key", pa.array(pair_bits(part, part, _PART)))
        return known.append_column("partition", pa.array(part.astype(np.uint32)))

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `row` and the scores of every document of some whole partitions."""
        table = partition.combine_chunks()
        numbers = table["partition"].to_numpy()
        found = np.zeros((2, table.num_rows), np.float32)
        for number in np.unique(numbers).tolist():
            rows = np.flatnonzero(numbers == number)
            found[:, rows] = self._scores(table.take(pa.array(rows)), number)
        return pa.table(
            {
                "row": table["row"],
                "earliness": pa.array(found[0]),
                "gain": pa.array(found[1]),
                "partition": table["partition"],
            }
        )

    def _scores(self, table: pa.Table, number: int) -> NDArray[np.float32]:
        """Return (2, n) the earliness and the gain of the documents of one partition."""
        n = table.num_rows
        if not 2 <= n <= self.largest:
            raise BudgetError(
                f"partition {number} has {n:,} documents; wanted 2 to {self.largest:,}, the "
                "`largest` that is allowed: change `rows`, or part by chance",
                where=self.name,
            )
        # In the order of chance, so that no sum depends on where a document stood.
        order = np.argsort(uniform(id_matrix(table["doc_id"]), _TIES, self.seed), kind="stable")
        taken = self._greedy(units(table["vector"], where=self.name)[order])
        last = np.setdiff1d(np.arange(n), taken.order)  # all but one: the last gain is what is left
        places = order[np.concatenate([taken.order, last])]
        found = np.zeros((2, n), np.float32)
        found[0, places] = (n - np.arange(n)) / n
        found[1, places] = np.concatenate([taken.gains, taken.rest[last]])
        return found

    def _greedy(self, vectors: NDArray[np.float32]) -> Greedy:
        """Return all documents but one in greedy order, the first of equal gains first."""
        from curator.submodular.engines import exhausted
        from curator.submodular.facility import facility_location
        from curator.submodular.functions import GraphCut, LogDeterminant
        from curator.submodular.similarity import STEP, similarities

        room = 2 * self.largest**2
        if self.function == "facility_location":
            return facility_location(
                vectors, len(vectors) - 1, negative=self.negative, most_bytes=room
            )
        if self.function == "log_det":
            kernel = similarities(vectors, negative="shift", most_bytes=room)
            return exhausted(LogDeterminant(kernel, ridge=_RIDGE, unit=STEP))
        kernel = similarities(vectors, negative=self.negative, most_bytes=room)
        found = exhausted(GraphCut(kernel, self.weight))
        return found._replace(gains=found.gains * STEP, rest=found.rest * STEP)
