"""Examples to learn from: distinct documents of a corpus, chosen by their ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.stage import Corpus


def draw_examples(
    corpus: Corpus,
    limit: int | None,
    *,
    purpose: str,
    seed: int = 0,
    where: str = "",
    columns: Sequence[str] = ("text",),
) -> pa.Table:
    """Return doc_id and other columns of at most `limit` distinct documents, sorted by id.

    The documents whose ids draw lowest are kept, so neither the order of rows nor the cut into
    shards can change the choice. Ids are read first, so only the texts that are kept are held.

    Args:
        corpus: what to choose from; a document that is there twice counts once.
        limit: documents wanted at most; None: all.
        purpose: what the chance is for, as in `curator.identity.uniform`.
        seed: of the chance.
        where: what an error is about, such as a scorer's role.
        columns: to read beside doc_id.

    Raises:
        RecipeError: the corpus has no documents.
    """
    last = draw_threshold(corpus, limit, purpose=purpose, seed=seed, where=where)
    parts = []
    for table in corpus.tables(("doc_id", *columns)):
        drawn = uniform(id_matrix(table["doc_id"]), purpose, seed)
        parts.append(table.filter(pa.array(drawn <= last)))
    return _sorted_distinct(pa.concat_tables(parts))


def draw_threshold(
    corpus: Corpus, limit: int | None, *, purpose: str, seed: int = 0, where: str = ""
) -> float:
    """Return the chance that at most `limit` distinct documents draw no higher than, in (0, 1).

    A scorer that judges only so many documents keeps this number: whether a document is one of
    them then depends on nothing but its id. Arguments are those of `draw_examples`.

    Raises:
        RecipeError: the corpus has no documents.
    """
    lowest = np.zeros(0)
    for table in corpus.tables(("doc_id",)):
        drawn = uniform(id_matrix(table["doc_id"]), purpose, seed)
        lowest = np.unique(np.concatenate([lowest, drawn]))[:limit]
    if not len(lowest):
        raise RecipeError("the corpus has no documents; wanted at least one", where=where)
    return float(lowest[-1])


def lowest_share(table: pa.Table, count: int, *, purpose: str, seed: int = 0) -> NDArray[np.bool_]:
    """Return which `count` rows of `table` (doc_id) draw lowest; all of them if there are fewer."""
    drawn = uniform(id_matrix(table["doc_id"]), purpose, seed)
    if len(drawn) <= count:
        return np.ones(len(drawn), bool)
    chosen: NDArray[np.bool_] = drawn <= np.partition(drawn, count - 1)[count - 1]
    return chosen


def _sorted_distinct(table: pa.Table) -> pa.Table:
    _, rows = np.unique(id_matrix(table["doc_id"]), axis=0, return_index=True)
    return table.take(pa.array(rows))
