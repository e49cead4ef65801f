"""Hashes of every run of words that benchmarks consist of, sorted, with their owners.

An item of `ngram` words or more is guarded by all its n-grams (13: GPT-3's procedure, Brown et al.
2020, arXiv:2005.14165, appendix C). A shorter item is guarded as a whole: found anywhere in a
document from `shortest` words on, below that only where it is the whole document. N-grams shared
by many items of one benchmark belong to its prompt, not to an item: they are left out, and counted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.dedup.benchmarks import word_counts
from curator.dedup.scan import Sieve, make_sieve
from curator.errors import LedgerError, RecipeError
from curator.identity import fingerprint
from curator.shards import read_shard, write_shard
from curator.text.ngrams import ngram_hashes
from curator.text.unicode import UNICODE_VERSION

# How words are read and runs are found: part of what names an index.
READING: Final = {"index": "1", "unicode": UNICODE_VERSION}
_SMALLEST_NGRAM: Final = 5  # shorter runs are ordinary language


class Runs(NamedTuple):
    """All guarded runs of one length.

    Attributes:
        words: length of the runs.
        hashes: (u,) uint64, rising.
        first: (u + 1,) int64; hash i is owned by `first[i]:first[i + 1]` of what follows.
        item: uint32, place in the items table.
        start: int64, first byte in the item's text.
        end: int64, past its last byte.
    """

    words: int
    hashes: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]
    item: npt.NDArray[np.uint32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    def find(self, hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], ...]:
        """Return every (place in `hashes`, place among owners) of equal hash, two (m,) int64."""
        at = np.searchsorted(self.hashes, hashes)
        known = self.hashes[np.minimum(at, len(self.hashes) - 1)] == hashes
        found, at = np.flatnonzero(known), at[known]
        owners = self.first[at + 1] - self.first[at]
        ends = np.cumsum(owners)
        within = np.arange(owners.sum()) - np.repeat(ends - owners, owners)
        return np.repeat(found, owners), np.repeat(self.first[at], owners) + within


@dataclass(frozen=True)
class BenchmarkIndex:
    """What documents are looked up in.

    Attributes:
        digest: names the items, the settings and the reading of words.
        ngram: words of a run, for items that have as many.
        shortest: words from which a shorter item is looked for inside documents.
        items: benchmark, item_id, text, words, ngrams (uint32, guarded runs), exempt (uint32,
            n-grams left out as template).
        runs: guarded runs by length, longest first.
    """

    digest: str
    ngram: int
    shortest: int
    items: pa.Table
    runs: tuple[Runs, ...]

    @cached_property
    def sieve(self) -> Sieve:
        """What lets runs through that may be in `runs`, for `scan`."""
        lengths = [runs.words for runs in self.runs]
        return make_sieve(lengths, [runs.hashes for runs in self.runs], self.shortest)

    def save(self, folder: Path) -> None:
        """Write two Arrow files, items.arrow and runs.arrow, into `folder`."""
        about = {"digest": self.digest, "ngram": str(self.ngram), "shortest": str(self.shortest)}
        about |= READING
        write_shard(self.items.replace_schema_metadata(about), folder / "items.arrow", name="items")
        columns = [
            {
                "words": np.full(len(runs.item), runs.words, np.uint32),
                "hash": np.repeat(runs.hashes, np.diff(runs.first)),
                "item": runs.item,
                "start": runs.start,
                "end": runs.end,
            }
            for runs in self.runs
        ]
        table = pa.concat_tables([pa.table(each) for each in columns])
        write_shard(table, folder / "runs.arrow", name="runs")

    @staticmethod
    def load(folder: Path) -> BenchmarkIndex:
        """Return the index that `save` wrote.

        Raises:
            LedgerError: a file is missing or broken, or was made by another reading of words.
        """
        items = read_shard(folder / "items.arrow")
        notes = items.schema.metadata or {}
        about = {key.decode(): value.decode() for key, value in notes.items()}
        made_by = {key: about.get(key) for key in READING}
        if made_by != READING:
            raise LedgerError(
                f"{folder} was made by {made_by}, this program is {READING}: words would be read "
                "in two ways; delete the folder and rerun the recipe"
            )
        runs = read_shard(folder / "runs.arrow")
        return BenchmarkIndex(
            about["digest"], int(about["ngram"]), int(about["shortest"]), items, _by_length(runs)
        )


def build_index(
    items: pa.Table,
    *,
    ngram: int = 13,
    shortest: int = 8,
    template_items: int = 5,
    template_share: float = 0.5,
) -> BenchmarkIndex:
    """Return the index of `ITEMS` of any number of benchmarks.

    Args:
        items: concatenated results of `read_benchmark`.
        ngram: 5 or more.
        shortest: words; GPT-3 used runs of 8 to 13 words, depending on the benchmark.
        template_items, template_share: an n-gram counts as template, such as a prompt's, where more
            items of a benchmark than the one and than the other share of all its items have it.
            A count alone would free passages that several questions are asked about.

    Raises:
        RecipeError: there are no items, or `ngram` is below 5.
    """
    words = word_counts(items["text"]).to_numpy()
    if not words.any() or ngram < _SMALLEST_NGRAM:
        raise RecipeError(
            f"{np.count_nonzero(words)} benchmark items with words and ngram {ngram}; wanted one "
            f"item or more and ngram {_SMALLEST_NGRAM} or more",
            where="decontaminate",
        )
    lengths = np.unique(np.minimum(words[words > 0], ngram))[::-1].tolist()
    table = pl.concat([_runs_of(items, words, length, ngram) for length in lengths])
    template = _template(table, items, ngram, template_items, template_share)
    order = ["words", "hash", "item", "start"]
    kept = table.filter(~template).sort(order, descending=[True, False, False, False])
    counts = (
        np.bincount(rows["item"].to_numpy(), minlength=items.num_rows).astype(np.uint32)
        for rows in (kept, table.filter(template))
    )
    described = items
    for name, column in zip(("words", "ngrams", "exempt"), (words, *counts), strict=True):
        described = described.append_column(name, pa.array(column, pa.uint32()))
    digest = fingerprint(
        [
            READING,
            _items_digest(items),
            [ngram, shortest, template_items, template_share],
        ]
    )
    return BenchmarkIndex(digest, ngram, shortest, described, _by_length(kept.to_arrow()))


def coverage(index: BenchmarkIndex) -> pa.Table:
    """Return one row a benchmark: how its items are guarded, and how many are not at all.

    Columns: benchmark, items, by_ngrams, as_run (shorter items, found anywhere), as_document
    (shorter still, found only alone), unguarded (no words, or all of them template),
    exempt_ngrams.
    """
    words, long = pl.col("words"), pl.col("words") >= index.ngram
    guarded = pl.col("ngrams") > 0
    frame = (
        pl.DataFrame(pl.from_arrow(index.items))
        .group_by("benchmark")
        .agg(
            items=pl.len(),
            by_ngrams=(long & guarded).sum(),
            as_run=(~long & (words >= index.shortest)).sum(),
            as_document=(guarded & (words < index.shortest)).sum(),
            unguarded=(~guarded).sum(),
            exempt_ngrams=pl.col("exempt").sum(),
        )
    )
    return frame.sort("benchmark").to_arrow()


def _runs_of(
    items: pa.Table, words: npt.NDArray[np.uint32], length: int, ngram: int
) -> pl.DataFrame:
    """Return the runs of `length` words: of items with that many, or all n-grams of longer ones."""
    owners = np.flatnonzero(words >= ngram if length == ngram else words == length)
    grams = ngram_hashes(items["text"].take(pa.array(owners)), length)
    return pl.DataFrame(
        {
            "words": np.full(len(grams.hashes), length, np.uint32),
            "hash": grams.hashes,
            "item": np.repeat(owners, np.diff(grams.offsets)).astype(np.uint32),
            "start": grams.byte_starts,
            "end": grams.byte_ends,
        }
    )


def _template(
    table: pl.DataFrame, items: pa.Table, ngram: int, template_items: int, template_share: float
) -> pl.Series:
    """Return a mask of the n-grams that stand in too many items of their benchmark."""
    benchmark = pl.Series(items["benchmark"].to_pylist())
    total = pl.DataFrame({"benchmark": benchmark}).select(pl.len().over("benchmark")).to_series()
    owned = table.with_columns(
        benchmark=benchmark.gather(table["item"]), total=total.gather(table["item"])
    )
    spread = pl.col("item").n_unique().over("benchmark", "hash", "words")
    limit = pl.max_horizontal(pl.lit(template_items), pl.col("total") * template_share)
    return owned.select((pl.col("words") == ngram) & (spread > limit)).to_series()


def _by_length(table: pa.Table) -> tuple[Runs, ...]:
    """Return sorted rows (words, hash, item, start, end) as one `Runs` a length."""
    words = table["words"].to_numpy()
    borders = [0, *(np.flatnonzero(words[1:] != words[:-1]) + 1).tolist(), len(words)]
    return tuple(_runs(table.slice(a, b - a)) for a, b in pairwise(borders) if b > a)


def _runs(table: pa.Table) -> Runs:
    hashes, first = np.unique(table["hash"].to_numpy(), return_index=True)
    return Runs(
        table["words"][0].as_py(),
        hashes,
        np.append(first, table.num_rows),
        table["item"].to_numpy(),
        table["start"].to_numpy(),
        table["end"].to_numpy(),
    )


def _items_digest(items: pa.Table) -> str:
    state = hashlib.blake2b(digest_size=16)
    for name in ("benchmark", "item_id", "text"):
        for value in items[name].to_pylist():
            encoded = value.encode()
            state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()
