"""What documents have in common with benchmark items: which runs of words, how much of an item.

Hashes propose, words dispose: a run counts where its words are the item's, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.dedup.benchmark_index import BenchmarkIndex, Runs
from curator.dedup.scan import Suspects, scan
from curator.text.buffers import Texts, utf8
from curator.text.ngrams import ngram_hashes

_SLICE_BYTES: Final = 16 << 20  # text scanned at a time
_PAIR: Final = ["document", "item"]
_HIT: Final = dict.fromkeys(
    ("document", "word", "start", "end", "item", "item_word", "words"), pl.Int64
)


@dataclass(frozen=True)
class Overlap:
    """What some documents and some items have in common, in order of document and item.

    Attributes:
        pairs: document (place in the column), item (place in the index), matched_ngrams (of the
            item, found in the document), item_share (of the item's guarded words, in these).
        spans: document, item, start, end (bytes in the document), words: unbroken stretches.
    """

    pairs: pl.DataFrame
    spans: pl.DataFrame

    def above(self, share: float) -> Overlap:
        """Return what is left where more than a share of the item's guarded words must be there."""
        pairs = self.pairs.filter(pl.col("item_share") > share)
        spans = self.spans.join(pairs.select(_PAIR), on=_PAIR, how="semi", maintain_order="left")
        return Overlap(pairs, spans)


def find_overlap(index: BenchmarkIndex, texts: Texts) -> Overlap:
    """Return every pair of document and item that share a guarded run; of `exact`: a whole item."""
    hits = pl.concat([pl.DataFrame(schema=_HIT), *_hits_by_slice(index, texts)])
    if index.method == "exact":
        hits = _whole_items(hits, index, texts)
    return Overlap(_pairs(hits, index), _spans(hits))


def runs_of_each(index: BenchmarkIndex, texts: Texts) -> pa.ListArray:
    """Return the distinct guarded runs in each text, by their number in the index: list<uint32>."""
    found = [pl.DataFrame(schema={"document": pl.Int64, "run": pl.Int64})]
    for begin, part in _slices(texts):
        suspects = scan(part, index.sieve)
        for place, runs in enumerate(index.runs):
            mine = suspects.length == place
            here, at = runs.look(suspects.hashes[mine])
            document = suspects.document[mine][here] + begin
            found.append(pl.DataFrame({"document": document, "run": at + index.borders[place]}))
    distinct = pl.concat(found).unique().sort("document", "run")
    counts = np.bincount(distinct["document"].to_numpy(), minlength=len(texts))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    numbers = pa.array(distinct["run"].to_numpy().astype(np.uint32))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers)


def _hits_by_slice(index: BenchmarkIndex, texts: Texts) -> Iterator[pl.DataFrame]:
    for begin, part in _slices(texts):
        suspects = scan(part, index.sieve)
        for place, runs in enumerate(index.runs):
            of_length = Suspects(*(each[suspects.length == place] for each in suspects))
            yield _hits(runs, of_length, index.items["text"], part, begin)


