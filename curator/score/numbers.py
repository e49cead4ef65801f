"""Columns of earlier scores as numbers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError


def numbers_of(table: pa.Table, column: str, *, where: str) -> NDArray[np.float64]:
    """Return a score's column, (n,) float64; NaN where a document has none.

    Args:
        table: with the column.
        column: of numbers, or of true and false, which are 1 and 0.
        where: what an error is about.

    Raises:
        RecipeError: it holds words, lists or anything else.
    """
    kind = table.schema.field(column).type
    known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    if not any(each(kind) for each in known):
        raise RecipeError(
            f"score {column!r} is {kind}; wanted numbers: name the column of an earlier entry of "
            "`score` that holds some",
            where=where,
        )
    values: NDArray[np.float64] = table[column].cast(pa.float64()).to_numpy()
    return values
