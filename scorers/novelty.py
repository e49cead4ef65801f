"""How much a document repeats an earlier one of its cluster: the largest cosine between the two.

SemDeDup (Abbas et al. 2023, arXiv:2303.09540; facebookresearch/SemDeDup) as a score: with
`mode: paper` the documents at most 1 - eps are exactly those it keeps, for any eps, and a share of
the pool is taken least repetitive first. Costs the vectors and the sum over clusters of documents
squared times dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.dedup.cosines import GRID
from curator.dedup.semantic import Order, alike, in_clusters
from curator.dedup.survivors import LONGEST, Survivors
from curator.embed.centroids import learn_centroids
from curator.embed.encoder import encoder_digest
from curator.embed.units import load_centroids, units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, Site, WideScorer, circumstance


@dataclass(frozen=True)
class Novelty(OfVectors, WideScorer):
    """Largest cosine with an earlier document of the cluster, rounded to 0.001; lower is newer.

    -1 for a cluster's first document, null for a text without tokens.

    Attributes:
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        clusters: centroids; null: the square root of the number of documents, at least eight each.
        mode: "kept_only": earlier documents that stay at this `eps`; "paper": any earlier one, so
            that the score does not depend on `eps`.
        eps: in [0.001, 2), a cosine distance.
        order: who comes earlier in a cluster: "hard", the farthest from the centroid (the default
            of the paper's code, which_to_keep in semdedup_configs.yaml); "easy", the nearest;
            "survivors", by that policy; "random".
        assign: nearest clusters that a document is compared in. With 2 most pairs that lie across
            a border are found, at two to four times the cost; a guest that goes in its own cluster
            may then still count in another.
        seed: of the centroids and of the order "random".
        survivors: the policy; with other orders it only breaks ties.
    """

    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    clusters: int | None = None
    mode: Literal["kept_only", "paper"] = "kept_only"
    eps: float = 0.05
    order: Order = "hard"
    assign: int = 1
    seed: int = 0
    survivors: Survivors = LONGEST

    name: ClassVar[str] = "novelty"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "similarity_to_earlier",
                    unit="cosine",
                    better="lower",
                    about="The nearest earlier document of its cluster; -1: it is the first.",
                ),
                GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse distances that no two vectors have, and counts below one."""
        if not GRID <= self.eps < 2:
            raise RecipeError(f"eps is {self.eps!r}; wanted a cosine distance in [{GRID}, 2)")
        if self.assign < 1 or (self.clusters is not None and self.clusters < 1):
            raise RecipeError(
                f"assign is {self.assign!r} and clusters {self.clusters!r}; wanted counts above 0"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the policy
        """The vectors, and what the policy looks at."""
        return ("vector", *self.survivors.reads)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the centroids of a sample of the pool, and a report of it, into `out`."""
        learned = learn_centroids(
            corpora["raw"],
            self.clusters,
            purpose="novelty.centroids",
            seed=self.seed,
            where=self.name,
        )
        learned.save(out, encoder=encoder_digest(self.encoder), seed=self.seed)

    def load(self, site: Site) -> NDArray[np.float32]:
        """Return the centroids, (K, D)."""
        return load_centroids(site.fitted, encoder=encoder_digest(self.encoder), where=self.name)

    def emit(self, model: NDArray[np.float32], table: pa.Table) -> pa.Table:
        """Return a row for each cluster that a document is compared in."""
        known = table.filter(pc.is_valid(table["vector"]))
        units(known["vector"], dimensions=model.shape[1], where=self.name)
        return in_clusters(
            known, model, self.order, self.survivors, clusters=self.assign, seed=self.seed
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `row` and the score of every document, from the cluster that is its own."""
        found = alike(partition, 1 - self.eps, kept_only=self.mode == "kept_only")
        scores = pa.array(on_grid(found.closest, GRID))
        told = pa.table({"row": partition["row"], self.writes.names[0]: scores})
        if "guest" not in partition.column_names:
            return told
        return told.filter(pc.invert(partition["guest"]))
