"""What a pool and the benchmarks have in common: read back from what decontamination wrote.

Which item stands in which document with which words; how each item is guarded and which are not;
which sources hold so much of a benchmark that they should be left out; which n-grams did not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.dedup.benchmark_index import BenchmarkIndex
from curator.dedup.coverage import coverage, uncovered
from curator.errors import RecipeError
from curator.ledger import Artifact, Store
from curator.report import content as made
from curator.shards import read_shard
from pipelines.guarding import STEP
from pipelines.looking import Found, View, open_view
from pipelines.pool import Pool

if TYPE_CHECKING:
    from rich.table import Table

    from pipelines.curate import Curated

# Tulu 3 left out a dataset that held more than 2 % of an evaluation's instances (its paper; the
# number is from an excerpt).
SOURCE_SHARE: Final = 0.02
SHOWN: Final = 12  # matches of a benchmark
_MATCH: Final = {
    "benchmark": pl.String, "item_id": pl.String, "doc_id": pl.String, "source": pl.String,
    "origin": pl.String, "start": pl.Int64, "end": pl.Int64, "words": pl.Int64, "text": pl.String,
}  # fmt: skip


def matches_of_run(path: str, *, n: int) -> Found:
    """Return how a run's benchmarks are guarded, and what was found of them; `n` matches shown."""
    view = open_view(path, Path())
    found = _artifact((*view.decisions, *view.sidecars))
    if found is None:
        raise RecipeError("this run was not decontaminated", where=path)
    index, folder = _index_of(found, view.store)
    matches = all_matches(found, _corpus_of(view, found))
    summary = _summary(found, index, folder, matches)
    return Found(summary, _shown(summary, n))


def contamination_of(curated: Curated, store: Store) -> tuple[made.Contamination, ...]:
    """Return what each benchmark that was looked for shares with the pool."""
    pool = curated.pool
    found = _artifact((*pool.decisions, *pool.sidecars))
    if found is None:
        return ()
    index, _ = _index_of(found, store)
    matches = all_matches(found, _corpus_before(pool, found))
    acted = "keep" in read_shard(found.shards[0]).column_names
    return tuple(
        _contamination(row, matches.filter(benchmark=row["benchmark"]), _action(found, acted=acted))
        for row in coverage(index).to_pylist()
    )


def all_matches(found: Artifact, corpus: Artifact) -> pl.DataFrame:
    """Return a row for each unbroken stretch that a document shares with an item, in order.

    Columns: benchmark, item_id, doc_id (hex), source, origin, start, end (bytes of the document as
    it was read), words, text.
    """
    pieces = [pl.DataFrame(schema=_MATCH)]
    for shard, beside in zip(corpus.shards, found.shards, strict=True):
        told = read_shard(beside, ("benchmark_hits", "benchmark_spans"))
        mask = pc.is_valid(told["benchmark_hits"])
        if pc.any(mask).as_py():
            documents = read_shard(shard, ("doc_id", "source", "origin")).filter(mask)
            pieces.append(_matches(documents, told.filter(mask)))
    return pl.concat(pieces)


def matches_of_document(view: View, number: int, row: int) -> list[dict[str, Any]]:
    """Return the rows of `all_matches` of the document in one row of one shard."""
    found = _artifact((*view.decisions, *view.sidecars))
    if found is None:
        return []
    told = read_shard(found.shards[number], ("benchmark_hits", "benchmark_spans")).slice(row, 1)
    if not told["benchmark_hits"][0].is_valid:
        return []
    columns = ("doc_id", "source", "origin")
    document = read_shard(_corpus_of(view, found).shards[number], columns).slice(row, 1)
    return _matches(document, told).to_dicts()


