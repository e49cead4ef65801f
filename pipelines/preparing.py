"""The pool before any choice: cleaned; and the reference models that score it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import CleanSpec
from curator.engine.driver import Driver
from curator.errors import BudgetError
from curator.ledger import Artifact
from curator.recipe import ModelSpec
from curator.shards import read_shard
from pipelines.cleaning import block_urls, block_words, edit_lines, repair_encoding
from pipelines.judging import judge_of
from pipelines.licensing import licenses
from pipelines.mixing import encode_mixture
from pipelines.pool import Pool
from pipelines.privacy import pii
from pipelines.splitting import reference_documents
from pipelines.tokenizing import Tokens, total_tokens
from pipelines.training import TrainJob, run_train


def clean(spec: CleanSpec | None, pool: Pool, driver: Driver) -> Pool:
    """Return the pool cleaned: mended, judged by URL, language, rules, words, license, edited."""
    if spec is None:
        return pool
    pool = repair_encoding(spec.encoding, pool, driver)
    pool = block_urls(spec.urls, pool, driver)
    pool = _judged(spec, pool, driver)
    pool = block_words(spec.words, pool, driver)
    pool = licenses(spec.licenses, pool, driver)
    pool = edit_lines(spec.lines, pool, driver)
    return pii(spec.pii, pool, driver)


def _judged(spec: CleanSpec, pool: Pool, driver: Driver) -> Pool:
    """Return the pool without what language identification and rules drop.

    The text is read for its statistics, whose work no threshold names; the verdict reads those.
    """
    judge = judge_of(spec)
    measure = judge.measure(spec.statistics)
    measured = driver.map_stage(measure, pool.corpus, step=measure.name, alive=pool.alive)
    decision = driver.map_stage(judge, measured, step="clean", alive=pool.alive)
    return pool.decided(decision).beside(measured)


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
        if not driver.store.whole(job.folder):
            driver.run(run_train, [job])
        models[name] = job.folder
        driver.folders[job.folder] = None
    return pool, models


def _chosen(pool: Pool, decision: Artifact) -> pa.Table:
    """Return doc_id, source, tokens of what a reference model is trained on."""
    counted = pool.sidecar("tokens")
    assert counted is not None  # `count_tokens` comes first
    pieces = []
    for shard, decided, count in zip(
        pool.corpus.shards, decision.shards, counted.shards, strict=True
    ):
        mask = pc.is_valid(read_shard(decided, ("role",))["role"])
        table = read_shard(shard, ("doc_id", "source"))
        table = table.append_column("tokens", read_shard(count, ("n_tokens",))["n_tokens"])
        pieces.append(table.filter(mask))
    return pa.concat_tables(pieces)
