"""Take documents out of a store: what holds them or was made of them goes, all else stays.

Shards of ingestion lose the rows and keep the others, under the same key and with the loss in their
account, for the files that they were read from may be gone. Whatever can be made anew from those is
removed. What others stand on is changed last, so that a removal that was killed can be repeated.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import LedgerError
from curator.ledger import Artifact, Store, TaskRecord
from curator.optout.holding import INGEST
from curator.shards import Shard, read_shard, write_atomically, write_shard

REASON = "optout"


def remove_folders(folders: Iterable[Path]) -> None:
    """Remove folder artifacts.

    Raises:
        LedgerError: one is a link, so that removing it would leave what it leads to; none went.
    """
    named = list(folders)
    for folder in named:
        if folder.is_symlink():
            raise LedgerError(
                f"{folder} is a link to {folder.resolve()}, and what lies outside of the store is "
                "not removed: remove both by hand, then run the command again"
            )
    for folder in named:
        if folder.exists():
            shutil.rmtree(folder)


def remove_shards(
    affected: Mapping[str, set[int]], artifacts: Sequence[Artifact], store: Store
) -> list[Path]:
    """Return the files removed: affected tasks but those of ingestion, their artifacts' records.

    A task that is left of an artifact whose record goes is served to the next run that asks.
    """
    gone: list[Path] = []
    for artifact in artifacts:
        numbers = affected.get(artifact.id)
        if not numbers or _read_from_files(artifact):
            continue
        for task in _tasks_with(artifact, numbers):
            store.withdraw(artifact.name, task.key)
            gone += [Path(shard.path) for shard in task.shards]
            gone.append(store.task_path(artifact.name, task.key).with_suffix(".json"))
        gone.append(store.artifact_path(artifact))
    gone = list(dict.fromkeys(gone))
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


def remove_unfinished(paths: Iterable[Path]) -> int:
    """Return how many files of tasks went that no artifact has; such a task is done again."""
    gone = 0
    for path in paths:
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)
        gone += 1
    return gone


def redact(ids: pa.Array, artifacts: Sequence[Artifact], store: Store) -> dict[Path, int]:
    """Return how many rows each shard of ingestion lost; its task's and artifact's records tell.

    Args:
        ids: of the documents.
        artifacts: all of the store.
        store: held for writing.
    """
    lost: dict[Path, int] = {}
    made: dict[str, TaskRecord] = {}
    for artifact in filter(_read_from_files, artifacts):
        for task in artifact.tasks:
            if task.key not in made:
                made[task.key] = _redacted(task, ids, lost)
        tasks = tuple(made[task.key] for task in artifact.tasks)
        if tasks == artifact.tasks:
            continue
        for task in tasks:
            store.commit(artifact.name, task)
        store.publish(replace(artifact, tasks=tasks))
    return lost


def drop_answers(ids: set[str], folder: Path) -> int:
    """Return how many kept answers of models went: those to questions about a document."""
    gone = 0
    for path in sorted(folder.glob("*.jsonl")):
        lines = path.read_bytes().split(b"\n")
        kept = [line for line in lines if not _about(line, ids)]
        if len(kept) < len(lines):
            gone += len(lines) - len(kept)
            write_atomically(path, b"\n".join(kept))
    return gone


def _about(line: bytes, ids: set[str]) -> bool:
    """Whether a recorded answer is about one of the documents; a broken line is passed over."""
    try:
        told = json.loads(line)["documents"]
        return not ids.isdisjoint(str(one).partition("#")[0] for one in told)
    except (ValueError, KeyError, TypeError):
        return False


def _read_from_files(artifact: Artifact) -> bool:
    return artifact.name == INGEST and not artifact.parents


def _tasks_with(artifact: Artifact, numbers: set[int]) -> list[TaskRecord]:
    """Return the tasks that made shards of these numbers."""
    ends = np.cumsum([len(task.shards) for task in artifact.tasks])
    places = {int(np.searchsorted(ends, number, side="right")) for number in numbers}
    return [artifact.tasks[place] for place in sorted(places)]


def _redacted(task: TaskRecord, ids: pa.Array, lost: dict[Path, int]) -> TaskRecord:
    shards: list[Shard] = []
    for shard in task.shards:
        table = read_shard(shard)
        stays = pc.invert(pc.is_in(table["doc_id"], ids))
        # Of the rows recorded: a removal that was killed may have written the file and not this.
        gone = shard.rows - (pc.sum(stays).as_py() or 0)
        if gone:
            shards.append(write_shard(table.filter(stays), shard.path, name=shard.name))
            lost[Path(shard.path)] = gone
        else:
            shards.append(shard)
    total = sum(lost.get(Path(shard.path), 0) for shard in task.shards)
    if not total:
        return task
    dropped = {**task.dropped, REASON: task.dropped.get(REASON, 0) + total}
    return replace(task, shards=tuple(shards), rows_out=task.rows_out - total, dropped=dropped)