def by_source(matches: pl.DataFrame, covered: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each source and benchmark the items found in it, and whether they are too many."""
    items = {row["benchmark"]: row["items"] for row in covered}
    counted = (
        matches.group_by("source", "benchmark")
        .agg(found=pl.col("item_id").n_unique(), documents=pl.col("doc_id").n_unique())
        .sort("source", "benchmark")
    )
    rows = counted.to_dicts()
    for row in rows:
        row["share"] = row["found"] / items[row["benchmark"]]
        row["contaminated"] = row["share"] > SOURCE_SHARE
    return rows


def _artifact(known: Sequence[Artifact]) -> Artifact | None:
    return next((one for one in known if one.name == STEP), None)


def _action(found: Artifact, *, acted: bool) -> made.Action:
    if not acted:
        return "report"
    return "span" if "cut" in found.identity["settings"] else "document"


def _index_of(found: Artifact, store: Store) -> tuple[BenchmarkIndex, Path]:
    """Return the index that an artifact was made with, and its folder."""
    wanted = found.identity["settings"]["index"]
    for folder in sorted((store.root / "folders").glob("benchmark.index*")):
        notes = read_shard(folder / "items.arrow").schema.metadata or {}
        if notes.get(b"digest", b"").decode() == wanted:
            return BenchmarkIndex.load(folder), folder
    raise RecipeError("the index of its benchmarks is not in the store; run the recipe again")


def _corpus_before(pool: Pool, found: Artifact) -> Artifact:
    """Return the documents as decontamination read them."""
    return (
        pool.corpus_after(pool.decisions.index(found)) if found in pool.decisions else pool.corpus
    )


def _corpus_of(view: View, found: Artifact) -> Artifact:
    if found not in view.decisions:
        return view.corpus
    at = view.decisions.index(found)
    return next((parent for parent, made_then in view.parents if made_then >= at), view.corpus)


def _matches(documents: pa.Table, told: pa.Table) -> pl.DataFrame:
    """Return the matches of some documents, all of which have some."""
    columns = {name: table[name] for table in (documents, told) for name in table.column_names}
    frame = pl.DataFrame(pl.from_arrow(pa.table(columns))).with_row_index("row")
    hits = frame.drop("benchmark_spans").explode("benchmark_hits").unnest("benchmark_hits")
    spans = frame.select("row", "benchmark_spans").explode("benchmark_spans")
    spans = spans.unnest("benchmark_spans").with_columns(begun="start").drop("end")
    # A hit lies in one span: the last one that does not begin after it. Both sides are in order.
    joined = hits.sort("row", "start", maintain_order=True).join_asof(
        spans, on="start", by="row", strategy="backward", check_sortedness=False
    )
    places = joined.select("text", "begun", "start", "end").iter_rows()
    texts = [
        text.encode()[start - begun : end - begun].decode() for text, begun, start, end in places
    ]
    doc_id = pl.col("doc_id").bin.encode("hex")
    joined = joined.with_columns(doc_id, pl.Series("text", texts, dtype=pl.String))
    return joined.select(pl.col(name).cast(kind) for name, kind in _MATCH.items())


def _summary(
    found: Artifact, index: BenchmarkIndex, folder: Path, matches: pl.DataFrame
) -> dict[str, Any]:
    rows = coverage(index).to_pylist()
    totals = matches.group_by("benchmark").agg(
        found=pl.col("item_id").n_unique(), documents=pl.col("doc_id").n_unique()
    )
    counted = {row["benchmark"]: row for row in totals.to_dicts()}
    for row in rows:
        told = counted.get(row["benchmark"], {"found": 0, "documents": 0})
        row |= {"found": told["found"], "documents": told["documents"]}
    common = folder / "common.arrow"
    acted = "keep" in read_shard(found.shards[0]).column_names
    return {
        "method": index.method,
        "action": _action(found, acted=acted),
        "benchmarks": rows,
        "sources": by_source(matches, rows),
        "uncovered": uncovered(index).to_pylist(),
        "templates": index.templates.to_pylist(),
        "common": read_shard(common).to_pylist() if common.exists() else [],
        "matches": matches.to_dicts(),
    }


def _contamination(
    row: dict[str, Any], matches: pl.DataFrame, action: made.Action
) -> made.Contamination:
    shown = tuple(
        made.Match(
            match["benchmark"],
            match["item_id"],
            match["doc_id"],
            match["source"],
            match["text"],
            words=match["words"],
        )
        for match in matches.head(SHOWN).to_dicts()
    )
    guarded = {name: row[name] for name in ("by_ngrams", "as_run", "as_document", "unguarded")}
    sources = tuple(
        made.FoundIn(each["source"], each["found"], each["documents"], each["contaminated"])
        for each in by_source(matches, [row])
    )
    return made.Contamination(
        row["benchmark"], row["items"], matches["item_id"].n_unique(),
        matches["doc_id"].n_unique(), shown, guarded, sources, action,
    )  # fmt: skip


def _shown(summary: dict[str, Any], n: int) -> Any:
    from rich.console import Group
    from rich.text import Text

    lines: list[Any] = [_coverage_table(summary)]
    if summary["sources"]:
        lines += [Text(), _source_table(summary["sources"])]
    if summary["uncovered"]:
        lines.append(Text(f"{len(summary['uncovered']):,} items can stand inside a document "
                          "unnoticed; --json lists them"))  # fmt: skip
    lines += [Text(line) for line in _common_lines(summary["common"][:n], summary["templates"][:n])]
    lines += [Text(line) for line in _match_lines(summary["matches"][:n])]
    more = len(summary["matches"]) - n
    return Group(
        *lines, *([Text(f"and {more:,} more matches; --json has all")] if more > 0 else [])
    )


def _coverage_table(summary: dict[str, Any]) -> Table:
    from curator.report.visible import one_line

    rows = [
        [one_line(row["benchmark"], 60), *(f"{row[name]:,}" for name in _COUNTS)]
        for row in summary["benchmarks"]
    ]
    title = f"method {summary['method']}, action {summary['action']}"
    heads = ("benchmark", *(name.replace("_", " ") for name in _COUNTS))
    return _table(title, heads, rows, words=1)


_COUNTS: Final = (
    "items", "ngram", "by_ngrams", "as_run", "as_document", "unguarded", "exempt_ngrams",
    "common_ngrams", "found", "documents",
)  # fmt: skip


def _source_table(sources: Sequence[dict[str, Any]]) -> Table:
    from curator.report.visible import one_line

    rows = [
        [
            one_line(row["source"], 60),
            one_line(row["benchmark"], 60),
            f"{row['found']:,}",
            f"{row['share']:.2%}" + (" (too many)" if row["contaminated"] else ""),
            f"{row['documents']:,}",
        ]
        for row in sources
    ]
    heads = ("source", "benchmark", "items found", "share of items", "documents")
    return _table("", heads, rows, words=2)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> Table:
    """Return a table of which the first columns are words and the others numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, box=None, pad_edge=False)
    for at, name in enumerate(heads):
        table.add_column(name, justify="left" if at < words else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _common_lines(
    common: Sequence[dict[str, Any]], templates: Sequence[dict[str, Any]]
) -> Iterator[str]:
    from curator.report.visible import one_line

    for row in templates:
        told = f"in {row['items']:,} items of {row['benchmark']}, so a prompt's: {row['text']}"
        yield one_line(told, 200)
    for row in common:
        yield one_line(
            f"in {row['documents']:,} documents, so not counted ({row['benchmark']} "
            f"{row['item_id']}): {row['text']}",
            200,
        )


def _match_lines(matches: Sequence[dict[str, Any]]) -> Iterator[str]:
    from curator.report.visible import one_line

    for row in matches:
        place = f"{row['benchmark']} {row['item_id']} in {row['doc_id'][:12]} ({row['source']})"
        yield one_line(f"{place}, {row['words']} words: {row['text']}", 300)
