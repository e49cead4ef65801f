"""Rewritten shards: the same rows in the same order, changed documents with a parent.

Two files come of a shard: the decision sidecar (keep, reason, notes) and the documents. The record
of the documents is written last, so it stands for both.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from curator.engine.tasks import Sight, accounts, committed, processed, scatter
from curator.ledger import Artifact, Store, TaskRecord
from curator.rewrite import Rewriter, rewritten
from curator.shards import Shard, read_shard, write_shard
from curator.stage import Site


@dataclass(frozen=True)
class Rewritten:
    """What a rewriter made of a corpus; both have its shards, rows and order."""

    corpus: Artifact
    decision: Artifact


@dataclass(frozen=True)
class RewriteTask:
    """Apply a rewriter to one shard."""

    stage: Rewriter
    key: str
    decision: str  # name of the step and of the decisions' artifact
    sight: Sight
    site: Site
    store: Store

    @property
    def step(self) -> str:
        """Name of the artifact of the documents."""
        return f"{self.decision}.text"

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.decision} of {self.sight.name}"


def run_rewrite(task: RewriteTask) -> TaskRecord:
    """Write the documents and the decisions of one shard, and return the record of the former."""

    def make() -> TaskRecord:
        made = processed(task)
        mask = task.sight.mask()
        path = task.store.task_path(task.decision, task.key)
        told = made.drop_columns(["text"])
        beside = write_shard(scatter(told, mask), path, name=task.sight.name)
        task.store.commit(task.decision, accounts(task.key, (beside,), told))
        shard = _documents(task, scatter(made.select(["text"]), mask)["text"])
        return TaskRecord(task.key, (shard,), shard.rows, shard.rows)

    return committed(task, make)


def _documents(task: RewriteTask, texts: pa.ChunkedArray) -> Shard:
    """Write the shard's documents with their new texts; a shard without any is the old one."""
    path = task.store.task_path(task.step, task.key)
    before = task.sight.files[0]
    if texts.null_count == len(texts):
        _place(Path(before.path), path)
        return replace(before, path=str(path))
    documents = rewritten(read_shard(before), texts, task.stage.name)
    return write_shard(documents, path, name=before.name)


def _place(original: Path, path: Path) -> None:
    """Give a file a second name; where the file system has no links, a copy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        os.link(original, temporary)
    except OSError:
        shutil.copyfile(original, temporary)
    os.replace(temporary, path)  # noqa: PTH105 - as in curator.shards
