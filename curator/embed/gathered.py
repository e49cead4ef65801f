"""The vectors of a corpus in one file, in the order of ids: what looks at all of them reads blocks.

Memory holds the ids, 16 bytes a document, and one shard's vectors; a result made from the file in
its order depends neither on the order of documents nor on how they were cut into shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix
from curator.schema import vector_matrix
from curator.stage import Corpus


class Gathered(NamedTuple):
    """Distinct documents that have vectors.

    Attributes:
        ids: (N, 16) uint8, sorted.
        vectors: (N, D), a file on disk.
    """

    ids: NDArray[np.uint8]
    vectors: NDArray[np.floating[Any]]


def gather(
    corpus: Corpus, columns: Sequence[str], path: Path, *, where: str, directed: bool = False
) -> Gathered:
    """Return the documents of `corpus` with their vectors, in float16 in the file `path`.

    Args:
        corpus: with the columns beside it.
        columns: of vectors; of several the mean is kept, of documents that have all.
        path: of the file to write.
        where: what an error is about.
        directed: leave out documents whose vector has no length, for those who compare angles.

    Raises:
        RecipeError: no document has vectors, or they are of several lengths.
    """
    found = [
        id_matrix(known_vectors(table, columns, directed=directed)["doc_id"])
        for table in corpus.tables(("doc_id", *columns))
    ]
    whole = np.concatenate([np.zeros((0, 16), np.uint8), *found])
    if not len(whole):
        raise RecipeError(
            f"no document of the corpus has {' and '.join(columns)}; wanted some", where=where
        )
    distinct, home = np.unique(np.ascontiguousarray(whole).view("V16"), return_inverse=True)
    written: NDArray[np.float16] | None = None
    begin = 0
    for table in corpus.tables(("doc_id", *columns)):
        rows = mean_vectors(known_vectors(table, columns, directed=directed), columns)
        if not len(rows):
            continue
        if written is None:
            shape = (len(distinct), rows.shape[1])
            written = np.lib.format.open_memmap(path, "w+", np.dtype(np.float16), shape)
        if rows.shape[1] != written.shape[1]:
            raise RecipeError(
                f"vectors of {rows.shape[1]} numbers after some of {written.shape[1]}; wanted all "
                "of one encoder, or of one sketch",
                where=where,
            )
        written[home[begin : begin + len(rows)].ravel()] = rows
        begin += len(rows)
    assert written is not None  # some document has vectors
    return Gathered(distinct.view(np.uint8).reshape(-1, 16), written)


def mean_vectors(table: pa.Table, columns: Sequence[str]) -> NDArray[np.float32]:
    """Return (N, D) float32, the mean over `columns` of vectors without nulls."""
    if not table.num_rows:
        return np.zeros((0, 0), np.float32)
    total = vector_matrix(table[columns[0]])
    for name in columns[1:]:
        total = total + vector_matrix(table[name])
    mean: NDArray[np.float32] = total / np.float32(len(columns))
    return mean


def known_vectors(table: pa.Table, columns: Sequence[str], *, directed: bool) -> pa.Table:
    """Return the rows that have a vector in each of `columns`, and a direction if `directed`."""
    known = pc.is_valid(table[columns[0]])
    for name in columns[1:]:
        known = pc.and_(known, pc.is_valid(table[name]))
    found = table.filter(known)
    if not directed or not found.num_rows:
        return found
    lengths = mean_vectors(found, columns).astype(np.float16).any(axis=1)
    return found.filter(pa.array(lengths))
