"""Which cluster of documents a document is in, to divide a budget by: `quota_by`, `quotas`.

Spherical k-means of a sample's vectors. A column of the clusters' weights stands beside: with
`quota_by: NAME, quotas: NAME.weight` every cluster gets as much as every other, or more where more
is. Costs the vectors and 2 * K * D operations a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import nearest
from curator.embed.centroids import learn_centroids
from curator.embed.encoder import encoder_digest
from curator.embed.units import load_centroids, units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.schema import score_field
from curator.stage import Corpus, FittedScorer, Site, circumstance

_COUNTS: Final = "counts.npy"


class Model(NamedTuple):
    """What scoring needs: (K, D) centroids and (K,) documents of each cluster."""

    centroids: NDArray[np.float32]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Clusters(OfVectors, FittedScorer):
    """The number of the nearest centroid; null for a text without tokens.

    Attributes:
        clusters: wanted; null: the square root of the number of documents, at least eight each.
        evenness: 1: all clusters have one weight; 0: each that of its documents; between, the
            documents to the power of 1 - evenness.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        seed: of the sample and of the centroids.
    """

    clusters: int | None = None
    evenness: float = 1.0
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    seed: int = 0

    name: ClassVar[str] = "clusters"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    reads: ClassVar[tuple[str, ...]] = ("vector",)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "cluster",
                unit="number",
                better="neither",
                about="The nearest centroid of a sample's vectors.",
                kind=pa.int32(),
            ),
            score_field(
                "weight",
                unit="documents",
                better="neither",
                about="One number for each cluster, to divide a budget by.",
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse an evenness that is none."""
        if not 0 <= self.evenness <= 1:
            raise RecipeError(f"evenness is {self.evenness!r}; wanted a number from 0 to 1")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write centroids of a sample, and how many documents each has, into `out`."""
        corpus = corpora["raw"]
        learned = learn_centroids(
            corpus,
            self.clusters,
            purpose="clusters.centroids",
            seed=self.seed,
            where=self.name,
        )
        learned.save(out, encoder=encoder_digest(self.encoder), seed=self.seed)
        counts = np.zeros(len(learned.centroids), np.int64)
        for table in corpus.tables(("vector",)):
            counts += np.bincount(
                self._nearest(table, learned.centroids), minlength=len(counts)
            ).astype(np.int64)
        np.save(out / _COUNTS, counts, allow_pickle=False)

    def load(self, site: Site) -> Model:
        """Return what `fit` wrote."""
        digest = encoder_digest(self.encoder)
        centroids = load_centroids(site.fitted, encoder=digest, where=self.name)
        counts = np.load((site.fitted or Path()) / _COUNTS, allow_pickle=False)
        return Model(centroids, counts)

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return clusters and their weights, one row a document."""
        known = pc.is_valid(table["vector"]).to_numpy(zero_copy_only=False)
        cluster = np.zeros(table.num_rows, np.int32)
        cluster[known] = self._nearest(table, model.centroids)
        weight = np.maximum(model.counts, 1) ** (1.0 - self.evenness)
        columns = [cluster, weight[cluster].astype(np.float32)]
        return pa.table([pa.array(each, mask=~known) for each in columns], names=self.writes.names)

    def _nearest(self, table: pa.Table, centroids: NDArray[np.float32]) -> NDArray[np.int64]:
        vectors = units(table["vector"].drop_null(), dimensions=centroids.shape[1], where=self.name)
        found, _ = nearest(vectors, centroids)
        return found
