"""The grid that a model's scores are rounded to before anything is decided by them.

The last bits of a matrix product depend on the machine and on how rows were batched. Rounding to
a grid far coarser than those bits and far finer than any meaning makes equal scores equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def on_grid(values: NDArray[np.floating[Any]], grid: float) -> NDArray[np.float32]:
    """Return `values` rounded to the nearest multiple of `grid`, as float32."""
    rounded: NDArray[np.float32] = (np.rint(values / np.float64(grid)) * grid).astype(np.float32)
    return rounded


def declared(field: pa.Field, grid: float) -> pa.Field:
    """Return a score column's field with the grid it is rounded to in its metadata."""
    return field.with_metadata({**(field.metadata or {}), b"grid": f"{grid:g}".encode()})
