"""What a proxy is measured on leaves the pool: benchmark items and copies of held-out text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import DecontaminateSpec
from curator.dedup.benchmark_index import READING, BenchmarkIndex, build_index, coverage
from curator.dedup.contamination import Decontaminate
from curator.engine.driver import Driver
from curator.shards import Shard, read_shard
from pipelines.pool import Pool
from pipelines.splitting import Benchmark

# A pool document that holds half of a held-out document is a copy of it. Fewer words in common are
# a license, a signature or a phrase: dropping those would empty sources of code.
COPY_SHARE = 0.5
COPY_NGRAM = 13


def decontaminate(
    spec: DecontaminateSpec | None,
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
    driver: Driver,
) -> Pool:
    """Return the pool without documents that share an n-gram with a benchmark's items."""
    if spec is None:
        return pool
    items = {name: benchmarks[name].items for name in spec.against}
    index, folder = _index("benchmark.index", items, spec.ngram, driver)
    if not driver.quiet:
        for line in unguarded(index):
            print(f"decontaminate: {line}", file=sys.stderr)
    stage = Decontaminate(index=index.digest, folder=str(folder), ngram=spec.ngram)
    decision = driver.map_stage(stage, pool.corpus, step="decontaminate", alive=pool.alive)
    return pool.decided(decision)


def drop_copies(heldout: Shard | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without documents that hold half or more of a held-out document's text.

    Deduplication has removed most of them; this holds where it was off, or where a changed word
    kept two texts apart.
    """
    if heldout is None:
        return pool
    index, folder = _index("heldout.index", {"": heldout}, COPY_NGRAM, driver)
    stage = Decontaminate(
        index=index.digest,
        folder=str(folder),
        ngram=COPY_NGRAM,
        least_share=COPY_SHARE,
        reason="copy_of_heldout",
    )
    decision = driver.map_stage(stage, pool.corpus, step="heldout.copies", alive=pool.alive)
    return pool.decided(decision)


def unguarded(index: BenchmarkIndex) -> list[str]:
    """Return a line for each benchmark of which something can not be looked for."""
    lines = []
    for row in coverage(index).to_pylist():
        told = []
        if row["unguarded"]:
            told.append(f"{row['unguarded']:,} of {row['items']:,} items are not guarded at all")
        if row["as_document"]:
            told.append(
                f"{row['as_document']:,} items of fewer than {index.shortest} words are found only "
                "where they are the whole document"
            )
        if row["exempt_ngrams"]:
            told.append(
                f"{row['exempt_ngrams']:,} n-grams stand in more than half of its items and count "
                "as a prompt's"
            )
        if told:
            lines.append(f"{row['benchmark']}: {'; '.join(told)}")
    return lines


def _index(
    name: str, items: Mapping[str, Shard], ngram: int, driver: Driver
) -> tuple[BenchmarkIndex, Path]:
    """Return the index of some items, and its folder, made once for them."""

    def make(out: Path) -> None:
        build_index(_items(items), ngram=ngram).save(out)

    digests = [[called, shard.digest] for called, shard in items.items()]
    folder = driver.folder(name, {"items": digests, "ngram": ngram, **READING}, make)
    return BenchmarkIndex.load(folder), folder


def _items(items: Mapping[str, Shard]) -> pa.Table:
    """Return the items of several shards as one table; those without a name go by their source."""
    tables = []
    for name, shard in items.items():
        table = read_shard(shard)
        called: Sequence[str] | pa.ChunkedArray = table["source"]
        tables.append(
            pa.table(
                {
                    "benchmark": pa.repeat(name, table.num_rows) if name else called,
                    "item_id": pc.coalesce(table["source_id"], table["origin"]),
                    "text": table["text"],
                }
            )
        )
    return pa.concat_tables(tables)
