"""Documents that repeat a benchmark: found by shared runs of words, dropped, and reported.

What overlap of words can find: verbatim copies, whatever became of case, accents, spacing and
punctuation. What it cannot: paraphrases, and copies with a word changed in every run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.dedup.benchmark_index import BenchmarkIndex, Runs
from curator.dedup.scan import Suspects, scan
from curator.errors import LedgerError
from curator.schema import DECISION
from curator.stage import Site, Stage, circumstance
from curator.text.buffers import Texts, utf8
from curator.text.ngrams import ngram_hashes

MATCHES: Final = pa.schema(
    [
        pa.field("document", pa.int64(), nullable=False),  # place in the column looked up
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("matched_ngrams", pa.uint32(), nullable=False),  # of the item, found in it
        pa.field("item_share", pa.float32(), nullable=False),  # of the item's bytes, in these
        pa.field("match_start", pa.int64(), nullable=False),  # bytes in the document: the first
        pa.field("match_end", pa.int64(), nullable=False),  # unbroken stretch in common
    ],
    metadata={"curator.schema": "contamination-matches/1"},
)
VERDICTS: Final = pa.schema(
    [
        *DECISION,
        # Of the item that the document has most n-grams of; null: none.
        *[pa.field(field.name, field.type) for field in list(MATCHES)[1:]],
        pa.field("matched_items", pa.uint32()),
        pa.field("matched_text", pa.string()),  # the first stretch, 500 characters at most
    ],
    metadata={"curator.schema": "contamination/1"},
)
_SLICE_BYTES: Final = 16 << 20  # text scanned at a time
_TEXT_SHOWN: Final = 500


@dataclass(frozen=True)
class Decontaminate(Stage):
    """Drops every document that shares a guarded run of words with a benchmark item.

    The reason is `contaminated:NAME` of the benchmark whose item has most n-grams in the document.

    Attributes:
        index: digest of the index.
        folder: where `BenchmarkIndex.save` put it.
        ngram: words in a guarded run.
        least_share: share of an item, in [0, 1], that must stand in a document to count. 0: any
            run does, as for benchmarks; 0.5 finds copies of held-out documents and lets pass
            those that have a license or a phrase in common with one.
        reason: the first half of the reason.
    """

    name: ClassVar[str] = "decontaminate"
    reads: ClassVar[tuple[str, ...]] = ("text",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "polars")

    index: str
    folder: str = circumstance("")
    ngram: int = 13
    least_share: float = 0.0
    reason: str = "contaminated"

    @property
    def writes(self) -> pa.Schema:
        """A decision, and what the document has in common with which item."""
        return VERDICTS

    def load(self, site: Site) -> BenchmarkIndex:
        """Return the index.

        Raises:
            LedgerError: the folder holds another index than the settings name.
        """
        loaded = BenchmarkIndex.load(Path(self.folder))
        if (loaded.digest, loaded.ngram) != (self.index, self.ngram):
            raise LedgerError(
                f"{self.folder} holds index {loaded.digest!r} of {loaded.ngram}-grams; wanted "
                f"{self.index!r} of {self.ngram}-grams: rerun the recipe to make it again"
            )
        return loaded

    def process(self, model: BenchmarkIndex, table: pa.Table) -> pa.Table:
        """Return `VERDICTS`, one row a document."""
        matches = pl.DataFrame(pl.from_arrow(find_matches(model, table["text"])))
        matches = matches.filter(pl.col("item_share") >= self.least_share)
        order = ["document", "matched_ngrams", "item_share", "benchmark", "item_id"]
        best = (
            matches.with_columns(matched_items=pl.len().over("document").cast(pl.UInt32))
            .sort(order, descending=[False, True, True, False, False])
            .unique("document", keep="first", maintain_order=True)
        )
        place = np.full(table.num_rows, -1, np.int64)
        place[best["document"].to_numpy()] = np.arange(len(best))
        place_or_null = pa.array(place, mask=place < 0)
        best = best.with_columns(
            reason=f"{self.reason}:" + pl.col("benchmark"),
            matched_text=_stretches(best, table["text"]),
        )
        found = best.to_arrow()
        columns = [pa.array(place < 0)]
        columns += [
            found[field.name].combine_chunks().take(place_or_null).cast(field.type)
            for field in list(VERDICTS)[1:]
        ]
        return pa.table(columns, schema=VERDICTS)


def find_matches(index: BenchmarkIndex, texts: Texts) -> pa.Table:
    """Return `MATCHES`: every pair of document and item that share a guarded run, in order."""
    sieve = index.sieve
    hits = [pl.DataFrame(schema=_HIT)]
    for begin, part in _slices(texts):
        suspects = scan(part, sieve)
        for place, runs in enumerate(index.runs):
            of_length = Suspects(*(each[suspects.length == place] for each in suspects))
            hits.append(_hits(runs, of_length, index.items["text"], part, begin))
    return _by_pair(pl.concat(hits), index).cast(MATCHES)


def contamination_report(documents: pa.Table, verdicts: pa.Table) -> pa.Table:
    """Return the columns of `documents` (doc_id, source, origin ...) beside what they matched.

    Args:
        documents: row-aligned with `verdicts`.
        verdicts: as `Decontaminate` writes; rows with a null `keep` were dropped before.

    Returns:
        One row for each contaminated document.
    """
    mask = pc.is_valid(verdicts["reason"])
    matched = verdicts.filter(mask)
    report = documents.filter(mask)
    for field in list(VERDICTS)[2:]:
        report = report.append_column(field, matched[field.name])
    return report


_HIT: Final = dict.fromkeys(
    ("document", "match_start", "match_end", "item", "item_start", "item_end"), pl.Int64
)


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

    A run with several owners is a hit for each.
    """
    here, owner = runs.find(suspects.hashes)
    document = suspects.document[here]
    found = {
        "document": document + begin,
        "match_start": suspects.start[here],
        "match_end": suspects.end[here],
        "item": runs.item[owner].astype(np.int64),
        "item_start": runs.start[owner],
        "item_end": runs.end[owner],
    }
    there = _words(texts, document, found["match_start"], found["match_end"], runs.words)
    asked = _words(item_texts, found["item"], found["item_start"], found["item_end"], runs.words)
    return pl.DataFrame(found, schema=_HIT).filter(pl.Series((there == asked).all(axis=1)))


