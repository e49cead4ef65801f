"""How hard a document is, without a model: four columns to order a curriculum by.

Length, how little zlib can squeeze out of it, the diversity of its words (MTLD), and Flesch's
reading ease turned round so that all rise with difficulty. The last two are of English. About
3 MB/s a core, most of it for zlib.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.stage import Scorer

_LEVEL = 6  # zlib's own default
GRID = 1e-4


@dataclass(frozen=True)
class Difficulty(Scorer):
    """Compression ratio, length, MTLD and reading difficulty; null for a text without words."""

    name: ClassVar[str] = "difficulty"
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "compression",
                    unit="bytes/byte",
                    better="neither",
                    about="zlib's output over its input: low for text that repeats itself",
                ),
                GRID,
            ),
            score_field(
                "length", unit="bytes", better="neither", about="of the text", kind=pa.int64()
            ),
            declared(
                score_field(
                    "mtld",
                    unit="words",
                    better="neither",
                    about="mean stretch in which .72 of the words are different",
                ),
                GRID,
            ),
            declared(
                score_field(
                    "reading",
                    unit="points",
                    better="neither",
                    about="100 less Flesch's reading ease: 0 easy, 70 and more for scholars",
                ),
                GRID,
            ),
        ]
    )

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the four columns, one row a document."""
        from curator.text.readability import measures, reading_ease  # compiled on first use

        texts = table["text"]
        counts = measures(texts)
        ease = reading_ease(counts)
        length = pc.fill_null(pc.binary_length(texts), 0).cast(pa.int64()).combine_chunks()
        empty = counts[:, 0] == 0
        columns = {
            "compression": on_grid(_compression(texts), GRID),
            "mtld": on_grid(counts[:, 3], GRID),
            "reading": on_grid(100 - ease, GRID),
        }
        made = {name: pa.array(v.astype(np.float32), mask=empty) for name, v in columns.items()}
        known = pa.array(length.to_numpy(zero_copy_only=False), mask=empty)
        return pa.table({"length": known, **made}).select(self.writes.names)


def _compression(texts: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return (n,) compressed over plain bytes.

    A loop over documents: each turn is zlib's, which takes all of the time and lets go of the GIL.
    """
    found = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        plain = text.as_buffer()
        if plain is not None and plain.size:
            found[row] = len(zlib.compress(plain, _LEVEL)) / plain.size
    return found
