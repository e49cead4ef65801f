"""How benchmark items are guarded, and which are not."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from curator.dedup.benchmark_index import BenchmarkIndex


def coverage(index: BenchmarkIndex) -> pa.Table:
    """Return one row a benchmark: how its items are guarded, and how many are not at all.

    Columns: benchmark, items, ngram (words of a run), by_ngrams, as_run (whole, found anywhere),
    as_document (whole, found only alone), unguarded (no words, or all of them template or
    common), exempt_ngrams (template), common_ngrams (in too many documents of the pool).
    """
    frame = _guarded(index).group_by("benchmark").agg(
        items=pl.len(),
        ngram=pl.col("ngram").first(),
        by_ngrams=(pl.col("how") == "by_ngrams").sum(),
        as_run=(pl.col("how") == "as_run").sum(),
        as_document=(pl.col("how") == "as_document").sum(),
        unguarded=(pl.col("how") == "unguarded").sum(),
        exempt_ngrams=pl.col("exempt").sum(),
        common_ngrams=pl.col("common").sum(),
    )  # fmt: skip
    return frame.sort("benchmark").to_arrow()


def uncovered(index: BenchmarkIndex) -> pa.Table:
    """Return the items that can stand inside a document unnoticed: benchmark, item_id, words, how.

    `how` is "as_document" (too short: found only where it is the whole document) or "unguarded".
    """
    found = _guarded(index).filter(pl.col("how").is_in(["as_document", "unguarded"]))
    return found.select("benchmark", "item_id", "words", "how").to_arrow()


def _guarded(index: BenchmarkIndex) -> pl.DataFrame:
    """Return the items, in order, with how each is guarded."""
    words = pl.col("words")
    by_ngrams = (words >= pl.col("ngram")) & (index.method != "exact")
    how = (
        pl.when(pl.col("ngrams") == 0)
        .then(pl.lit("unguarded"))
        .when(by_ngrams)
        .then(pl.lit("by_ngrams"))
        .when(words >= index.shortest)
        .then(pl.lit("as_run"))
        .otherwise(pl.lit("as_document"))
    )
    frame = pl.DataFrame(pl.from_arrow(index.items.drop_columns(["text"])))
    return frame.with_columns(how=how)
