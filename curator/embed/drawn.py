"""Vectors of documents drawn by chance of their own, each document once, in the order of ids."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.embed.units import units
from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.stage import Corpus


class Drawn(NamedTuple):
    """Documents that were drawn: (N, 16) ids, rising, and their (N, D) unit vectors."""

    ids: NDArray[np.uint8]
    vectors: NDArray[np.float32]


def drawn_vectors(
    corpus: Corpus, most: int, *, purpose: str, seed: int = 0, where: str = ""
) -> Drawn:
    """Return at most `most` of the documents that have a vector: those whose chance is lowest.

    Neither the order of rows nor the cut into shards can change them. Two passes: the first reads
    only ids and which vectors are null.

    Args:
        corpus: with the column `vector`; a null is no vector.
        most: documents wanted at most; held in memory, 4 D bytes each.
        purpose: what the chance is for.
        seed: of the chance.
        where: what an error is about.

    Raises:
        RecipeError: no document has a vector, or they are not unit vectors of one length.
    """
    lowest = np.zeros(0)
    for table in corpus.tables(("doc_id", "vector")):
        lowest = np.unique(np.concatenate([lowest, _chance(table, purpose, seed)]))[:most]
    if not len(lowest):
        raise RecipeError(
            "no document has a vector; wanted texts with tokens that the encoder knows", where=where
        )
    parts = []
    for table in corpus.tables(("doc_id", "vector")):
        known = table.filter(pc.is_valid(table["vector"]))
        parts.append(known.filter(pa.array(_chance(table, purpose, seed) <= lowest[-1])))
    found = pa.concat_tables(parts)
    ids, first = np.unique(id_matrix(found["doc_id"]), axis=0, return_index=True)
    return Drawn(ids, units(found["vector"].take(pa.array(first)), where=where))


def _chance(table: pa.Table, purpose: str, seed: int) -> NDArray[np.float64]:
    """Return the chance of each document that has a vector."""
    known = table["doc_id"].filter(pc.is_valid(table["vector"]))
    return uniform(id_matrix(known), purpose, seed)