def _slices(texts: Texts) -> Iterator[tuple[int, pa.Array]]:
    """Yield (first row, rows) of about `_SLICE_BYTES`: whole documents only."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    offsets = utf8(whole).offsets
    begin = 0
    while begin < len(whole):
        end = int(np.searchsorted(offsets, offsets[begin] + _SLICE_BYTES, side="right")) - 1
        end = max(end, begin + 1)
        yield begin, whole.slice(begin, end - begin)
        begin = end


def _hits(
    runs: Runs, suspects: Suspects, item_texts: pa.ChunkedArray, texts: pa.Array, begin: int
) -> pl.DataFrame:
    """Return the suspects of one length that are guarded, word by word; `begin` numbers the first.

    A run with several owners is a hit for each; its words are compared with those of the first.
    """
    here, at = runs.look(suspects.hashes)
    document, start, end = (
        each[here] for each in (suspects.document, suspects.start, suspects.end)
    )
    owner = runs.first[at]
    there = _words(texts, document, start, end, runs.words)
    asked = _words(item_texts, runs.item[owner], runs.start[owner], runs.end[owner], runs.words)
    same = (there == asked).all(axis=1)
    here, at = here[same], at[same]
    hit, owner = runs.owners(at)
    suspect = here[hit]
    return pl.DataFrame(
        {
            "document": suspects.document[suspect] + begin,
            "word": suspects.word[suspect],
            "start": suspects.start[suspect],
            "end": suspects.end[suspect],
            "item": runs.item[owner].astype(np.int64),
            "item_word": runs.word[owner].astype(np.int64),
            "words": np.full(len(owner), runs.words, np.int64),
        },
        schema=_HIT,
    )


def _words(
    texts: Texts,
    rows: npt.NDArray[np.int64] | npt.NDArray[np.uint32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    words: int,
) -> npt.NDArray[np.uint64]:
    """Return each span's words as a (spans, words) matrix of their own 64-bit hashes.

    Runs whose hashes collide differ in a word, and single words do not collide in practice.
    """
    column = utf8(texts)
    # A loop over spans that already agree in 64 bits: few, unless the document is the benchmark.
    spans = [
        column.data[column.offsets[row] + start : column.offsets[row] + end].tobytes()
        for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
    ]
    lengths = np.cumsum([0, *map(len, spans)], dtype=np.int64)
    buffers = [None, pa.py_buffer(lengths), pa.py_buffer(b"".join(spans))]
    array = pa.Array.from_buffers(pa.large_string(), len(spans), buffers)
    return ngram_hashes(array, 1).hashes.reshape(len(spans), words)


def _whole_items(hits: pl.DataFrame, index: BenchmarkIndex, texts: Texts) -> pl.DataFrame:
    """Return a hit for each place of a document where the whole of an item stands."""
    begun = hits.select(
        "document", "item", word=pl.col("word") - pl.col("item_word")
    ).filter(pl.col("word") >= 0)  # fmt: skip
    begun = begun.unique().sort("document", "item", "word")
    here = begun["document"].unique(maintain_order=True)
    words = ngram_hashes(texts.take(here.to_arrow()), 1)
    asked = begun["item"].unique().sort()
    items = ngram_hashes(index.items["text"].take(asked.to_arrow()), 1)
    found = []
    # A loop over documents that share an item's rarest run with it: few.
    places = (here.search_sorted(begun["document"]), asked.search_sorted(begun["item"]))
    for row, document, item in zip(begun.iter_rows(named=True), *places, strict=True):
        low = words.offsets[document] + row["word"]
        item_low, item_high = items.offsets[item], items.offsets[item + 1]
        high = low + item_high - item_low
        same = high <= words.offsets[document + 1] and np.array_equal(
            words.hashes[low:high], items.hashes[item_low:item_high]
        )
        if same:
            start, end = words.byte_starts[low], words.byte_ends[high - 1]
            found.append((row["document"], row["word"], start, end, row["item"], 0, high - low))
    return pl.DataFrame(found, schema=_HIT, orient="row")


def _pairs(hits: pl.DataFrame, index: BenchmarkIndex) -> pl.DataFrame:
    """Return one row for each pair of document and item: how much of the item is there."""
    before = (pl.col("item_word") + pl.col("words")).cum_max().shift(1).over(_PAIR).fill_null(0)
    item_end = pl.col("item_word") + pl.col("words")
    fresh = (item_end - pl.max_horizontal("item_word", before)).clip(0)
    distinct = hits.unique([*_PAIR, "item_word", "words"]).sort(*_PAIR, "item_word", "words")
    counted = distinct.with_columns(fresh=fresh).group_by(_PAIR, maintain_order=True)
    pairs = counted.agg(matched_ngrams=pl.len(), covered=pl.col("fresh").sum())
    whole = pl.Series(index.items["guarded"].to_numpy())
    share = pairs["covered"] / whole.gather(pairs["item"])
    return pairs.with_columns(item_share=share.cast(pl.Float32)).drop("covered")


def _spans(hits: pl.DataFrame) -> pl.DataFrame:
    """Return the unbroken stretches of each pair: hits that share a word are one."""
    last = pl.col("word") + pl.col("words")
    before = last.cum_max().shift(1).over(_PAIR)
    broken = (pl.col("word") >= before).fill_null(value=True)
    ordered = hits.unique([*_PAIR, "word", "words"]).sort(*_PAIR, "word", "words")
    return (
        ordered.with_columns(stretch=broken.cum_sum())
        .group_by(*_PAIR, "stretch", maintain_order=True)
        .agg(
            pl.col("start").min(),
            pl.col("end").max(),
            words=last.max() - pl.col("word").min(),
        )
        .drop("stretch")
    )
