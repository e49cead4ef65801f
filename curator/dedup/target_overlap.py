"""Whether examples that a selection is made for repeat the text that it will be judged by.

A score that learns from examples pulls in what is like them: examples that share a run of 13 words
with the final target (the rule of Brown et al. 2020, arXiv:2005.14165, appendix C, for documents)
would select for the answer key. The project's specification B2 (6) refuses them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from curator.dedup.benchmark_index import build_index
from curator.dedup.benchmarks import ITEMS
from curator.dedup.overlap import find_overlap
from curator.errors import RecipeError

NGRAM: Final = 13  # words
_SHOWN: Final = 3


def overlapping(examples: pa.Table, final: pa.Table, *, ngram: int = NGRAM) -> pa.Table:
    """Return the pairs of example and final item that share a run of words.

    Runs that most items of the final target have in common are its prompt and do not count; an item
    shorter than a run counts where it stands in an example as a whole.

    Args:
        examples: with the columns source and text.
        final: with the columns source and text.
        ngram: words of a run.

    Returns:
        example, item (int64, rows of the two tables), matched_ngrams (int64), by example and item.
    """
    empty = pa.table(
        {name: np.zeros(0, np.int64) for name in ("example", "item", "matched_ngrams")}
    )
    if not examples.num_rows or not final.num_rows:
        return empty
    rows = pa.array([str(row) for row in range(final.num_rows)])
    columns = [final["source"], rows, final["text"], pa.nulls(final.num_rows, ITEMS.field(3).type)]
    index = build_index(pa.table(columns, schema=ITEMS), ngram=ngram)
    pairs = find_overlap(index, examples["text"]).pairs
    return pa.table(
        {
            "example": pairs["document"].to_numpy().astype(np.int64),
            "item": pairs["item"].to_numpy().astype(np.int64),
            "matched_ngrams": pairs["matched_ngrams"].to_numpy().astype(np.int64),
        }
    )


def refuse_overlap(
    examples: pa.Table, final: pa.Table, *, ngram: int = NGRAM, where: str = "score"
) -> None:
    """Return only if no example shares a run of words with an item of the final target.

    Args:
        examples: documents of the roles that scorers learn from: source, text.
        final: documents of the final target: source, text.
        ngram: words of a run.
        where: the recipe section that asked.

    Raises:
        RecipeError: with how many do, and the beginnings of the first three.
    """
    pairs = overlapping(examples, final, ngram=ngram)
    if not pairs.num_rows:
        return
    guilty = np.unique(pairs["example"].to_numpy())
    texts = examples["text"].take(pa.array(guilty[:_SHOWN])).to_pylist()
    names = examples["source"].take(pa.array(guilty[:_SHOWN])).to_pylist()
    shown = "; ".join(f"{name}: {text[:80]!r}" for name, text in zip(names, texts, strict=True))
    raise RecipeError(
        f"{len(guilty)} of {examples.num_rows} examples share {ngram} words in a row with the "
        f"final target ({shown}); wanted none: give the benchmark `apart: {ngram}`, which leaves "
        "such examples out, or judge by another final target",
        where=where,
    )
