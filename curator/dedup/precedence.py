"""The order of survivors in few numbers, for rows of which there are many a document."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.dedup.survivors import Survivors
from curator.identity import id_matrix

_LENGTH_BITS: Final = np.uint64(48)  # a text of 2**48 bytes fits no shard
_LENGTHS: Final = (np.uint64(1) << _LENGTH_BITS) - np.uint64(1)


def precedence(survivors: Survivors, documents: pa.Table) -> dict[str, npt.NDArray[np.uint64]]:
    """Return columns that put the best survivor first when rows are sorted by them, then by row.

    The order of `Survivors.standing` in 16 bytes instead of 36: source priority and length in one
    number, 64 bits of the doc_id in the other. If a column decides, 16 more bytes come before them.
    Documents that are equal in all are, in all likelihood, one text of one source, of which it
    matters little who stays.

    Args:
        survivors: the policy.
        documents: the columns of `survivors.reads`, and row.
    """
    standing = survivors.standing(documents)
    priority = standing["priority"].to_numpy().astype(np.uint64)
    columns: dict[str, npt.NDArray[np.uint64]] = {}
    if "rank" in standing:
        columns = {"priority": priority, "rank": standing["rank"].to_numpy()}
    # Longest first is a large number less the length: its low bits fall as the length grows.
    length = standing["length"].to_numpy() & _LENGTHS
    ids = np.ascontiguousarray(id_matrix(documents["doc_id"])[:, :8])
    node = ids.view(">u8").reshape(-1).astype(np.uint64)
    return {**columns, "high": (priority << _LENGTH_BITS) | length, "low": node}
