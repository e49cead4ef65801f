"""Closeness to target examples in embedding space: the cosine with the nearest of them.

Ranking by the nearest single example beats ranking by a mean of examples (Mizrahi et al. 2025,
"Language Models Improve When Pretraining Data Matches Target Tasks", arXiv:2507.12466, section
5.5). Costs what the encoder costs: with `wordllama` about 3 MB/s a core.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from curator.embed.encoder import Encoder, encoder_digest, open_encoder
from curator.embed.neighbors import Neighbors
from curator.errors import RecipeError
from curator.schema import score_field
from curator.score.examples import draw_examples
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, circumstance

_GRID = 1e-4  # of a cosine


class Model(NamedTuple):
    """What scoring needs: an encoder, and the target examples to be near to."""

    encoder: Encoder
    targets: Neighbors


@dataclass(frozen=True)
class Similarity(FittedScorer):
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
    learns_from: ClassVar[tuple[str, ...]] = ("target",)
    libraries: ClassVar[tuple[str, ...]] = (
        "faiss-cpu",
        "sentence-transformers",
        "tokenizers",
        "torch",
        "transformers",
    )
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

    def identity(self) -> dict[str, Any]:
        """Return what names the score: the settings and the encoder's content, not its place."""
        return {**super().identity(), "encoder": encoder_digest(self.encoder)}

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write `targets.npy`, the examples' vectors in the order of their ids, into `out`."""
        targets = draw_examples(
            corpora["target"],
            self.targets,
            purpose="similarity.targets",
            where=f"{self.name}, role 'target'",
        )
        vectors = self._open(site).encode(self._beginnings(targets["text"]))
        vectors = vectors[np.any(vectors != 0, axis=1)]
        if not len(vectors):
            raise RecipeError(
                f"{self.name}: role 'target' has {targets.num_rows} documents, none with tokens; "
                "wanted at least one"
            )
        np.save(out / "targets.npy", vectors, allow_pickle=False)
        report = {"targets": len(vectors), "dimensions": int(vectors.shape[1])}
        (out / "report.json").write_text(json.dumps(report, indent=2, sort_keys=True) + "\n")

    def load(self, site: Site) -> Model:
        """Return the encoder and the examples that `fit` wrote."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; give it a target by `learns_from`")
        targets = np.load(site.fitted / "targets.npy", allow_pickle=False)
        return Model(self._open(site), Neighbors(targets, device=site.device, threads=site.threads))

    def score(self, model: Model, table: pa.Table) -> pa.Table:
        """Return `similarity`, one row a document."""
        vectors = model.encoder.encode(self._beginnings(table["text"]))
        k = 1 if self.aggregate == "max" else self.k
        products, _ = model.targets.top_k(vectors, k)
        values = on_grid(products.mean(axis=1, dtype=np.float64), _GRID)
        empty = ~np.any(vectors != 0, axis=1)
        return pa.table({"similarity": pa.array(np.clip(values, -1, 1), mask=empty)})

    def _open(self, site: Site) -> Encoder:
        return open_encoder(self.encoder, device=site.device, threads=site.threads)

    def _beginnings(self, texts: pa.ChunkedArray) -> Sequence[str]:
        """Return each text's first `max_characters`, as Python strings for the tokenizer."""
        beginnings: list[str] = pl.Series(texts).str.slice(0, self.max_characters).to_list()
        return beginnings
