"""The best documents first, each only if it is unlike all better ones that were taken.

Score first, diversity aware selection of DEITA (Liu et al. 2024, arXiv:2312.15685; the paper's
code, hkust-nlp/deita, selection/filter/base.py and combined_filter.py): documents are visited in
the order of falling quality, the product of some scores, and one is kept if its largest cosine
with those kept before does not pass a threshold. The kept keep their quality as score, so the best
so many of them are what the loop would have when it stops there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import Earlier, visit
from curator.embed.units import units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.identity import id_array, id_matrix
from curator.schema import field_note, score_field
from curator.score.numbers import numbers_of
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_KEPT: Final = "kept.npy"
_PORTION: Final = 65_536  # documents whose vectors are read in one pass; a multiple of 256


@dataclass(frozen=True)
class NovelBest(OfVectors, FittedScorer):
    """The quality of documents that a greedy visit keeps; null for the others.

    Costs documents visited times documents kept times dimensions, half of it, and a pass over the
    vectors for every 65,536 documents visited; holds the vectors kept, in half precision.

    Attributes:
        of: columns of earlier scores; quality is their product.
        threshold: a cosine; a document above it with one that was kept is left out. 0.9 is the
            paper's.
        mode: "kept_only": only documents kept count; "paper": as in the paper's code, also all
            earlier ones of the same batch of 256, kept or not.
        prefer: which end of the quality is better.
        most: documents kept at most; null: as many as there are. A selection that takes more than
            that falls short.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
    """

    of: tuple[str, ...] = ("quality",)
    threshold: float = 0.9
    mode: Literal["kept_only", "paper"] = "kept_only"
    prefer: Literal["higher", "lower"] = "higher"
    most: int | None = None
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192

    name: ClassVar[str] = "novel_best"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    def __post_init__(self) -> None:
        """Refuse what no cosine passes, and a quality of nothing."""
        if not -1 < self.threshold < 1:
            raise RecipeError(f"threshold is {self.threshold!r}; wanted a cosine in (-1, 1)")
        if not self.of or (self.most is not None and self.most < 1):
            raise RecipeError(
                f"of is {list(self.of)} and most {self.most!r}; wanted one earlier score or more, "
                "and one document or more"
            )

    @property
    def writes(self) -> pa.Schema:
        """The quality of documents that are kept."""
        about = "Quality, of documents unlike all better ones that were kept; null: left out."
        unit = " x ".join(self.of)
        return pa.schema([score_field("quality", unit=unit, better=self.prefer, about=about)])

    @property
    def scores(self) -> tuple[str, ...]:
        """The earlier scores that are multiplied."""
        return tuple(dict.fromkeys(column.split(".")[0] for column in self.of))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on `of`
        """The ids and the scores that are multiplied."""
        return tuple(dict.fromkeys(("doc_id", *self.of)))

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the ids of the documents kept, in the order of ids, and a report into `out`."""
        ids, places = self._order(corpora["raw"])
        kept, visited = self._visit(corpora["raw"], len(ids), places)
        chosen = ids[kept]
        np.save(out / _KEPT, chosen[np.lexsort(chosen.T[::-1])], allow_pickle=False)
        report = {
            "documents": len(ids),
            "visited": visited,
            "kept": len(kept),
            "threshold": self.threshold,
        }
        write_report(out, report)

    def load(self, site: Site) -> pa.Array:
        """Return the ids of the documents kept."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it the folder of its fit")
        return id_array(np.load(site.fitted / _KEPT, allow_pickle=False))

    def score(self, model: pa.Array, table: pa.Table) -> pa.Table:
        """Return `quality`, one row a document."""
        quality = self._quality(table)
        kept = pc.is_in(table["doc_id"], value_set=model).to_numpy(zero_copy_only=False)
        values = np.where(np.isnan(quality), 0, quality).astype(np.float32)
        return pa.table({"quality": pa.array(values, mask=~kept | np.isnan(quality))})

    def _order(self, corpus: Corpus) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the ids of the documents to visit, best first, and where each row of the corpus
        stands among them; -1 for a row without a vector or a quality, or of an id seen before."""
        tables = corpus.tables((*self.reads, "vector"))
        found = [(id_matrix(each["doc_id"]), self._eligible(each)) for each in tables]
        ids = np.concatenate([ids for ids, _ in found])
        quality = np.concatenate([quality for _, quality in found])
        rows = np.flatnonzero(np.isfinite(quality))
        if not len(rows):
            raise RecipeError(
                f"no document has both a vector and the scores {list(self.of)}; wanted columns of "
                "earlier entries of `score`",
                where=self.name,
            )
        sign = 1 if self.prefer == "higher" else -1
        order = rows[np.lexsort((*ids[rows].T[::-1], -sign * quality[rows]))]
        first = np.ones(len(order), bool)
        first[1:] = (ids[order[1:]] != ids[order[:-1]]).any(axis=1)
        order = order[first]
        places = np.full(len(ids), -1, np.int64)
        places[order] = np.arange(len(order))
        return ids[order], places

    def _visit(
        self, corpus: Corpus, documents: int, places: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], int]:
        """Return the places of the documents kept, rising, and how many were visited."""
        kept, visited = [np.zeros(0, np.int64)], 0
        earlier: Earlier | None = None
        most = self.most or documents
        while visited < documents and sum(map(len, kept)) < most:
            stop = min(visited + _PORTION, documents)
            vectors = self._portion(corpus, places, visited, stop)
            earlier = earlier or Earlier(vectors.shape[1], half=True)
            counting: Literal["kept", "block"] = "kept" if self.mode == "kept_only" else "block"
            found = visit(vectors, self.threshold, earlier, counting=counting)
            kept.append(visited + np.flatnonzero(found.original < 0))
            visited = stop
        return np.concatenate(kept)[:most], visited

    def _portion(
        self, corpus: Corpus, places: NDArray[np.int64], start: int, stop: int
    ) -> NDArray[np.float32]:
        """Return the vectors of documents `start` to `stop` in the order of the visit."""
        at, parts = [], []
        for place, column in self._shards(corpus, places):
            wanted = np.flatnonzero((place >= start) & (place < stop))
            at.append(place[wanted])
            parts += column.take(pa.array(wanted)).chunks
        vectors = units(pa.chunked_array(parts), where=self.name)
        return vectors[np.argsort(np.concatenate(at))]

    def _shards(
        self, corpus: Corpus, places: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], pa.ChunkedArray]]:
        begun = 0
        for table in corpus.tables(("vector",)):
            yield places[begun : begun + table.num_rows], table["vector"]
            begun += table.num_rows

    def _eligible(self, table: pa.Table) -> NDArray[np.float64]:
        """Return quality, NaN for a document without a vector.

        Raises:
            RecipeError: a score is better at the other end, or a product has a negative factor.
        """
        for column in self.of:
            better = field_note(table.schema.field(column), "better", self.prefer)
            if better not in (self.prefer, "neither"):
                raise RecipeError(
                    f"score {column!r} is better {better}, quality is better {self.prefer}; set "
                    f"`prefer: {better}`, or take a score that points the other way",
                    where=self.name,
                )
            values = numbers_of(table, column, where=self.name)
            lowest = float(np.min(values, where=~np.isnan(values), initial=np.inf))
            if len(self.of) > 1 and lowest < 0:
                raise RecipeError(
                    f"score {column!r} has values down to {lowest!r}; wanted none below 0 in a "
                    "product: two bad scores would make a good one",
                    where=self.name,
                )
        with_vector = pc.is_valid(table["vector"]).to_numpy(zero_copy_only=False)
        return np.where(with_vector, self._quality(table), np.nan)

    def _quality(self, table: pa.Table) -> NDArray[np.float64]:
        """Return the product of the scores, NaN where one is null."""
        product = np.ones(table.num_rows)
        for column in self.of:
            product *= numbers_of(table, column, where=self.name)
        return product
