"""The group of documents of like length that one belongs to, and how far scores go with length.

The mean loss of a short document varies more than that of a long one, so a band of losses is also
a band of lengths. `select: {method: band, by: ppl, within: length_group, ...}` takes the band in
each group; `report.json` says how strongly earlier scores go with length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.schema import score_field
from curator.score.heldout import spearman
from curator.score.numbers import numbers_of
from curator.stage import REPORT, Corpus, FittedScorer, Site

_BORDERS = "borders.json"


@dataclass(frozen=True)
class LengthGroup(FittedScorer):
    """The number of the group, from 0, shortest first; null for documents without text.

    Attributes:
        groups: how many; each has as many documents as the next, equal lengths apart.
        of: earlier scores, or columns NAME.COLUMN, whose rank correlation with length is reported.
    """

    groups: int = 10
    of: tuple[str, ...] = ()

    name: ClassVar[str] = "length_group"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "length_group",
                unit="group",
                better="neither",
                about="by length, the shortest are 0",
                kind=pa.uint16(),
            )
        ]
    )

    def __post_init__(self) -> None:
        """Refuse what makes no groups."""
        if not 2 <= self.groups <= 1000:
            raise RecipeError(f"groups={self.groups!r}; wanted 2 to 1000")

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override] # which, a setting says
        """The text, and the scores that are reported on."""
        return tuple(dict.fromkeys(("text", *self.of)))

    @property
    def scores(self) -> tuple[str, ...]:
        """The entries whose columns are read."""
        return tuple(dict.fromkeys(name.split(".")[0] for name in self.of))

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the lengths at which groups begin; report.json has the correlations.

        Raises:
            RecipeError: no document has text.
        """
        parts = [np.zeros((1 + len(self.of), 0))]
        for table in corpora["raw"].tables(self.reads):
            columns = [
                _lengths(table), *(numbers_of(table, name, where=self.name) for name in self.of)
            ]  # fmt: skip
            parts.append(np.stack(columns))
        rows = np.concatenate(parts, axis=1)
        lengths, values = rows[0], rows[1:]
        told = np.sort(lengths[lengths > 0])
        if not len(told):
            raise RecipeError(
                f"none of {len(lengths)} documents has text; wanted lengths to group by",
                where=self.name,
            )
        places = np.arange(1, self.groups) * len(told) // self.groups
        (out / _BORDERS).write_text(json.dumps(told[places].tolist()))
        report = {
            "documents": len(told),
            "borders": told[places].tolist(),
            "spearman_with_length": {
                name: _spearman(lengths, of) for name, of in zip(self.of, values, strict=True)
            },
        }
        (out / REPORT).write_text(json.dumps(report, indent=1))

    def load(self, site: Site) -> NDArray[np.float64]:
        """Return the lengths at which groups begin but the first, rising."""
        assert site.fitted is not None
        return np.array(json.loads((site.fitted / _BORDERS).read_text()))

    def score(self, model: NDArray[np.float64], table: pa.Table) -> pa.Table:
        """Return `length_group`, one row a document."""
        lengths = _lengths(table)
        group = np.searchsorted(model, lengths, side="right").astype(np.uint16)
        return pa.table({"length_group": pa.array(group, mask=lengths == 0)})


def _lengths(table: pa.Table) -> NDArray[np.float64]:
    """Return the bytes of every text, 0 where there is none."""
    sizes: Any = pc.fill_null(pc.binary_length(table["text"]), 0)
    return np.asarray(sizes, np.float64)


def _spearman(lengths: NDArray[np.float64], values: NDArray[np.float64]) -> float | None:
    """Return the correlation of ranks where there is a score; None where nothing varies."""
    known = ~np.isnan(values)
    found = spearman(lengths[known], values[known])
    return None if np.isnan(found) else found
