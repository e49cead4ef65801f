"""The pool before any choice: cleaned, decontaminated; the models that score it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.clean import Clean
from curator.clean.rules import parse_rules
from curator.dedup.benchmark_index import READING, BenchmarkIndex, build_index
from curator.dedup.contamination import Decontaminate
from curator.engine.driver import Driver
from curator.errors import BudgetError
from curator.ledger import Artifact
from curator.recipe import CleanSpec, DecontaminateSpec, ModelSpec
from curator.shards import read_shard
from pipelines.mixing import encode_mixture
from pipelines.pool import Pool
from pipelines.splitting import Benchmark, reference_documents
from pipelines.tokenizing import Tokens, total_tokens
from pipelines.training import TrainJob, run_train


def clean(spec: CleanSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without what language identification and rules drop."""
    if spec is None:
        return pool
    stage = Clean(
        language=spec.language,
        min_language_probability=spec.min_language_probability,
        rules=parse_rules(spec.rules),
    )
    decision = driver.map_stage(stage, pool.corpus, step="clean", alive=pool.alive)
    return pool.decided(decision).beside(decision)


def decontaminate(
    spec: DecontaminateSpec | None,
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
    driver: Driver,
) -> Pool:
    """Return the pool without documents that share an n-gram with a benchmark's items."""
    if spec is None:
        return pool
    against = [benchmarks[name] for name in spec.against]

    def make(out: Path) -> None:
        build_index(_items(against), ngram=spec.ngram).save(out)

    identity = {"items": [b.items.digest for b in against], "ngram": spec.ngram, **READING}
    folder = driver.folder("benchmark.index", identity, make)
    index = BenchmarkIndex.load(folder)
    stage = Decontaminate(index=index.digest, folder=str(folder), ngram=spec.ngram)
    decision = driver.map_stage(stage, pool.corpus, step="decontaminate", alive=pool.alive)
    return pool.decided(decision)


def reference_models(
    specs: Mapping[str, ModelSpec], pool: Pool, tokens: Tokens, driver: Driver
) -> tuple[Pool, dict[str, Path]]:
    """Return the pool without the documents that reference models are trained on, and the models.

    Raises:
        BudgetError: a reference asks for more than half of the pool's tokens.
    """
    models: dict[str, Path] = {}
    for name, spec in sorted(specs.items()):
        if spec.train is None:
            models[name] = Path(str(spec.path or spec.gguf))
            continue
        available = total_tokens(pool)
        share = 1.1 * spec.train.tokens / max(1, available)  # a tenth over: documents are whole
        if share > 0.5:
            raise BudgetError(
                f"model {name!r} would train on {spec.train.tokens:,} of the pool's {available:,} "
                "tokens, which then leave the pool; wanted at most half: ask for fewer"
            )
        pool, decision = reference_documents(name, share, pool, driver)
        mixture = encode_mixture(f"reference.{name}", _chosen(pool, decision), pool, tokens, driver)
        job = TrainJob(mixture, spec.train.proxy, spec.train.tokens, spec.train.seed, driver.store)
        models[name] = driver.run(run_train, [job])[0]
        driver.folders[job.folder] = None
    return pool, models


def _chosen(pool: Pool, decision: Artifact) -> pa.Table:
    """Return doc_id, source, tokens of what a reference model is trained on."""
    counted = next(sidecar for sidecar in pool.sidecars if sidecar.name == "tokens")
    pieces = []
    for shard, decided, count in zip(
        pool.corpus.shards, decision.shards, counted.shards, strict=True
    ):
        mask = pc.is_valid(read_shard(decided, ("role",))["role"])
        table = read_shard(shard, ("doc_id", "source"))
        table = table.append_column("tokens", read_shard(count, ("n_tokens",))["n_tokens"])
        pieces.append(table.filter(mask))
    return pa.concat_tables(pieces)


def _items(benchmarks: list[Benchmark]) -> pa.Table:
    """Return the items of several benchmark splits as one table."""
    tables = []
    for benchmark in benchmarks:
        table = read_shard(benchmark.items)
        tables.append(
            pa.table(
                {
                    "benchmark": pa.repeat(f"{benchmark.name}/{benchmark.split}", table.num_rows),
                    "item_id": pc.coalesce(table["source_id"], table["origin"]),
                    "text": table["text"],
                }
            )
        )
    return pa.concat_tables(tables)
