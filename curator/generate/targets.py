"""Refuse judged documents that are also what a run is measured on.

A judge may know a benchmark; a scorer distilled from its verdict on a test item would carry that
into the selection.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.stage import Corpus
from curator.text.ngrams import ngram_hashes
from curator.text.normalized import normalized_hash

ROLE = "final_target"  # given to `fit` by a pipeline that has one
# Brown et al. 2020 (arXiv:2005.14165), appendix C: what shares 13 words with a test item is a copy.
_WORDS = 13


class Target:
    """What the final target consists of: whole texts, and every run of 13 words."""

    def __init__(self, corpora: Mapping[str, Corpus]) -> None:
        self._texts = np.zeros(0, np.uint64)
        self._runs = np.zeros(0, np.uint64)
        if ROLE in corpora:
            tables = list(corpora[ROLE].tables(("text",)))
            self._texts = np.unique(np.concatenate([_whole(one["text"]) for one in tables]))
            runs = [ngram_hashes(one["text"], _WORDS).hashes for one in tables]
            self._runs = np.unique(np.concatenate(runs))

    def refuse(self, table: pa.Table, *, where: str) -> None:
        """Refuse a table (doc_id, text) in which a document overlaps the target.

        Raises:
            RecipeError: one does; names the first.
        """
        if not len(self._texts) or not table.num_rows:
            return
        found = ngram_hashes(table["text"], _WORDS)
        hits = np.isin(found.hashes, self._runs).astype(np.int64)
        reached = np.concatenate([np.zeros(1, np.int64), np.cumsum(hits)])
        shares = reached[found.offsets[1:]] > reached[found.offsets[:-1]]
        overlaps = shares | np.isin(_whole(table["text"]), self._texts)
        if overlaps.any():
            first = table["doc_id"][int(np.flatnonzero(overlaps)[0])].as_py().hex()
            raise RecipeError(
                f"{int(overlaps.sum())} of the documents to judge are in the final target or share "
                f"{_WORDS} words with it, such as {first}; decontaminate the corpus against it "
                "(corpus.decontaminate.against) before anything is judged",
                where=where,
            )


def _whole(texts: pa.ChunkedArray) -> NDArray[np.uint64]:
    halves = normalized_hash(texts)
    mixed: NDArray[np.uint64] = halves[:, 0] ^ halves[:, 1]
    return mixed
