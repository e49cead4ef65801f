"""Columns of vectors as matrices, held to what every method on vectors relies on: unit length."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import LedgerError, RecipeError
from curator.schema import vector_matrix

# Half precision keeps each number to 2**-11 of itself, so the length to about 0.0005.
_OFF: Final = 0.01
CENTROIDS: Final = "centroids.npy"


def units(
    column: pa.ChunkedArray, *, dimensions: int | None = None, where: str
) -> NDArray[np.float32]:
    """Return (N, D) float32 of a column of N unit vectors without nulls.

    Args:
        column: as `curator.embed.vectors.Embed` writes it, without nulls.
        dimensions: D that is wanted; None: any.
        where: what an error is about.

    Raises:
        RecipeError: vectors of another length than D or of several lengths, or one that is not
            finite or not of length one: another encoder made them, or none did.
    """
    if not len(column):
        return np.zeros((0, dimensions or 0), np.float32)
    lengths = np.unique(column.combine_chunks().value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) != 1 or lengths[0] != (dimensions or lengths[0]):
        raise RecipeError(
            f"vectors of {lengths.tolist()} numbers; wanted {dimensions or 'one length'}: compare "
            "vectors of one encoder only, and embed the corpus again if its encoder changed",
            where=where,
        )
    found = vector_matrix(column)
    check_units(found, where=where)
    return found


def check_units(vectors_ND: NDArray[np.float32], *, where: str) -> None:
    """Return only if every vector is finite and of length one.

    Raises:
        RecipeError: with how many are not, and the first one's length.
    """
    norms = np.linalg.norm(vectors_ND, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= _OFF))  # NaN is not near one either
    if len(wrong):
        raise RecipeError(
            f"{len(wrong)} of {len(norms)} vectors are not finite or not of length one (row "
            f"{wrong[0]}: length {float(norms[wrong[0]])!r}); wanted unit vectors as `embed` "
            "writes them, null for a text without tokens",
            where=where,
        )


def load_centroids(folder: Path | None, *, encoder: str, where: str) -> NDArray[np.float32]:
    """Return (K, D) centroids that a fit wrote beside the digest of its encoder.

    Raises:
        LedgerError: there are none.
        RecipeError: they were learned from vectors of another encoder than `encoder`'s digest.
    """
    if folder is None:
        raise LedgerError(f"{where} has no centroids; wanted the folder of its fit", where=where)
    made_by = (folder / "encoder.txt").read_text()
    if made_by != encoder:
        raise RecipeError(
            f"centroids were learned from vectors of encoder {made_by!r}, the vectors here are of "
            f"{encoder!r}; fit again: one run compares vectors of one encoder",
            where=where,
        )
    centroids: NDArray[np.float32] = np.load(folder / CENTROIDS, allow_pickle=False)
    return centroids
