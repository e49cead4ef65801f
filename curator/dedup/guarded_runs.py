"""Which runs of words stand for a benchmark item: its n-grams, or the whole of it if it is short.

A field that is shorter than an n-gram, such as a question whose n-grams all reach into its answer,
is a run of its own: else a copy of the question without the answer would pass.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.dedup.benchmarks import word_counts
from curator.text.ngrams import ngram_hashes


def guarded_runs(
    items: pa.Table,
    words: npt.NDArray[np.uint32],
    lengths: npt.NDArray[np.int64],
    shortest: int,
    *,
    rarest: bool,
) -> pl.DataFrame:
    """Return the runs of items: words, hash, item, word, start, end, whole.

    `word`, `start` and `end` say where in the item's text a run stands, `whole` that it is all of
    an item that has no n-gram.

    Args:
        items: benchmark, item_id, text and perhaps parts.
        words: of each item.
        lengths: words of an n-gram, for each item.
        shortest: words that a field must have to be a run of its own.
        rarest: only one run of each item, which fewest items have, to find whole items by.
    """
    runs = np.minimum(words, lengths)
    units = pl.DataFrame(
        {
            "item": np.flatnonzero(runs),
            "begin": np.zeros(np.count_nonzero(runs), np.int64),
            "words": runs[runs > 0].astype(np.int64),
            "whole": (words < lengths)[runs > 0],
        }
    )
    texts = items["text"].take(pa.array(units["item"].to_numpy()))
    if "parts" in items.column_names and not rarest:
        fields, spans = _short_fields(items, words, lengths, shortest)
        units = pl.concat([units, fields])
        texts = pa.chunked_array([*texts.chunks, spans], pa.large_string())
    found = [_of_length(units, texts, length) for length in units["words"].unique().sort()]
    table = pl.concat(found).with_columns(word=_first_words(items["text"], pl.concat(found)))
    # A short field that an n-gram already contains is never longer than it: both stay.
    table = table.unique(["words", "hash", "item", "word"], keep="first", maintain_order=True)
    return _rarest(table) if rarest else table


def _short_fields(
    items: pa.Table,
    words: npt.NDArray[np.uint32],
    lengths: npt.NDArray[np.int64],
    shortest: int,
) -> tuple[pl.DataFrame, pa.Array]:
    """Return the fields of `shortest` words or more that have no n-gram, and their texts."""
    owners, begins, texts = [], [], []
    # Benchmarks are small: a loop over their items.
    columns = (items["text"].to_pylist(), items["parts"].to_pylist())
    for item, (text, parts) in enumerate(zip(*columns, strict=True)):
        raw = text.encode()
        for part in parts or ():
            owners.append(item)
            begins.append(part["start"])
            texts.append(raw[part["start"] : part["end"]].decode())
    fields = pa.array(texts, pa.large_string())
    counts = word_counts(fields).to_numpy().astype(np.int64)
    owner = np.array(owners, np.int64)
    short = (counts >= shortest) & (counts < lengths[owner]) & (counts < words[owner])
    frame = pl.DataFrame(
        {
            "item": owner[short],
            "begin": np.array(begins, np.int64)[short],
            "words": counts[short],
            "whole": np.zeros(int(short.sum()), np.bool_),
        }
    )
    return frame, fields.filter(pa.array(short))


def _of_length(units: pl.DataFrame, texts: pa.ChunkedArray, length: int) -> pl.DataFrame:
    """Return every run of `length` words of the units that are looked for by so many."""
    mine = units["words"] == length
    grams = ngram_hashes(texts.filter(mine.to_arrow()), length)
    unit = units.filter(mine)[np.repeat(np.arange(len(grams.offsets) - 1), np.diff(grams.offsets))]
    begin = unit["begin"].to_numpy()
    return pl.DataFrame(
        {
            "words": np.full(len(grams.hashes), length, np.uint32),
            "hash": grams.hashes,
            "item": unit["item"].cast(pl.UInt32),
            "start": grams.byte_starts + begin,
            "end": grams.byte_ends + begin,
            "whole": unit["whole"],
        }
    )


def _first_words(texts: pa.ChunkedArray, runs: pl.DataFrame) -> pl.Series:
    """Return the place of each run's first word in its item's text, uint32."""
    words = ngram_hashes(texts, 1)
    item = np.repeat(np.arange(len(texts)), np.diff(words.offsets))
    longest = int(words.byte_ends.max(initial=0)) + 1
    owner = runs["item"].to_numpy().astype(np.int64)
    at = np.searchsorted(
        item * longest + words.byte_starts, owner * longest + runs["start"].to_numpy()
    )
    return pl.Series((at - words.offsets[owner]).astype(np.uint32))


def _rarest(table: pl.DataFrame) -> pl.DataFrame:
    """Return one run of each item: that which fewest items have, and of those the first."""
    owners = pl.col("item").n_unique().over("words", "hash")
    return (
        table.with_columns(owners=owners)
        .sort("item", "owners", "word")
        .unique("item", keep="first", maintain_order=True)
        .drop("owners")
    )
