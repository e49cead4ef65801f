"""Hashes of every run of words that benchmarks consist of, sorted, with their owners.

Three methods say which runs those are, and what makes a document a copy of an item:

- `gpt3`: any n-gram in common, 13 words (Brown et al. 2020, arXiv:2005.14165, appendix C).
- `tulu3`: 8-grams of the item's prompt that cover more than half of its words in one document
  (open-instruct, decontamination/search.py and README.md; the share from its paper). Words that
  only stand in left-out n-grams do not count: an item that is mostly prompt could never be found.
- `exact`: the whole item, word by word, anywhere in a document.

With all three an item of fewer words than the n-gram is guarded as a whole: found anywhere in a
document from `shortest` words on, below that only where it is the whole document. N-grams shared
by many items of one benchmark belong to its prompt, not to an item: they are left out, and counted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curator.dedup.guarded_runs import guarded_runs
from curator.dedup.scan import Sieve, ending_length, make_sieve
from curator.errors import LedgerError, RecipeError
from curator.identity import fingerprint
from curator.shards import read_shard, write_shard
from curator.text.ngrams import ngram_hashes
from curator.text.normalized import normalized_hash
from curator.text.unicode import UNICODE_VERSION
from curator.text.words import word_counts

Method = Literal["gpt3", "tulu3", "exact"]
BY_BENCHMARK: Final = "by_benchmark"
Ngram = int | Literal["by_benchmark"]
NGRAM: Final[dict[str, int]] = {"gpt3": 13, "tulu3": 8, "exact": 13}  # exact: only to look by
# How words are read and runs are found: part of what names an index.
READING: Final = {"index": "6", "unicode": UNICODE_VERSION}
_SMALLEST_NGRAM: Final = 5  # shorter runs are ordinary language
# Appendix C again: an n-gram is as long as the 5th percentile of a benchmark's items, in words,
# but of 8 to 13 words.
_PERCENTILE, _FEWEST, _MOST = 5, 8, 13


TEMPLATE: Final = pa.schema(
    [("benchmark", pa.string()), ("items", pa.uint32()), ("text", pa.string())],
    metadata={"curator.schema": "template-runs/1"},
)


class Runs(NamedTuple):
    """All guarded runs of one length.

    Attributes:
        words: length of the runs.
        hashes: (u,) uint64, rising.
        first: (u + 1,) int64; hash i is owned by `first[i]:first[i + 1]` of what follows.
        item: uint32, place in the items table.
        word: uint32, place of the run's first word in the item's text.
        start: int64, first byte in the item's text.
        end: int64, past its last byte.
    """

    words: int
    hashes: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]
    item: npt.NDArray[np.uint32]
    word: npt.NDArray[np.uint32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    def look(self, hashes: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.int64], ...]:
        """Return (places in `hashes` of those guarded, their places in `self.hashes`)."""
        at = np.searchsorted(self.hashes, hashes)
        known = self.hashes[np.minimum(at, len(self.hashes) - 1)] == hashes
        return np.flatnonzero(known), at[known]

    def owners(self, at: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
        """Return every (place in `at`, place among owners), two (m,) int64."""
        counts = self.first[at + 1] - self.first[at]
        ends = np.cumsum(counts)
        within = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        return np.repeat(np.arange(len(at)), counts), np.repeat(self.first[at], counts) + within


@dataclass(frozen=True)
class BenchmarkIndex:
    """What documents are looked up in.

    Attributes:
        digest: names the items, the settings and the reading of words.
        method: which runs are guarded, and what counts as a copy.
        shortest: words from which a shorter item is looked for inside documents.
        items: benchmark, item_id, text (what is guarded of the item), words, ngram (uint32, words
            of a run), ngrams (uint32, guarded runs), exempt (uint32, n-grams left out as
            template), common (uint32, runs left out because much of the pool has them), guarded
            (uint32, words that stand in a guarded run: what shares of an item are shares of).
        runs: guarded runs by length, longest first.
        templates: benchmark, items (uint32, that have it), text: what was left out as template.
    """

    digest: str
    method: Method
    shortest: int
    items: pa.Table
    runs: tuple[Runs, ...]
    templates: pa.Table = field(default_factory=TEMPLATE.empty_table)

    @cached_property
    def sieve(self) -> Sieve:
        """What lets runs through that may be in `runs`, for `scan`."""
        lengths = [runs.words for runs in self.runs]
        ending = ending_length(lengths, self.shortest)
        last = ngram_hashes(self.items["text"], ending).hashes if ending else _NO_HASHES
        guarded = [runs.hashes for runs in self.runs]
        return make_sieve(lengths, guarded, self.shortest, np.unique(last))

    @cached_property
    def borders(self) -> npt.NDArray[np.int64]:
        """(lengths + 1,) int64: run i of length k is number `borders[k] + i` of all."""
        sizes = [len(runs.hashes) for runs in self.runs]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])

    def without(self, dropped: npt.NDArray[np.bool_]) -> BenchmarkIndex:
        """Return the index without some of its runs, counted as `common` in their items.

        Args:
            dropped: (runs of all lengths,), numbered as `borders` says.
        """
        items = self.items.num_rows
        common, kept = np.zeros(items, np.uint32), []
        for runs, (low, high) in zip(self.runs, pairwise(self.borders.tolist()), strict=True):
            gone = np.repeat(dropped[low:high], np.diff(runs.first))
            common += np.bincount(runs.item[gone], minlength=items).astype(np.uint32)
            kept.append(_table(runs).filter(pa.array(~gone)))
        ngrams = self.items["ngrams"].to_numpy() - common
        described = self.items
        left = pa.concat_tables(kept)
        guarded = _guarded_words(left, described, self.method)
        for name, column in (("ngrams", ngrams), ("common", common), ("guarded", guarded)):
            at = described.schema.get_field_index(name)
            described = described.set_column(at, name, pa.array(column, pa.uint32()))
        digest = fingerprint([self.digest, hashlib.blake2b(dropped.tobytes()).hexdigest()])
        runs_left = _by_length(left)
        return replace(self, digest=digest, items=described, runs=runs_left)

    def save(self, folder: Path) -> None:
        """Write items.arrow, runs.arrow and templates.arrow into `folder`."""
        about = {"digest": self.digest, "method": self.method, "shortest": str(self.shortest)}
        about |= READING
        write_shard(self.items.replace_schema_metadata(about), folder / "items.arrow", name="items")
        empty = _RUN.empty_table()
        table = pa.concat_tables([empty, *(_table(runs) for runs in self.runs)])
        write_shard(table, folder / "runs.arrow", name="runs")
        write_shard(self.templates, folder / "templates.arrow", name="templates")

    @staticmethod
    def load(folder: Path) -> BenchmarkIndex:
        """Return the index that `save` wrote.

        Raises:
            LedgerError: a file is missing or broken, or was made by another reading of words.
        """
        items = read_shard(folder / "items.arrow")
        notes = items.schema.metadata or {}
        about: dict[str, Any] = {key.decode(): value.decode() for key, value in notes.items()}
        made_by = {key: about.get(key) for key in READING}
        if made_by != READING:
            raise LedgerError(
                f"{folder} was made by {made_by}, this program is {READING}: words would be read "
                "in two ways; delete the folder and rerun the recipe"
            )
        runs = _by_length(read_shard(folder / "runs.arrow"))
        templates = read_shard(folder / "templates.arrow")
        shortest = int(about["shortest"])
        return BenchmarkIndex(about["digest"], about["method"], shortest, items, runs, templates)


def build_index(
    items: pa.Table,
    *,
    method: Method = "gpt3",
    ngram: Ngram | None = None,
    shortest: int = 8,
    template_items: int = 5,
    template_share: float = 0.5,
) -> BenchmarkIndex:
    """Return the index of `ITEMS` of any number of benchmarks.

    Args:
        items: concatenated results of `read_benchmark`.
        method: see the head of this module.
        ngram: 5 or more words; "by_benchmark": of 8 to 13, as the 5th percentile of a benchmark's
            items is long; None: the method's own.
        shortest: words, at most an n-gram's; GPT-3 used runs of 8 to 13 words, depending on the
            benchmark.
        template_items, template_share: an n-gram counts as template, such as a prompt's, where more
            unlike items of a benchmark than the one and than the other share of them have it.
            A count alone would free passages that several questions are asked about. Not for
            `exact`, which looks for whole items.

    Raises:
        RecipeError: there are no items, or `ngram` is below 5.
    """
    asked = NGRAM[method] if ngram is None else ngram
    guarded = _prompts(items) if method == "tulu3" else items
    words = word_counts(guarded["text"])
    if not words.any() or (asked != BY_BENCHMARK and int(asked) < _SMALLEST_NGRAM):
        raise RecipeError(
            f"{np.count_nonzero(words)} benchmark items with words and ngram {asked}; wanted one "
            f"item or more and ngram {_SMALLEST_NGRAM} or more",
            where="decontaminate",
        )
    lengths = _run_lengths(guarded, words, asked)
    shortest = min(shortest, int(lengths.min()))  # else n-grams would count only as whole texts
    table = guarded_runs(guarded, words, lengths, shortest, rarest=method == "exact")
    template = (
        pl.repeat(value=False, n=len(table), eager=True)
        if method == "exact"
        else _template(table, guarded, template_items, template_share)
    )
    order = ["words", "hash", "item", "word"]
    kept = table.filter(~template).sort(order, descending=[True, False, False, False])
    described = guarded.select(["benchmark", "item_id", "text"])
    counts = (
        np.bincount(rows["item"].to_numpy(), minlength=items.num_rows)
        for rows in (kept, table.filter(template))
    )
    columns = (words, lengths, *counts, np.zeros(items.num_rows))
    for name, column in zip(("words", "ngram", "ngrams", "exempt", "common"), columns, strict=True):
        described = described.append_column(name, pa.array(column.astype(np.uint32)))
    settings = [method, asked, shortest, template_items, template_share]
    digest = fingerprint([READING, _items_digest(guarded), settings])
    looked_for = kept.select(_RUN.names).to_arrow()
    covered = pa.array(_guarded_words(looked_for, described, method))
    described, runs = described.append_column("guarded", covered), _by_length(looked_for)
    left_out = _left_out(table.filter(template), described)
    return BenchmarkIndex(digest, method, shortest, described, runs, left_out)


_NO_HASHES: Final = np.zeros(0, np.uint64)
_RUN: Final = pa.schema(
    [
        ("words", pa.uint32()),
        ("hash", pa.uint64()),
        ("item", pa.uint32()),
        ("word", pa.uint32()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)


def _prompts(items: pa.Table) -> pa.Table:
    """Return the items with only what asks as their text: answers are not looked for.

    An item whose prompt has no words keeps all of its text.
    """
    if "parts" not in items.column_names:
        return items
    # Benchmarks are small: a loop over their items.
    asked = []
    for text, parts in zip(items["text"].to_pylist(), items["parts"].to_pylist(), strict=True):
        raw = text.encode()
        prompts = [raw[part["start"] : part["end"]] for part in parts or () if part["prompt"]]
        prompt = b"\n".join(prompts).decode()
        asked.append(prompt if any(map(str.isalnum, prompt)) else text)
    at = items.schema.get_field_index("text")
    items = items.set_column(at, items.schema.field(at), pa.array(asked, pa.large_string()))
    return items.drop_columns(["parts"])


def _run_lengths(
    items: pa.Table, words: npt.NDArray[np.int64], ngram: Ngram
) -> npt.NDArray[np.int64]:
    """Return how many words a run of each item has, (items,) int64."""
    if ngram != BY_BENCHMARK:
        return np.full(len(words), int(ngram), np.int64)
    names = pl.Series(items["benchmark"].to_pylist())
    frame = pl.DataFrame({"benchmark": names, "words": words})
    fifth = pl.col("words").quantile(_PERCENTILE / 100, "lower").over("benchmark")
    lengths = frame.select(fifth.clip(_FEWEST, _MOST).cast(pl.Int64)).to_series()
    return lengths.to_numpy()


def _template(
    table: pl.DataFrame, items: pa.Table, template_items: int, template_share: float
) -> pl.Series:
    """Return a mask of the runs that stand in too many items of their benchmark.

    Items that read alike are one here: repeating a question makes it no prompt.
    """
    read = pl.Series(normalized_hash(items["text"])[:, 0])
    known = pl.DataFrame({"benchmark": pl.Series(items["benchmark"].to_pylist()), "read": read})
    known = known.with_columns(total=pl.col("read").n_unique().over("benchmark"))
    owned = table.hstack(known[table["item"]])
    spread = pl.col("read").n_unique().over("benchmark", "hash", "words")
    limit = pl.max_horizontal(pl.lit(template_items), pl.col("total") * template_share)
    return owned.select(~pl.col("whole") & (spread > limit)).to_series()


def _guarded_words(runs: pa.Table, items: pa.Table, method: Method) -> npt.NDArray[np.uint32]:
    """Return how many words of each item stand in one of its `_RUN` rows, (items,) uint32.

    Of `exact` all, if the item has a run: that is only to look by.
    """
    item = runs["item"].to_numpy().astype(np.int64)
    if method == "exact":
        looked_for = np.bincount(item, minlength=items.num_rows) > 0
        return np.where(looked_for, items["words"].to_numpy(), 0).astype(np.uint32)
    # Items one after another, so that one running maximum serves all of them.
    room = int(np.max(items["words"].to_numpy(), initial=0)) + 1
    start = item * room + runs["word"].to_numpy()
    order = np.argsort(start, kind="stable")
    start, end = start[order], (start + runs["words"].to_numpy())[order]
    before = np.concatenate([np.zeros(1, np.int64), np.maximum.accumulate(end)[:-1]])[: len(end)]
    fresh = np.maximum(end - np.maximum(start, before), 0)
    return np.bincount(item[order], fresh, items.num_rows).astype(np.uint32)


def _left_out(template: pl.DataFrame, items: pa.Table) -> pa.Table:
    """Return the distinct runs that count as template, most frequent first."""
    benchmark = pl.Series(items["benchmark"].to_pylist(), dtype=pl.String)
    distinct = (
        template.with_columns(benchmark=benchmark.gather(template["item"]))
        .group_by("benchmark", "words", "hash")
        .agg(pl.col("item").n_unique().alias("items"), pl.col("item", "start", "end").first())
        .sort(["items", "benchmark", "hash"], descending=[True, False, False])
    )
    texts = [
        items["text"][item].as_py().encode()[start:end].decode()
        for item, start, end in distinct.select("item", "start", "end").iter_rows()
    ]
    columns = [distinct["benchmark"].to_arrow(), distinct["items"].to_arrow(), pa.array(texts)]
    kinds = zip(columns, TEMPLATE, strict=True)
    return pa.table([column.cast(kind.type) for column, kind in kinds], schema=TEMPLATE)


def _table(runs: Runs) -> pa.Table:
    """Return the rows (words, hash, item, word, start, end) that `_by_length` reads."""
    columns = [
        np.full(len(runs.item), runs.words, np.uint32),
        np.repeat(runs.hashes, np.diff(runs.first)),
        runs.item,
        runs.word,
        runs.start,
        runs.end,
    ]
    return pa.table(columns, schema=_RUN)


def _by_length(table: pa.Table) -> tuple[Runs, ...]:
    """Return sorted rows (words, hash, item, word, start, end) as one `Runs` a length."""
    words = table["words"].to_numpy()
    borders = [0, *(np.flatnonzero(words[1:] != words[:-1]) + 1).tolist(), len(words)]
    return tuple(_runs(table.slice(a, b - a)) for a, b in pairwise(borders) if b > a)


def _runs(table: pa.Table) -> Runs:
    hashes, first = np.unique(table["hash"].to_numpy(), return_index=True)
    return Runs(
        table["words"][0].as_py(),
        hashes,
        np.append(first, table.num_rows),
        *(table[name].to_numpy() for name in ("item", "word", "start", "end")),
    )


def _items_digest(items: pa.Table) -> str:
    state = hashlib.blake2b(digest_size=16)
    parts = items["parts"].to_pylist() if "parts" in items.column_names else [None] * len(items)
    columns = (items[name].to_pylist() for name in ("benchmark", "item_id", "text"))
    for *values, found in zip(*columns, parts, strict=True):
        for value in (*values, repr(found)):
            encoded = value.encode()
            state.update(len(encoded).to_bytes(8, "little") + encoded)
    return state.hexdigest()
