"""How far a document is from the middle of its cluster, among documents that repeat little.

The second half of D4 (Tirumala et al. 2023, arXiv:2308.12284): after semantic deduplication the
remainder is clustered again, and the documents nearest to their centroids, the most prototypical,
are dropped. So the farthest come first. The first half is an earlier score, `novelty`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import GRID, nearest
from curator.embed.centroids import learn_centroids
from curator.embed.encoder import encoder_digest
from curator.embed.units import load_centroids, units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import field_note, score_field
from curator.score.grid import declared, on_grid
from curator.score.numbers import numbers_of
from curator.stage import Corpus, FittedScorer, Site, circumstance

_CUT: Final = "cut.json"
_TIES: Final = "prototypes.ties"  # documents of equal novelty are kept by chance of their own


class Model(NamedTuple):
    """What scoring needs.

    Attributes:
        centroids: (K, D) of the documents that count.
        novelty: the last value that counts, in rising order.
        chance: of documents with this very value, those whose chance is not above it count.
    """

    centroids: NDArray[np.float32]
    novelty: float
    chance: float


@dataclass(frozen=True)
class Prototypes(OfVectors, FittedScorer):
    """Cosine distance to the document's centroid, rounded to 0.001; null where `of` drops it.

    Attributes:
        of: column of an earlier score, such as `novelty`'s; its best documents are kept.
        share: of the documents that `of` has a value for, how many are kept (R_dedup; 0.75 is what
            the project's specification B10 has for D4, unchecked). A selection of share R by this
            score then drops prototypes until R = R_dedup x R_proto.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        clusters: of the documents kept; null: the square root of their number, at least eight each.
        seed: of the centroids, and of the chance that decides between equal values of `of`.
    """

    of: str = "novelty"
    share: float = 0.75
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    clusters: int | None = None
    seed: int = 0

    name: ClassVar[str] = "prototypes"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "distance_to_centroid",
                    unit="1 - cosine",
                    about="Far from the middle of its cluster; null: too like an earlier document.",
                ),
                GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 < self.share <= 1:
            raise RecipeError(f"share is {self.share!r}; wanted a share above 0, at most 1")

    @property
    def scores(self) -> tuple[str, ...]:
        """The earlier score that says who is kept."""
        return (self.of.split(".")[0],)

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on `of`
        """The vectors and the earlier score."""
        return ("doc_id", "vector", self.of)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write which documents count, and centroids of a sample of them, into `out`."""
        novelty, chance = self._cut(corpora["raw"])
        (out / _CUT).write_text(json.dumps({"novelty": novelty, "chance": chance}) + "\n")
        learned = learn_centroids(
            corpora["raw"],
            self.clusters,
            purpose="prototypes.centroids",
            seed=self.seed,
            where=self.name,
            reads=(self.of,),
            counts=lambda table: self._counts(table, novelty, chance),
        )
        learned.save(out, encoder=encoder_digest(self.encoder), seed=self.seed)

    def load(self, site: Site) -> Model:
        """Return what `fit` wrote."""
        digest = encoder_digest(self.encoder)
        centroids = load_centroids(site.fitted, encoder=digest, where=self.name)
        cut = json.loads(((site.fitted or Path()) / _CUT).read_text())
        return Model(centroids, cut["novelty"], cut["chance"])

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return the distances, one row a document."""
        counts = self._counts(table, model.novelty, model.chance)
        counts &= pc.is_valid(table["vector"]).to_numpy(zero_copy_only=False)
        known = table["vector"].filter(pa.array(counts))
        vectors = units(known, dimensions=model.centroids.shape[1], where=self.name)
        _, cosine = nearest(vectors, model.centroids)
        distance = np.zeros(table.num_rows, np.float32)
        distance[counts] = on_grid(1 - np.minimum(cosine, 1), GRID)
        return pa.table({self.writes.names[0]: pa.array(distance, mask=~counts)})

    def _cut(self, corpus: Corpus) -> tuple[float, float]:
        """Return the last value that counts, and the last chance of documents that have it."""
        found = [self._standing(table) for table in corpus.tables(("doc_id", self.of))]
        values = np.concatenate([value for value, _ in found])
        chances = np.concatenate([chance for _, chance in found])[np.isfinite(values)]
        values = values[np.isfinite(values)]
        if not len(values):
            raise RecipeError(
                f"no document has a score {self.of!r}; wanted the column of an earlier entry of "
                "`score`, such as {use: novelty}",
                where=self.name,
            )
        last = np.lexsort((chances, values))[max(1, round(self.share * len(values))) - 1]
        return float(values[last]), float(chances[last])

    def _counts(self, table: pa.Table, novelty: float, chance: float) -> NDArray[np.bool_]:
        values, chances = self._standing(table)
        counts: NDArray[np.bool_] = (values < novelty) | ((values == novelty) & (chances <= chance))
        return counts

    def _standing(self, table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each document's value of `of`, the best lowest and none infinite, and chance."""
        column = numbers_of(table, self.of, where=self.name)
        better = field_note(table.schema.field(self.of), "better", "lower")
        if better not in ("higher", "lower"):
            raise RecipeError(
                f"score {self.of!r} declares better={better!r}, so none of its documents come "
                "first; wanted a score of which the higher or the lower are better",
                where=self.name,
            )
        sign = -1 if better == "higher" else 1
        values = np.where(np.isnan(column), np.inf, sign * column)
        return values, uniform(id_matrix(table["doc_id"]), _TIES, self.seed)