def _words(
    texts: Texts,
    rows: npt.NDArray[np.int64],
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


def _by_pair(hits: pl.DataFrame, index: BenchmarkIndex) -> pa.Table:
    """Return one row for each pair of document and item: how much, and the first stretch."""
    pair = ["document", "item"]
    before_item = pl.col("item_end").shift(1).over(pair).fill_null(0)
    items = (
        hits.unique([*pair, "item_start"])
        .sort(*pair, "item_start")
        .with_columns(fresh=pl.col("item_end") - pl.max_horizontal("item_start", before_item))
    )
    share = items.group_by(pair).agg(matched_ngrams=pl.len(), covered=pl.col("fresh").sum())
    before = pl.col("match_end").shift(1).over(pair)
    gap = (pl.col("match_start") > before).fill_null(value=False).cast(pl.Int64)
    stretches = hits.unique([*pair, "match_start"]).sort(*pair, "match_start")
    first = (
        stretches.with_columns(stretch=gap.cum_sum().over(pair))
        .filter(pl.col("stretch") == 0)
        .group_by(pair)
        .agg(pl.col("match_start").min(), pl.col("match_end").max())
    )
    named = share.join(first, on=pair).sort(*pair)
    taken = index.items.take(named["item"].to_arrow())
    words = ngram_hashes(taken["text"], 1)
    whole = words.byte_ends[words.offsets[1:] - 1] - words.byte_starts[words.offsets[:-1]]
    columns = {
        "document": named["document"].to_arrow(),
        "benchmark": taken["benchmark"],
        "item_id": taken["item_id"],
        "matched_ngrams": named["matched_ngrams"].to_arrow(),
        "item_share": pa.array(named["covered"].to_numpy() / whole),
        "match_start": named["match_start"].to_arrow(),
        "match_end": named["match_end"].to_arrow(),
    }
    return pa.table(columns)


def _stretches(best: pl.DataFrame, texts: Texts) -> pl.Series:
    """Return the first stretch in common of each contaminated document, cut to what is shown."""
    column = utf8(texts)
    shown = []
    # A loop over contaminated documents only.
    for row, start, end in best.select("document", "match_start", "match_end").iter_rows():
        raw = column.data[column.offsets[row] + start : column.offsets[row] + end].tobytes()
        shown.append(raw.decode("utf-8", "replace")[:_TEXT_SHOWN])
    return pl.Series(shown, dtype=pl.String)
