"""Which group of like documents a document is in, by how a random walk spreads over neighbors.

PASER (He et al. 2025, arXiv:2502.12594) groups text by diffusion coordinates before it asks where
a damaged model has lost most. Coordinates are of a sample; any other document belongs to the group
of the sample's document nearest to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.diffusion import diffusion_clusters, release_clusters
from curator.embed.drawn import drawn_vectors
from curator.embed.neighbors import Neighbors
from curator.embed.units import units
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.schema import score_field
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_VECTORS: Final = "vectors.npy"
_GROUPS: Final = "groups.npy"
MOST_DENSE: Final = 4_000  # documents for the release's dense matrices: 128 MB each


class Model(NamedTuple):
    """What scoring needs: (N, D) vectors of the sample, and (N,) the group of each."""

    sample: Neighbors
    groups: NDArray[np.int32]


@dataclass(frozen=True)
class Diffusion(OfVectors, FittedScorer):
    """The number of the document's group, from 0; null for a text without tokens.

    Attributes:
        clusters: groups wanted; 10 in the paper's code.
        neighbors: of each document in the graph that the walk goes on.
        among: documents that coordinates are made of, by chance of their ids; held in memory.
        encoder: as `curator.embed.encoder.open_encoder` takes it.
        max_characters: only the beginning of a document is encoded.
        compat: "paper_repo": as the release groups (`curator.embed.diffusion.release_clusters`),
            from 4,000 documents at most.
        seed: of the sample, and of the release's factorization.
    """

    clusters: int = 10
    neighbors: int = 10
    among: int = 5_000
    encoder: str = circumstance("wordllama")
    max_characters: int = 8192
    compat: Literal["", "paper_repo"] = ""
    seed: int = 0

    name: ClassVar[str] = "diffusion"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    reads: ClassVar[tuple[str, ...]] = ("vector",)
    libraries: ClassVar[tuple[str, ...]] = ("faiss-cpu", "numpy", "scipy")
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "group",
                unit="number",
                better="neither",
                about="Documents that a walk over nearest neighbors goes between.",
                kind=pa.int32(),
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse counts that make no groups."""
        if self.clusters < 2 or min(self.neighbors, self.among) < 1:
            raise RecipeError(
                f"clusters={self.clusters!r} is wanted 2 or more, neighbors={self.neighbors!r} "
                f"and among={self.among!r} 1 or more"
            )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the sample's vectors and groups, and `report.json`, into `out`.

        Raises:
            RecipeError: no fewer groups or neighbors than documents.
        """
        drawn = drawn_vectors(
            corpora["raw"], self.among, purpose="diffusion.among", seed=self.seed, where=self.name
        )
        count = len(drawn.ids)
        if self.compat:
            self._refuse_many(count)
            groups = release_clusters(drawn.vectors, self.clusters, seed=self.seed)
        else:
            groups = diffusion_clusters(
                drawn.vectors,
                self.clusters,
                neighbors=self.neighbors,
                threads=site.threads,
            )
        np.save(out / _VECTORS, drawn.vectors.astype(np.float16), allow_pickle=False)
        np.save(out / _GROUPS, groups, allow_pickle=False)
        sizes = np.bincount(groups).tolist()
        write_report(out, {"among": count, "groups": len(sizes), "documents_of_each": sizes})

    def load(self, site: Site) -> Model:
        """Return the sample's vectors and groups."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: there are no groups")
        vectors = np.load(site.fitted / _VECTORS, allow_pickle=False)
        groups = np.load(site.fitted / _GROUPS, allow_pickle=False)
        return Model(Neighbors(vectors, device=site.device, threads=site.threads), groups)

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return `group`, one row a document."""
        known = pc.is_valid(table["vector"]).to_numpy(zero_copy_only=False)
        vectors = units(table["vector"].filter(pa.array(known)), where=self.name)
        group = np.zeros(table.num_rows, np.int32)
        if len(vectors):
            group[known] = model.groups[model.sample.top_k(vectors, 1)[1][:, 0]]
        return pa.table({"group": pa.array(group, mask=~known)})

    def _refuse_many(self, count: int) -> None:
        if count > MOST_DENSE:
            raise RecipeError(
                f"compat: paper_repo holds {count:,} x {count:,} numbers; wanted {MOST_DENSE:,} "
                "documents at most: set `among`, or leave `compat` out",
                where=self.name,
            )
