"""The bucket of an earlier score that a document falls into, buckets of equally many documents.

A threshold on a bucket is a share of the pool whatever the score's unit: `curator.refine`'s
Nemotron-CC sends documents above bucket 11 of 20 to other tasks than the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.schema import score_field
from curator.score.numbers import numbers_of
from curator.stage import Corpus, FittedScorer, Site, write_report

_EDGES: Final = "edges.json"


@dataclass(frozen=True)
class Buckets(FittedScorer):
    """The number of the bucket, from 0, lowest scores first; null where the score is.

    Attributes:
        of: an earlier score, or a column NAME.COLUMN.
        buckets: how many; equal scores stay together, so theirs may be fuller.
    """

    of: str = ""
    buckets: int = 20

    name: ClassVar[str] = "buckets"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "bucket",
                unit="bucket",
                about="An earlier score's, as many documents in each.",
                kind=pa.uint16(),
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse what makes no buckets."""
        if not self.of or not 2 <= self.buckets <= 1000:
            raise RecipeError(
                f"of={self.of!r}, buckets={self.buckets!r}; wanted an earlier score, 2 to 1000"
            )

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override] # which, a setting says
        """The score."""
        return (self.of,)

    @property
    def scores(self) -> tuple[str, ...]:
        """The entry whose column is read."""
        return (self.of.split(".")[0],)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the scores at which buckets end.

        Raises:
            RecipeError: no document has a score.
        """
        tables = corpora["raw"].tables(self.reads)
        found = [numbers_of(table, self.of, where=self.name) for table in tables]
        scores = np.concatenate([np.zeros(0), *found])
        known = scores[~np.isnan(scores)]
        if not len(known):
            raise RecipeError(
                f"none of {len(scores)} documents has a score {self.of!r}; wanted some to rank",
                where=self.name,
            )
        edges = np.quantile(known, np.arange(1, self.buckets) / self.buckets).tolist()
        (out / _EDGES).write_text(json.dumps(edges))
        told = [round(edge, 6) for edge in edges]
        write_report(out, {"documents": len(known), "of": self.of, "edges": told})

    def load(self, site: Site) -> NDArray[np.float64]:
        """Return the scores at which one bucket ends and the next begins, rising."""
        if site.fitted is None:
            raise RecipeError("buckets has not been fitted: where they end is not known")
        return np.array(json.loads((site.fitted / _EDGES).read_text()), np.float64)

    def score(self, model: NDArray[np.float64], table: pa.Table) -> pa.Table:
        """Return `bucket`, one row a document; a score on an edge is in the bucket above."""
        scores = numbers_of(table, self.of, where=self.name)
        found = np.searchsorted(model, scores, side="right").astype(np.uint16)
        return pa.table({"bucket": pa.array(found, mask=np.isnan(scores))})
