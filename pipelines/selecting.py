"""Sidecars become selections, selections become mixtures of tokens that a proxy can train on."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curator.engine.driver import Driver, sights
from curator.engine.tasks import Sight, accounts, committed
from curator.identity import fingerprint
from curator.ledger import Artifact, Store, TaskRecord
from curator.schema import field_note
from curator.shards import read_shard, write_shard
from pipelines.pool import Pool

NARROW = ("doc_id", "source", "n_tokens")
VIEW = "pool"


@dataclass(frozen=True)
class ViewTask:
    """Join the narrow columns of one shard's living documents."""

    columns: tuple[str, ...]
    key: str
    sight: Sight
    store: Store
    step: str = VIEW

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{VIEW} of {self.sight.name}"


def run_view(task: ViewTask) -> TaskRecord:
    """Write one shard of the pool's narrow view: living rows only."""

    def make() -> TaskRecord:
        living = task.sight.living(task.sight.columns(task.columns))
        at = living.column_names.index("n_tokens")
        living = living.rename_columns(
            ["tokens" if number == at else name for number, name in enumerate(living.column_names)]
        )
        shard = write_shard(living, task.store.task_path(VIEW, task.key), name=task.sight.name)
        return accounts(task.key, (shard,), living)

    return committed(task, make)


def view(pool: Pool, driver: Driver) -> Artifact:
    """Return what selectors see: doc_id, source, tokens and every score of each living document."""
    # Only these: a score must not be read from another sidecar that has a column of its name.
    narrow = [one for one in pool.sidecars if one.name == "tokens" or score_columns(one)]
    columns = (*NARROW, *(name for sidecar in narrow for name in score_columns(sidecar)))
    jobs = [
        ViewTask(columns, fingerprint([VIEW, columns, sight.digests()]), sight, driver.store)
        for sight in sights(pool.corpus, narrow, pool.alive)
    ]
    made = driver.run_tasks(run_view, jobs)
    parents = (pool.corpus, *narrow, pool.alive)
    return driver.publish(VIEW, {"name": VIEW, "columns": columns}, parents, made, listed=False)


def score_columns(sidecar: Artifact) -> list[str]:
    """Return the columns of a score's sidecar; none for any other sidecar."""
    if not sidecar.name.startswith("score."):
        return []
    return list(read_shard(sidecar.shards[0]).column_names)


def lazy(viewed: Artifact) -> pl.LazyFrame:
    """Return the view as a lazy frame over its files."""
    files = [shard.path for shard in viewed.shards if shard.rows]
    if not files:
        return pl.from_arrow(read_shard(viewed.shards[0])).lazy()  # type: ignore[union-attr]
    return pl.scan_ipc(files, glob=False)  # a store may lie in a folder called [a]


def directions(viewed: Artifact) -> dict[str, str]:
    """Return which way each score column is better: "higher", "lower" or "neither"."""
    schema = read_shard(viewed.shards[0]).schema
    return {
        field.name: field_note(field, "better", "neither") for field in schema if field.metadata
    }
