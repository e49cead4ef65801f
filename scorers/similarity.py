"""Closeness to target examples in embedding space: the cosine with the nearest of them.

Ranking by the nearest single example beats ranking by a mean of examples (Mizrahi et al. 2025,
"Language Models Improve When Pretraining Data Matches Target Tasks", arXiv:2507.12466, section
5.5). The vectors come from the sidecar that `Embed` writes, made once whatever reads it; what is
left here costs 2 * targets * dimensions operations a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.embed.directions import directions
from curator.embed.neighbors import Neighbors
from curator.embed.vectors import OfVectors
from curator.errors import RecipeError
from curator.schema import score_field, vector_matrix
from curator.score.examples import draw_examples
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, circumstance, write_report

_GRID = 1e-4  # of a cosine


@dataclass(frozen=True)
class Similarity(OfVectors, FittedScorer):
    """Cosine with target examples, in [-1, 1], rounded to 0.0001; null for a text without tokens.

    Attributes:
        encoder: "wordllama", "minilm", a folder or a hub id (`curator.embed.encoder`). Where it
            lies is a circumstance; its content is part of the score's identity.
        aggregate: "max", the nearest example; "mean_topk", the mean over the `k` nearest.
        k: examples that "mean_topk" averages.
        targets: examples kept at most, chosen by their ids.
        max_characters: only the beginning of a document is encoded.
    """

    encoder: str = circumstance("wordllama")
    aggregate: Literal["max", "mean_topk"] = "max"
    k: int = 8
    targets: int = 20_000
    max_characters: int = 8192

    name: ClassVar[str] = "similarity"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("vector",)
    learns_from: ClassVar[tuple[str, ...]] = ("target",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field("similarity", unit="cosine", about="to the nearest target examples"),
                _GRID,
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse counts below one."""
        if min(self.k, self.targets, self.max_characters) < 1:
            raise RecipeError("k, targets and max_characters are counts: wanted 1 or more")

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write `targets.npy`, the examples' vectors in the order of their ids, into `out`."""
        targets = draw_examples(
            corpora["target"],
            self.targets,
            purpose="similarity.targets",
            where=f"{self.name}, role 'target'",
        )
        embed = self.beside[0]  # as documents are, half precision included
        column = embed.process(embed.load(site), targets)["vector"].drop_null()
        if not len(column):
            raise RecipeError(
                f"{self.name}: role 'target' has {targets.num_rows} documents, none with tokens; "
                "wanted at least one"
            )
        vectors = directions(vector_matrix(column), where=f"{self.name}, role 'target'")
        np.save(out / "targets.npy", vectors, allow_pickle=False)
        report = {"targets": len(vectors), "dimensions": int(vectors.shape[1])}
        write_report(out, report)

    def load(self, site: Site) -> Neighbors:
        """Return the examples that `fit` wrote."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        targets = np.load(site.fitted / "targets.npy", allow_pickle=False)
        return Neighbors(targets, device=site.device, threads=site.threads)

    def score(self, model: Neighbors, table: pa.Table) -> pa.Table:
        """Return `similarity`, one row a document."""
        cosines = np.zeros(table.num_rows)
        known = pc.is_valid(table["vector"]).to_numpy()
        if known.any():
            vectors = directions(vector_matrix(table["vector"].drop_null()), where=self.name)
            k = 1 if self.aggregate == "max" else self.k
            products, _ = model.top_k(vectors, k)
            cosines[known] = np.clip(products.mean(axis=1, dtype=np.float64), -1, 1)
        return pa.table({"similarity": pa.array(on_grid(cosines, _GRID), mask=~known)})
