"""The share of a text's letters that are capitals: SHOUTING, headings, tables of acronyms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa

from curator.schema import score_field
from curator.stage import Scorer


@dataclass(frozen=True)
class Shouting(Scorer):
    """Capital letters over letters; null for a text with fewer letters than `least_letters`.

    Attributes:
        least_letters: below this a share says little.
    """

    least_letters: int = 1

    name: ClassVar[str] = "shouting"
    writes: ClassVar[pa.Schema] = pa.schema(
        [score_field("capital_share", unit="share in [0, 1]", better="lower")]
    )

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `capital_share`, one row a document."""
        texts = pl.Series(table["text"])
        letters = texts.str.count_matches(r"\p{L}").cast(pl.Float32)
        capitals = texts.str.count_matches(r"\p{Lu}").cast(pl.Float32)
        share = (capitals / letters).to_frame("capital_share")
        enough = pl.lit(letters >= max(self.least_letters, 1))
        return share.select(pl.when(enough).then("capital_share")).to_arrow()
