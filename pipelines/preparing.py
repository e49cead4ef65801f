"""The pool before any choice: cleaned, decontaminated, counted in tokens; reference models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.clean import Clean
from curator.clean.rules import parse_rules
from curator.dedup.benchmark_index import BenchmarkIndex, build_index
from curator.dedup.contamination import Decontaminate
from curator.engine.driver import Driver
from curator.errors import BudgetError
from curator.identity import file_digest, id_matrix, uniform
from curator.ledger import Artifact
from curator.recipe import CleanSpec, DecontaminateSpec, ModelSpec, TokenizerSpec
from curator.shards import read_shard
from curator.stage import Corpus
from pipelines.pool import Pool
from pipelines.splitting import Benchmark, reference_documents
from pipelines.mixing import encode_mixture
from pipelines.training import TrainJob, run_train

TOKENIZER_BYTES = 64 << 20  # a BPE of tens of thousands of entries has settled long before this


@dataclass(frozen=True)
class Tokens:
    """The tokenizer of a run: where it lies, and its digest."""

    path: Path
    digest: str


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

    identity = {"items": [b.items.digest for b in against], "ngram": spec.ngram}
    folder = driver.folder("benchmark.index", identity, make)
    index = BenchmarkIndex.load(folder)
    stage = Decontaminate(index=index.digest, folder=str(folder), ngram=spec.ngram)
    decision = driver.map_stage(stage, pool.corpus, step="decontaminate", alive=pool.alive)
    return pool.decided(decision)


def count_tokens(spec: TokenizerSpec, pool: Pool, driver: Driver) -> tuple[Pool, Tokens]:
    """Return the pool with `n_tokens` beside it, and the tokenizer that every count is of."""
    from curator.train.tokenizer import TokenCount, train_bpe

    if spec.path is not None:
        path = Path(spec.path)
    else:
        size = int(spec.bpe or 4096)
        identity = {"pool": pool.learning().digest, "bpe": size, "bytes": TOKENIZER_BYTES}
        folder = driver.folder(
            "tokenizer", identity, lambda out: train_bpe(_tokenizer_texts(pool), size, out)
        )
        path = folder / "tokenizer.json"
    tokens = Tokens(path, file_digest(path))
    stage = TokenCount(digest=tokens.digest, path=str(path))
    counted = driver.map_stage(stage, pool.corpus, step="tokens", alive=pool.alive)
    return pool.beside(counted), tokens


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
    return pool, models


def total_tokens(pool: Pool) -> int:
    """Return the tokens of all living documents."""
    counted = next(sidecar for sidecar in pool.sidecars if sidecar.name == "tokens")
    corpus = Corpus(counted.shards, pool.alive.shards if pool.alive else ())
    return sum(pc.sum(t["n_tokens"]).as_py() or 0 for t in corpus.tables(("n_tokens",)))


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


def _tokenizer_texts(pool: Pool) -> Iterator[pa.Array]:
    """Yield living texts, all or a share chosen by hash that holds about `TOKENIZER_BYTES`."""
    corpus = pool.learning()
    size = sum(pc.sum(pc.binary_length(t["text"])).as_py() or 0 for t in corpus.tables(("text",)))
    share = min(1.0, TOKENIZER_BYTES / max(1, size))
    for table in corpus.tables(("doc_id", "text")):
        chance = uniform(id_matrix(table["doc_id"]), "tokenizer", 0)
        yield table.filter(pa.array(chance < share))["text"].combine_chunks()
