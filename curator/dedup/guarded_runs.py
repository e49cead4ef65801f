"""Which runs of words stand for a benchmark item: its n-grams, or the whole of it if it is short.

A field that is shorter than an n-gram, such as a question whose n-grams all reach into its answer,
is a run of its own: else a copy of the question without the answer would pass. So is what is left
of a field without the words that all items of a benchmark begin or end with.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.text.ngrams import NgramHashes, ngram_hashes

# A word that more than these begin or end with is a prompt's, as `_template` says of n-grams; the
# share is larger because many questions begin with the same word.
_AFFIX_ITEMS: Final = 5
_AFFIX_SHARE: Final = 0.9
_AFFIX_WORDS: Final = 20


def guarded_runs(
    items: pa.Table,
    words: npt.NDArray[np.int64],
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
    words: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    shortest: int,
) -> tuple[pl.DataFrame, pa.Array]:
    """Return the fields of `shortest` words or more that have no n-gram, and their texts."""
    places, texts = [], []
    # Benchmarks are small: a loop over their items.
    columns = (items[name].to_pylist() for name in ("benchmark", "text", "parts"))
    for item, (benchmark, text, parts) in enumerate(zip(*columns, strict=True)):
        raw = text.encode()
        for number, part in enumerate(parts or ()):
            places.append((item, f"{number} of {benchmark}", part["start"]))
            texts.append(raw[part["start"] : part["end"]].decode())
    schema = {"item": pl.Int64, "kind": pl.String, "begin": pl.Int64}
    fields = pl.DataFrame(places, schema=schema, orient="row")
    found = ngram_hashes(pa.array(texts, pa.large_string()), 1)
    low, high = _without_affixes(fields["kind"], found, shortest)
    owner, counts = fields["item"].to_numpy(), high - low
    kept = (counts >= shortest) & (counts < lengths[owner]) & (counts < words[owner])
    low, high = low[kept], high[kept]
    starts, ends = found.byte_starts[low], found.byte_ends[high - 1]
    chosen = zip(np.flatnonzero(kept).tolist(), starts.tolist(), ends.tolist(), strict=True)
    spans = [texts[row].encode()[start:end].decode() for row, start, end in chosen]
    frame = pl.DataFrame(
        {
            "item": owner[kept],
            "begin": fields["begin"].to_numpy()[kept] + starts,
            "words": counts[kept],
            "whole": np.zeros(len(spans), np.bool_),
        }
    )
    return frame, pa.array(spans, pa.large_string())


def _without_affixes(
    kinds: pl.Series, found: NgramHashes, shortest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return from where to where the words of each field are its own, as places among all words.

    Words with which nearly all fields of a kind begin or end, such as "Question:", are of a prompt
    and not in a copy from elsewhere. A field that would become too short keeps them.
    """
    low, high = found.offsets[:-1].copy(), found.offsets[1:].copy()
    for _ in range(_AFFIX_WORDS):
        shared = False
        for edge, step in ((low, 1), (high, -1)):
            full = np.flatnonzero(low < high)
            word = found.hashes[edge[full] if step > 0 else edge[full] - 1]
            frame = pl.DataFrame({"kind": kinds.gather(full), "word": word})
            counts = frame.select(has=pl.len().over("kind", "word"), all=pl.len().over("kind"))
            common = (counts["has"] > _AFFIX_ITEMS) & (counts["has"] > _AFFIX_SHARE * counts["all"])
            edge[full[common.to_numpy()]] += step
            shared = shared or bool(common.any())
        if not shared:
            break
    short = high - low < shortest
    return np.where(short, found.offsets[:-1], low), np.where(short, found.offsets[1:], high)


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
