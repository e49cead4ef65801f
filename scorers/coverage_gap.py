"""How far a document lies outside what a reference set covers: where synthesis would fill a gap.

AITP looks for text of the pool where instructions are rare: principal components of embeddings, a
kernel density of the reference set, and where it is low is the difference set. Its threshold and
number of components were not visible in what was read of it. Here the threshold is the tenth
percentile of the reference set's density at its own documents, each left out. Low density also
selects junk: clean first, and choose by quality before by this. Costs the vectors, and
2 * references * dimensions operations a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.embed.density import Density, Estimator, load_density, principal
from curator.embed.directions import directions
from curator.embed.drawn import drawn_vectors
from curator.embed.encoder import encoder_digest
from curator.embed.vectors import OfVectors
from curator.embed.whitening import gram
from curator.errors import RecipeError
from curator.schema import score_field, vector_matrix
from curator.score.examples import draw_examples
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_GRID = 1e-3  # nats
Model = tuple[Density, float]


@dataclass(frozen=True)
class CoverageGap(OfVectors, FittedScorer):
    """Nats by which the reference set is less dense here than at its own rarest; above 0: outside.

    Null for a text without tokens. Rounded to 0.001.

    Attributes:
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        dimensions: principal directions at most, of the reference set and the pool together.
        least_variance: no more directions are kept than hold this share of the variance.
        estimator: "kernels", Gaussians of Scott's width; "nearest", the distance to the k-th
            nearest reference document.
        k: of "nearest".
        percentile: of the reference set's own densities, below which a document is outside.
        references: reference documents kept at most, chosen by their ids.
        sample: documents of the pool that the directions are learned from at most.
        seed: of that sample.
    """

    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    dimensions: int = 32
    least_variance: float = 0.9
    estimator: Estimator = "kernels"
    k: int = 10
    percentile: float = 10.0
    references: int = 10_000
    sample: int = 20_000
    seed: int = 0

    name: ClassVar[str] = "coverage_gap"
    reads: ClassVar[tuple[str, ...]] = ("vector",)
    learns_from: ClassVar[tuple[str, ...]] = ("reference", "raw")
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "gap", unit="nats", about="Above 0: outside what the reference covers."
                ),
                _GRID,
            ),
            score_field(
                "side",
                unit="word",
                better="neither",
                kind=pa.string(),
                about="outside or inside, for quotas of both.",
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse counts, shares and percentiles that mean nothing."""
        counts = (self.dimensions, self.k, self.references, self.sample, self.max_characters)
        if min(counts) < 1:
            raise RecipeError(
                "dimensions, k, references, sample and max_characters are counts: wanted 1 or more"
            )
        if self.estimator not in get_args(Estimator):
            raise RecipeError(
                f"estimator is {self.estimator!r}; wanted one of {list(get_args(Estimator))}"
            )
        if not 0 < self.least_variance <= 1 or not 0 <= self.percentile <= 100:
            raise RecipeError(
                f"least_variance is {self.least_variance!r} and percentile {self.percentile!r}; "
                "wanted a share above 0 and a number from 0 to 100"
            )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the density of the reference set, its threshold and a report into `out`."""
        where = f"{self.name}, role 'reference'"
        reference = self._reference(corpora["reference"], site, where)
        pool = drawn_vectors(
            corpora["raw"],
            self.sample,
            purpose="coverage_gap.pool",
            seed=self.seed,
            where=f"{self.name}, role 'raw'",
        )
        moments = gram([reference], where=where), gram([pool.vectors], where=self.name)
        plane = principal(moments, self.dimensions, self.least_variance)
        density = Density.fit(reference, plane, estimator=self.estimator, k=self.k, where=where)
        if self.estimator == "nearest" and self.k >= len(reference):
            raise RecipeError(
                f"k is {self.k} with {len(reference)} reference documents; wanted fewer",
                where=where,
            )
        threshold = float(np.percentile(density.left_out(), self.percentile))
        density.save(out, encoder=encoder_digest(self.encoder), threshold=threshold)
        outside = density.at(pool.vectors) < threshold
        report = {
            "references": len(reference),
            "dimensions": len(plane.axes),
            "variance_kept": round(plane.explained, 4),
            "threshold_nats": round(threshold, 3),
            "pool_outside_share": round(float(outside.mean()), 4),
        }
        write_report(out, report)

    def load(self, site: Site) -> Model:
        """Return the density and the threshold that `fit` wrote."""
        return load_density(site.fitted, encoder=encoder_digest(self.encoder), where=self.name)

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return `gap` and `side`, one row a document."""
        density, threshold = model
        gaps = np.zeros(table.num_rows)
        known = pc.is_valid(table["vector"]).to_numpy()
        if known.any():
            vectors = directions(
                vector_matrix(table["vector"].drop_null()),
                dimensions=len(density.mean),
                where=self.name,
            )
            gaps[known] = threshold - density.at(vectors)
        rounded = on_grid(gaps, _GRID)
        side = np.where(rounded > 0, "outside", "inside")
        columns = {"gap": rounded, "side": side}
        return pa.table({name: pa.array(one, mask=~known) for name, one in columns.items()})

    def _reference(self, corpus: Corpus, site: Site, where: str) -> np.ndarray:
        """Return (S, D) unit vectors of the reference set, made as documents' are."""
        drawn = draw_examples(
            corpus, self.references, purpose="coverage_gap.references", where=where
        )
        embed = self.beside[0]
        column = embed.process(embed.load(site), drawn)["vector"].drop_null()
        if not len(column):
            raise RecipeError(
                f"{drawn.num_rows} documents, none with tokens that the encoder knows; wanted some",
                where=where,
            )
        return directions(vector_matrix(column), where=where)
