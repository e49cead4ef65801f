"""Middo's three diagnoses of a pool: too hard, alone, and badly rated (Word2VecT/Middo).

Each flags documents beyond the mean by `deviations` standard deviations, as the release does
(complexity_filter.py, diversity_filter.py, quality_filter.py), and here beyond an absolute `floor`
too, so that clean text is not flagged because somebody must be. All are made of other scores: bits
under two models, vectors, and grades of a judge.
"""

# Shapes: n documents, N of the sample, D dimensions.
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import GRID
from curator.embed.drawn import drawn_vectors
from curator.embed.neighbors import Neighbors
from curator.embed.units import units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.identity import id_matrix
from curator.schema import score_field
from curator.score.flags import Bounds, learn_bounds, load_bounds
from curator.score.grid import declared, on_grid
from curator.score.numbers import numbers_of
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

NEAREST: Final = 2  # neighbors whose cosines are averaged: diversity_filter.py, --top_k
_GRID: Final = 1e-4  # standard deviations
_VECTORS, _IDS = "vectors.npy", "ids.npy"
_FIELDS: Final = (
    score_field(
        "flagged", unit="0 or 1", better="lower", about="1: beyond every bound.", kind=pa.uint8()
    ),
    declared(
        score_field(
            "excess", unit="standard deviations", better="lower", about="Beyond the mean, at least."
        ),
        _GRID,
    ),
)


class Flags(FittedScorer):
    """A diagnosis: flagged or not, and how far beyond the mean; null where a measure is missing.

    Attributes:
        deviations: m, standard deviations beyond the mean; a setting of the subclass, as the next.
        floor: what a document must lie beyond as well, in the measure's own unit.
        most_missing: share of the documents that may lack a measure.
    """

    deviations: float
    floor: float
    most_missing: float

    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    worse: ClassVar[float] = 1.0  # -1 where little of a measure is bad

    @abstractmethod
    def measures(self, model: Any, table: pa.Table) -> NDArray[np.float64]:
        """Return the measures of a table's documents, (n, K) in their own unit, NaN where none."""

    def refuse_senseless(self) -> None:
        """Refuse bounds that nothing lies beyond, and shares that are none."""
        if not 0 <= self.deviations < np.inf or not np.isfinite(self.floor):
            raise RecipeError(
                f"deviations={self.deviations!r}, floor={self.floor!r}; wanted 0 or more, and a "
                "number"
            )
        if not 0 <= self.most_missing <= 1:
            raise RecipeError(f"most_missing={self.most_missing!r}; wanted a share from 0 to 1")

    def learn(self, parts: Iterator[NDArray[np.float64]], out: Path) -> dict[str, Any]:
        """Write the bounds of measures into `out`, and return a report of them."""
        bounds, report = learn_bounds(
            (self.worse * part for part in parts),
            deviations=self.deviations,
            floor=self.worse * self.floor,
            most_missing=self.most_missing,
            where=self.name,
        )
        bounds.save(out)
        for name in ("means", "limits"):
            report[name] = [self.worse * value for value in report[name]]
        return report

    def judged(
        self, bounds: Bounds, measures: NDArray[np.float64]
    ) -> tuple[dict[str, pa.Array], NDArray[np.bool_]]:
        """Return the columns `flagged` and `excess`, and which documents have neither."""
        unknown: NDArray[np.bool_] = np.any(np.isnan(measures), axis=1)
        turned = self.worse * measures
        excess = on_grid(np.nan_to_num(bounds.excess(turned)), _GRID)
        return {
            "flagged": pa.array(bounds.flagged(turned).astype(np.uint8), mask=unknown),
            "excess": pa.array(excess.astype(np.float32), mask=unknown),
        }, unknown


