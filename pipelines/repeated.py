"""Parts of documents that stand elsewhere too: lines and paragraphs, and passages word for word."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from curator.corpus_spec import ParagraphsSpec, SubstringSpec
from curator.dedup.paragraphs import (
    COPIED,
    CopiedSpans,
    CopiedUnits,
    check_text_loss,
    copied_spans,
)
from curator.dedup.substring import (
    SURPLUS,
    RepeatedSpans,
    SharedSeeds,
    SharedWindows,
    shared_seeds,
    shared_stretches,
)
from curator.dedup.survivors import Survivors
from curator.engine.driver import Driver
from curator.errors import RecipeError
from curator.ledger import Artifact
from curator.recipe import suggestion
from curator.rewrite import CutSpans
from curator.shards import read_shard
from pipelines.pool import Pool, source_counts

_PARAGRAPHS = "dedup.paragraphs"
_SUBSTRING = "dedup.substring"


def cut_paragraphs(
    spec: ParagraphsSpec,
    survivors: Survivors,
    max_source_loss: float | None,
    pool: Pool,
    beside: tuple[Artifact, ...],
    driver: Driver,
) -> Pool:
    """Return the pool without lines or paragraphs that better documents have.

    Args:
        beside: the sidecar that has the survivors' column, if there is one.

    Raises:
        BudgetError: a source would lose more than `max_source_loss` of its text.
        RecipeError: a source is named that has no documents.
    """
    stage = CopiedUnits(
        spec.unit,
        spec.least_words,
        spec.max_copies,
        _named(spec.sources, pool, _PARAGRAPHS),
        survivors,
    )
    step, corpus, alive = f"{_PARAGRAPHS}.units", pool.corpus, pool.alive
    found = driver.shuffle_stage(stage, corpus, step=step, sidecars=beside, alive=alive)
    copied = driver.route(copied_spans, found, corpus, step=step, alive=alive)
    step = f"{_PARAGRAPHS}.spans"
    spans = driver.map_stage(CopiedSpans(), corpus, step=step, sidecars=(copied,), alive=alive)
    return _cut(_PARAGRAPHS, COPIED, spec.least_characters, spans, max_source_loss, pool, driver)


def find_repeated(
    spec: SubstringSpec,
    survivors: Survivors,
    max_source_loss: float | None,
    pool: Pool,
    beside: tuple[Artifact, ...],
    driver: Driver,
) -> Pool:
    """Return the pool with repeated passages cut, or with what was found of them beside it.

    Args:
        beside: the sidecar that has the survivors' column, if there is one.

    Raises:
        BudgetError: a source would lose more than `max_source_loss` of its text.
        RecipeError: a source is named that has no documents.
    """
    corpus, alive, k = pool.corpus, pool.alive, spec.k
    step = f"{_SUBSTRING}.seeds"
    stage = SharedSeeds(k, _named(spec.sources, pool, _SUBSTRING))
    found = driver.shuffle_stage(stage, corpus, step=step, alive=alive)
    seeds = driver.route(shared_seeds, found, corpus, step=step, alive=alive)
    step = f"{_SUBSTRING}.windows"
    found = driver.shuffle_stage(
        SharedWindows(k, survivors), corpus, step=step, sidecars=(seeds, *beside), alive=alive
    )
    stretches = driver.route(shared_stretches, found, corpus, step=step, alive=alive)
    spans = driver.map_stage(
        RepeatedSpans(), corpus, step=f"{_SUBSTRING}.spans", sidecars=(stretches,), alive=alive
    )
    if spec.action == "annotate":
        return pool.beside(spans)
    return _cut(_SUBSTRING, SURPLUS, spec.least_characters, spans, max_source_loss, pool, driver)


def lost_text(pool: Pool, spans: Artifact) -> tuple[dict[str, int], dict[str, int]]:
    """Return the bytes that `surplus_bytes` of a sidecar counts, and all bytes, by source."""
    lost: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for shard, beside in zip(pool.corpus.shards, spans.shards, strict=True):
        documents = read_shard(shard, ("source", "text"))
        surplus = read_shard(beside, ("surplus_bytes",))["surplus_bytes"]
        columns = [documents["source"], pc.binary_length(documents["text"]), surplus]
        table = pa.table(columns, names=["source", "total", "lost"]).filter(pc.is_valid(surplus))
        summed = table.group_by("source").aggregate([("total", "sum"), ("lost", "sum")])
        for row in summed.to_pylist():  # a row a source
            lost[row["source"]] += row["lost_sum"]
            total[row["source"]] += row["total_sum"]
    return dict(lost), dict(total)


def _cut(
    name: str,
    kind: str,
    least_characters: int,
    spans: Artifact,
    max_source_loss: float | None,
    pool: Pool,
    driver: Driver,
) -> Pool:
    check_text_loss(*lost_text(pool, spans), max_source_loss, where=f"corpus.{name}")
    cut = CutSpans(name, "surplus", ((kind, ""),), least_characters)
    made = driver.rewrite(cut, pool.corpus, step=name, sidecars=(spans,), alive=pool.alive)
    return pool.rewritten(made)


def _named(sources: list[str] | None, pool: Pool, step: str) -> tuple[str, ...] | None:
    """Return the sources to look at, None for all.

    Raises:
        RecipeError: the pool has no document of one of them.
    """
    if sources is None:
        return None
    known = source_counts(pool)
    faults = [f"{name!r}{suggestion(name, known)}" for name in sources if name not in known]
    if faults:
        raise RecipeError(
            f"no document is of source {', '.join(faults)}; wanted some of {list(known)}",
            where=f"corpus.{step}.sources",
        )
    return tuple(sources)
