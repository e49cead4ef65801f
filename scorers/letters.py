"""The share of letters in a text: the smallest useful scorer, and the tutorial's example.

Tables, logs, base64 and markup have few letters; prose has many. Costs about 75 MB/s a core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa

from curator.schema import score_field
from curator.stage import Scorer


@dataclass(frozen=True)
class Letters(Scorer):
    """Unicode letters (category L) over characters; null for an empty text."""

    name: ClassVar[str] = "letters"
    writes: ClassVar[pa.Schema] = pa.schema(
        [score_field("letter_share", unit="share in [0, 1]", about="letters over characters")]
    )

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `letter_share`, one row a document."""
        texts = pl.Series(table["text"])
        letters = texts.str.count_matches(r"\p{L}").cast(pl.Float32)
        characters = texts.str.len_chars().replace(0, None)
        return pa.table({"letter_share": (letters / characters).to_arrow()})