class OfScores(Flags):
    """A diagnosis from columns of earlier scores."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns, each a score or NAME.COLUMN."""

    @property
    def scores(self) -> tuple[str, ...]:
        """The entries that they are of."""
        return tuple(dict.fromkeys(column.split(".")[0] for column in self.columns))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # which, settings say
        """The columns."""
        return self.columns

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the bounds and a report into `out`.

        Raises:
            RecipeError: too many documents lack a measure.
        """
        tables = corpora["raw"].tables(self.columns)
        write_report(out, self.learn((self.measures(None, table) for table in tables), out))

    def load(self, site: Site) -> Bounds:
        """Return the bounds."""
        return load_bounds(site, where=self.name)

    def score(self, model: Bounds, table: pa.Table) -> pa.Table:
        """Return `flagged` and `excess`, one row a document."""
        return pa.table(self.judged(model, self.measures(None, table))[0])


@dataclass(frozen=True)
class Complexity(OfScores):
    """Too hard before training and still too hard after it: bits per byte under two models.

    Attributes:
        before: an earlier `perplexity`, of a model before it has learned from the pool.
        after: of the same model after it has.
        deviations: standard deviations above the mean, under both; the release has 1.
        floor: bits per byte that both must be above; ours: more than prose needs, less than noise.
        most_missing: share of the documents that may lack one of the two.
    """

    before: str = "before"
    after: str = "after"
    deviations: float = 1.0
    floor: float = 3.0
    most_missing: float = 0.05

    name: ClassVar[str] = "middo_complexity"
    writes: ClassVar[pa.Schema] = pa.schema(_FIELDS)

    def __post_init__(self) -> None:
        """Refuse one model twice, and bounds that make no sense."""
        self.refuse_senseless()
        if self.before == self.after:
            raise RecipeError(f"before and after are both {self.before!r}; wanted two models'")

    @property
    def columns(self) -> tuple[str, ...]:
        """Bits per byte before and after."""
        return (self.before, self.after)

    def measures(self, model: Any, table: pa.Table) -> NDArray[np.float64]:
        """Return both, (n, 2) in bits per byte."""
        return np.stack([numbers_of(table, one, where=self.name) for one in self.columns], axis=1)


@dataclass(frozen=True)
class Quality(OfScores):
    """Rated badly: the mean of grades of one or more judges.

    Attributes:
        grades: earlier `judge` entries of one range; the release asks for clarity, completeness
            and factuality.
        deviations: standard deviations below the mean; the release leaves it to its user.
        floor: a grade that the mean must be below; of grades from 0 to 10 by default.
        most_missing: share of the documents that may lack a grade. The release takes an answer
            without a number for 0, so that a judge that cannot answer flags its pool.
    """

    grades: tuple[str, ...] = ("clarity", "completeness", "factuality")
    deviations: float = 1.0
    floor: float = 5.0
    most_missing: float = 0.05

    name: ClassVar[str] = "middo_quality"
    worse: ClassVar[float] = -1.0
    writes: ClassVar[pa.Schema] = pa.schema(_FIELDS)

    def __post_init__(self) -> None:
        """Refuse no grades, one twice, and bounds that make no sense."""
        self.refuse_senseless()
        if not self.grades or len(set(self.grades)) < len(self.grades):
            raise RecipeError(f"grades={list(self.grades)}; wanted one or more, each once")

    @property
    def columns(self) -> tuple[str, ...]:
        """The grades."""
        return self.grades

    def measures(self, model: Any, table: pa.Table) -> NDArray[np.float64]:
        """Return their mean, (n, 1); NaN where one is missing."""
        every = [numbers_of(table, one, where=self.name) for one in self.columns]
        mean: NDArray[np.float64] = np.mean(every, axis=0)[:, None]
        return mean


class Pool(NamedTuple):
    """What nearness is measured with: bounds, (N, 16) ids of a sample, and its vectors."""

    bounds: Bounds
    ids: NDArray[np.uint8]
    sample: Neighbors


@dataclass(frozen=True)
class Diversity(OfVectors, Flags):
    """Alone: far from its two nearest others, of a sample of the pool.

    Attributes:
        deviations: standard deviations below the mean; the release leaves it to its user.
        floor: a mean cosine that it must be below; ours, for `wordllama`.
        among: documents that neighbors are looked for in, by chance of their ids; held in memory.
        encoder: as `curator.embed.encoder.open_encoder` takes it; the release takes the mean of
            the trained model's last layer.
        max_characters: only the beginning of a document is encoded.
        most_missing: share of the documents that may have no vector.
        seed: of the sample.
    """

    deviations: float = 1.0
    floor: float = 0.5
    among: int = 20_000
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    most_missing: float = 0.05
    seed: int = 0

    name: ClassVar[str] = "middo_diversity"
    worse: ClassVar[float] = -1.0
    reads: ClassVar[tuple[str, ...]] = ("doc_id", "vector")
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            *_FIELDS,
            declared(
                score_field("nearness", unit="cosine", about="Mean of the two nearest others."),
                GRID,
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse bounds that make no sense, and a sample without neighbors."""
        self.refuse_senseless()
        if self.among <= NEAREST:
            raise RecipeError(f"among={self.among!r}; wanted more than {NEAREST} documents")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the sample's vectors and ids, the bounds and a report into `out`.

        Raises:
            RecipeError: fewer than three documents have a vector, or too many have none.
        """
        drawn = drawn_vectors(
            corpora["raw"], self.among, purpose="middo.among", seed=self.seed, where=self.name
        )
        if len(drawn.ids) <= NEAREST:
            raise RecipeError(
                f"{len(drawn.ids)} documents have a vector; wanted more than {NEAREST}, or none "
                "has two neighbors",
                where=self.name,
            )
        half = drawn.vectors.astype(np.float16)  # what `score` will find
        np.save(out / _VECTORS, half, allow_pickle=False)
        np.save(out / _IDS, drawn.ids, allow_pickle=False)
        sample = Neighbors(half, device=site.device, threads=site.threads)
        pool = Pool(Bounds((), (), ()), drawn.ids, sample)
        tables = corpora["raw"].tables(self.reads)
        report = self.learn((self.measures(pool, table) for table in tables), out)
        write_report(out, {**report, "among": len(drawn.ids)})

    def load(self, site: Site) -> Pool:
        """Return the bounds and the sample."""
        bounds = load_bounds(site, where=self.name)
        assert site.fitted is not None
        vectors = np.load(site.fitted / _VECTORS, allow_pickle=False)
        ids = np.load(site.fitted / _IDS, allow_pickle=False)
        return Pool(bounds, ids, Neighbors(vectors, device=site.device, threads=site.threads))

    def measures(self, model: Pool, table: pa.Table) -> NDArray[np.float64]:
        """Return the mean cosine with the two nearest others, (n, 1)."""
        known = pc.is_valid(table["vector"]).to_numpy(zero_copy_only=False).astype(np.bool_)
        found = np.full((table.num_rows, 1), np.nan)
        vectors = units(table["vector"].filter(pa.array(known)), where=self.name)
        if len(vectors):
            own = id_matrix(table["doc_id"])[known]
            found[known, 0] = on_grid(_nearness(model, vectors, own), GRID)
        return found

    def score(self, model: Pool, table: pa.Table) -> pa.Table:
        """Return `flagged`, `excess` and `nearness`, one row a document."""
        nearness = self.measures(model, table)
        columns, unknown = self.judged(model.bounds, nearness)
        told = pa.array(np.nan_to_num(nearness[:, 0]).astype(np.float32), mask=unknown)
        return pa.table({**columns, "nearness": told})


def _nearness(
    pool: Pool, vectors: NDArray[np.float32], own: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the mean cosine with the two nearest of a sample that are not the document itself."""
    cosines, rows = pool.sample.top_k(vectors, NEAREST + 1)
    itself = (pool.ids[rows] == own[:, None, :]).all(axis=2)
    others = np.argsort(itself, axis=1, kind="stable")[:, :NEAREST]  # falling but for itself
    nearest: NDArray[np.float64] = np.take_along_axis(cosines, others, axis=1).mean(axis=1)
    return nearest
