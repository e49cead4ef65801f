"""What a proxy is measured on leaves the pool: benchmark items and copies of held-out text."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import DecontaminateSpec
from curator.dedup.benchmark_index import READING, BenchmarkIndex, build_index
from curator.dedup.benchmarks import PART
from curator.dedup.contamination import CutContamination, Decontaminate, ReportContamination
from curator.dedup.coverage import coverage
from curator.dedup.cutting import Cut
from curator.dedup.frequency import GuardedRuns, frequencies, write_without_common
from curator.engine.driver import Driver
from curator.ledger import Artifact
from curator.shards import Shard, read_shard
from pipelines.pool import Pool
from pipelines.splitting import Benchmark

STEP = "decontaminate"
COMMON = "benchmark.index.common"  # the folder of the runs that much of a pool has
# A pool document that holds more than half of a held-out document is a copy of it. Fewer words in
# common are a license, a signature or a phrase: dropping those would empty sources of code.
COPY_SHARE = 0.5
COPY_NGRAM = 13


def decontaminate(
    spec: DecontaminateSpec | None,
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
    driver: Driver,
) -> Pool:
    """Return the pool without what repeats a benchmark's items, or with a note on what does."""
    if spec is None:
        return pool
    index, folder = index_of(spec, benchmarks, driver)
    if spec.max_frequency is not None:
        index, folder = _without_common(spec.max_frequency, index, folder, pool, driver)
    if not driver.quiet:
        for line in unguarded(index):
            print(f"decontaminate: {line}", file=sys.stderr)
    settings: dict[str, Any] = {"index": index.digest, "folder": str(folder)}
    settings["more_than"] = _most(spec)
    if spec.action == "report":
        note = ReportContamination(**settings)
        found = driver.map_stage(note, pool.corpus, step=STEP, alive=pool.alive)
        _tell(found, "hold some of a benchmark; none was taken out", driver)
        return pool.beside(found)
    if spec.action == "span":
        cut = Cut(spec.margin, spec.min_piece, spec.max_pieces)
        stage = CutContamination(**settings, cut=cut)
        made = driver.rewrite(stage, pool.corpus, step=STEP, alive=pool.alive)
        _tell(made.decision, "held some of a benchmark and were cut or dropped", driver)
        return pool.rewritten(made)
    decision = driver.map_stage(Decontaminate(**settings), pool.corpus, step=STEP, alive=pool.alive)
    return pool.decided(decision)


def _tell(found: Artifact, what: str, driver: Driver) -> None:
    """Print how many documents repeat an item: tables of drops do not show them."""
    if not driver.quiet:
        named = (read_shard(shard, ("benchmark",))["benchmark"] for shard in found.shards)
        n = sum(len(column) - column.null_count for column in named)
        print(f"decontaminate: {n:,} documents {what}", file=sys.stderr)


def index_of(
    spec: DecontaminateSpec, benchmarks: Mapping[str, Benchmark], driver: Driver
) -> tuple[BenchmarkIndex, Path]:
    """Return the index of all items that a recipe guards, and its folder, made once for them."""
    items = {name: benchmarks[name].items for name in spec.against}
    settings = {"method": spec.method, "ngram": spec.ngram}
    return _index("benchmark.index", items, settings, driver)


def drop_copies(heldout: Shard | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without documents that hold more than half of a held-out document's text.

    Deduplication has removed most of them; this holds where it was off, or where a changed word
    kept two texts apart.
    """
    if heldout is None:
        return pool
    stage = _no_copies(heldout, driver)
    decision = driver.map_stage(stage, pool.corpus, step="heldout.copies", alive=pool.alive)
    return pool.decided(decision)


def repeats_of(
    documents: Artifact,
    spec: DecontaminateSpec | None,
    benchmarks: Mapping[str, Benchmark],
    heldout: Shard | None,
    driver: Driver,
) -> list[Artifact]:
    """Return decisions beside documents that were made after the pool was guarded.

    A language model may write down a benchmark that it has read: what it wrote is held to the same
    items as the pool was, and to held-out text, whatever `action` the pool's own matches have.
    """
    found = []
    if spec is not None:
        index, folder = index_of(spec, benchmarks, driver)
        stage = Decontaminate(index.digest, str(folder), _most(spec))
        found.append(driver.map_stage(stage, documents, step="refine.decontaminate"))
    if heldout is not None:
        stage = _no_copies(heldout, driver)
        found.append(driver.map_stage(stage, documents, step="refine.heldout"))
    return found


def _most(spec: DecontaminateSpec) -> float:
    """Return the share of an item that a document may repeat."""
    return spec.coverage if spec.method == "tulu3" else 0.0


def _no_copies(heldout: Shard, driver: Driver) -> Decontaminate:
    """Return the stage that drops what holds more than half of a held-out document."""
    settings = {"method": "gpt3", "ngram": COPY_NGRAM}
    index, folder = _index("heldout.index", {"": heldout}, settings, driver)
    return Decontaminate(index.digest, str(folder), COPY_SHARE, "copy_of_heldout")


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
        if row["common_ngrams"]:
            told.append(f"{row['common_ngrams']:,} n-grams stand in too many documents to count")
        if told:
            lines.append(f"{row['benchmark']}: {'; '.join(told)}")
    return lines


def _without_common(
    most: int, index: BenchmarkIndex, folder: Path, pool: Pool, driver: Driver
) -> tuple[BenchmarkIndex, Path]:
    """Return the index without runs that more than `most` of the pool's documents have."""
    stage = GuardedRuns(index=index.digest, folder=str(folder))
    runs = driver.map_stage(stage, pool.corpus, step=f"{STEP}.runs", alive=pool.alive)

    def make(out: Path) -> None:
        tables = (read_shard(shard) for shard in runs.shards)
        write_without_common(index, frequencies(index, tables), most, out)

    identity = {"index": index.digest, "runs": runs.digest, "max_frequency": most}
    less = driver.folder(COMMON, identity, make)
    return BenchmarkIndex.load(less), less


def _index(
    name: str, items: Mapping[str, Shard], settings: Mapping[str, Any], driver: Driver
) -> tuple[BenchmarkIndex, Path]:
    """Return the index of some items, and its folder, made once for them."""
    digests = [[called, shard.digest] for called, shard in items.items()]
    identity = {"items": digests, **settings, **READING}
    folder = driver.folder_of(name, identity, _write_index, dict(items), dict(settings))
    return BenchmarkIndex.load(folder), folder


def _write_index(items: Mapping[str, Shard], settings: Mapping[str, Any], out: Path) -> None:
    build_index(_items(items), **settings).save(out)


def _items(items: Mapping[str, Shard]) -> pa.Table:
    """Return the items of several shards as one table; those without a name go by their source."""
    tables = []
    for name, shard in items.items():
        table = read_shard(shard)
        called: Sequence[str] | pa.ChunkedArray = table["source"]
        parts = pa.nulls(table.num_rows, pa.list_(PART))
        tables.append(
            pa.table(
                {
                    "benchmark": pa.repeat(name, table.num_rows) if name else called,
                    "item_id": pc.coalesce(table["source_id"], table["origin"]),
                    "text": table["text"],
                    "parts": table["parts"] if "parts" in table.column_names else parts,
                }
            )
        )
    return pa.concat_tables(tables)
