"""Documents that repeat a benchmark: found by shared runs of words, dropped, cut, or reported.

What overlap of words can find: verbatim copies, whatever became of case, accents, spacing and
punctuation. What it cannot: paraphrases, and copies with a word changed in every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.dedup.benchmark_index import BenchmarkIndex
from curator.dedup.cutting import GPT3, Cut, cut_texts
from curator.dedup.overlap import Overlap, find_overlap
from curator.errors import LedgerError
from curator.rewrite import Rewriter
from curator.schema import DECISION, places_of
from curator.stage import Site, Stage, circumstance
from curator.text.buffers import Texts, utf8
from curator.text.spans import Spans, merge_spans

HIT: Final = pa.struct(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),  # bytes in the document: an unbroken
        pa.field("end", pa.int64(), nullable=False),  # stretch in common with the item
        pa.field("words", pa.uint32(), nullable=False),
    ]
)
SPAN: Final = pa.struct(
    [
        pa.field("start", pa.int64(), nullable=False),  # bytes in the document: hits with any item,
        pa.field("end", pa.int64(), nullable=False),  # those that overlap as one
        pa.field("text", pa.string(), nullable=False),
    ]
)
FOUND: Final = pa.schema(
    [
        # Of the item that the document has most n-grams of; null: none.
        pa.field("benchmark", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("matched_ngrams", pa.uint32()),  # of the item, found in the document
        pa.field("item_share", pa.float32()),  # of the item's guarded words, in these
        pa.field("match_start", pa.int64()),  # bytes in the document: the first unbroken stretch
        pa.field("match_end", pa.int64()),  # in common
        pa.field("matched_items", pa.uint32()),
        pa.field("matched_text", pa.string()),  # the first stretch, 500 characters at most
        pa.field("benchmark_hits", pa.list_(HIT)),  # of all items; places are of the text as read
        pa.field("benchmark_spans", pa.list_(SPAN)),
    ],
    metadata={"curator.schema": "contamination/2"},
)
VERDICTS: Final = pa.schema([*DECISION, *FOUND], metadata=FOUND.metadata)
_TEXT_SHOWN: Final = 500


@dataclass(frozen=True)
class LooksUp(Stage):
    """Looks texts up in an index of benchmark items.

    Attributes:
        index: digest of the index.
        folder: where `BenchmarkIndex.save` put it.
    """

    reads: ClassVar[tuple[str, ...]] = ("text",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "polars")

    index: str
    folder: str = circumstance("")

    def load(self, site: Site) -> BenchmarkIndex:
        """Return the index.

        Raises:
            LedgerError: the folder holds another index than the settings name.
        """
        loaded = BenchmarkIndex.load(Path(self.folder))
        if loaded.digest != self.index:
            raise LedgerError(
                f"{self.folder} holds index {loaded.digest!r}; wanted {self.index!r}: "
                "rerun the recipe to make it again"
            )
        return loaded


@dataclass(frozen=True)
class Finds(LooksUp):
    """Finds documents that repeat a benchmark item.

    Attributes:
        more_than: share of an item's guarded words (all but a prompt's), in [0, 1), that must be
            passed in a document to count.
            0: any run does; 0.5: the rule of Tulu 3, and for copies of held-out documents, where
            those pass that have a license or a phrase in common with one.
        reason: the first half of the reason.
    """

    more_than: float = 0.0
    reason: str = "contaminated"

    def found(self, index: BenchmarkIndex, texts: Texts) -> tuple[pa.Table, Overlap]:
        """Return `FOUND`, one row a document, and what it is made from."""
        overlap = find_overlap(index, texts).above(self.more_than)
        return described(overlap, index, texts), overlap


@dataclass(frozen=True)
class Decontaminate(Finds):
    """Drops every document that repeats a benchmark item.

    The reason is `contaminated:NAME` of the benchmark whose item has most n-grams in the document.
    """

    name: ClassVar[str] = "decontaminate"
    version: ClassVar[int] = 2

    @property
    def writes(self) -> pa.Schema:
        """A decision, and what the document has in common with which items."""
        return VERDICTS

    def process(self, model: BenchmarkIndex, table: pa.Table) -> pa.Table:
        """Return `VERDICTS`, one row a document."""
        found, _ = self.found(model, table["text"])
        reason = pc.binary_join_element_wise(self.reason, found["benchmark"], ":")
        columns = [pc.is_null(found["benchmark"]), reason, *found.columns]
        return pa.table(columns, schema=VERDICTS)


@dataclass(frozen=True)
class ReportContamination(Finds):
    """Says which documents repeat a benchmark item, and drops none."""

    name: ClassVar[str] = "contamination"

    @property
    def writes(self) -> pa.Schema:
        """What the document has in common with which items."""
        return FOUND

    def process(self, model: BenchmarkIndex, table: pa.Table) -> pa.Table:
        """Return `FOUND`, one row a document."""
        return self.found(model, table["text"])[0]


@dataclass(frozen=True)
class CutContamination(Finds, Rewriter):
    """Cuts what repeats a benchmark item out of a document, with a margin on both sides.

    A document of which too many pieces or nothing long enough would be left is dropped.

    Attributes:
        cut: how much goes and what may stay.
    """

    name: ClassVar[str] = "decontaminate"
    notes: ClassVar[pa.Schema] = pa.schema([*FOUND, pa.field("cut_characters", pa.int64())])

    cut: Cut = GPT3

    def rewrite(self, model: BenchmarkIndex, table: pa.Table) -> pa.Table:
        """Return the texts that change, the reasons of drops, and what was found."""
        found, overlap = self.found(model, table["text"])
        rows = overlap.spans["document"].unique().sort()
        texts = table["text"].take(rows.to_arrow()).combine_chunks()
        spans = united(overlap.spans, table.num_rows)
        offsets = np.append(0, spans.offsets[rows.to_numpy() + 1])
        left = cut_texts(
            texts,
            spans._replace(offsets=offsets),
            self.cut,
            lambda texts: united(self.found(model, texts)[1].spans, len(texts)),
        )
        after = pa.array(left, pa.large_string())
        gone = pc.subtract(pc.utf8_length(texts), pc.fill_null(pc.utf8_length(after), 0))
        index = places_of(rows.to_numpy(), table.num_rows)
        dropped = pc.fill_null(after.is_null().take(index), fill_value=False)
        reason = pc.binary_join_element_wise(self.reason, found["benchmark"], ":")
        return pa.table(
            {
                "text": after.take(index),
                "reason": pc.if_else(dropped, reason, pa.scalar(None, pa.string())),
                **{name: found[name] for name in FOUND.names},
                "cut_characters": gone.cast(pa.int64()).take(index),
            }
        )


def united(spans: pl.DataFrame, texts: int) -> Spans:
    """Return the stretches in common with any item as spans of so many texts."""
    rows, starts, ends = (spans[name].to_numpy().copy() for name in ("document", "start", "end"))
    return merge_spans(texts, rows, starts, ends, np.zeros(len(rows), np.uint8))


def described(overlap: Overlap, index: BenchmarkIndex, texts: Texts) -> pa.Table:
    """Return `FOUND` of some texts, one row a text."""
    names = {name: pl.Series(index.items[name].to_pylist()) for name in ("benchmark", "item_id")}
    pairs, spans = (
        frame.with_columns(**{name: values.gather(frame["item"]) for name, values in names.items()})
        for frame in (overlap.pairs, overlap.spans)
    )
    order = ["document", "matched_ngrams", "item_share", "benchmark", "item_id"]
    best = (
        pairs.with_columns(matched_items=pl.len().over("document"))
        .sort(order, descending=[False, True, True, False, False])
        .unique("document", keep="first", maintain_order=True)
    )
    first = spans.unique(["document", "item"], keep="first", maintain_order=True).select(
        "document", "item", match_start="start", match_end="end"
    )
    best = best.join(first, on=["document", "item"], how="left", maintain_order="left")
    best = best.with_columns(matched_text=_shown(best, texts))
    rows = places_of(best["document"].to_numpy(), len(texts))
    columns = [best[field.name].to_arrow().cast(field.type).take(rows) for field in list(FOUND)[:8]]
    hits = spans.sort("document", "start", "end", "benchmark", "item_id")
    columns.append(_lists(hits["document"].to_numpy(), _structs(hits, HIT), len(texts)))
    columns.append(_span_lists(united(overlap.spans, len(texts)), texts))
    return pa.table(columns, schema=FOUND)


def _shown(best: pl.DataFrame, texts: Texts) -> pl.Series:
    """Return the first stretch in common of each contaminated document, cut to what is shown."""
    rows = (best[name].to_numpy() for name in ("document", "match_start", "match_end"))
    return pl.Series([text[:_TEXT_SHOWN] for text in _slices(texts, *rows)], dtype=pl.String)


def _slices(
    texts: Texts,
    rows: npt.NDArray[np.int64],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> list[str]:
    """Return stretches of texts, given in bytes."""
    column = utf8(texts)
    # A loop over contaminated documents only.
    begins, stops = column.offsets[rows] + starts, column.offsets[rows] + ends
    pairs = zip(begins.tolist(), stops.tolist(), strict=True)
    return [column.data[low:high].tobytes().decode("utf-8", "replace") for low, high in pairs]


def _span_lists(spans: Spans, texts: Texts) -> pa.Array:
    rows = np.repeat(np.arange(len(texts)), np.diff(spans.offsets))
    columns = {
        "start": spans.starts,
        "end": spans.ends,
        "text": pl.Series(_slices(texts, rows, spans.starts, spans.ends), dtype=pl.String),
    }
    return _lists(rows, _structs(pl.DataFrame(columns), SPAN), len(texts))


def _structs(frame: pl.DataFrame, kind: pa.StructType) -> pa.Array:
    arrays = [frame[field.name].to_arrow().cast(field.type) for field in kind]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _lists(rows: npt.NDArray[np.int64], values: pa.Array, texts: int) -> pa.Array:
    """Return values as one list a text, null where a text has none; `rows` is rising."""
    counts = np.bincount(rows, minlength=texts)
    offsets = pa.array(np.append(0, np.cumsum(counts)), pa.int32())
    kind = pa.list_(values.type)
    return pa.ListArray.from_arrays(offsets, values, type=kind, mask=pa.array(counts == 0))
