"""What refined documents were made of: each ancestor of one, back to what was read from a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from curator.identity import id_matrix
from curator.ledger import Store
from curator.report.explain import Descent
from curator.shards import Shard, read_shard


def descent_of(prefix: str, record: Mapping[str, Any], store: Store) -> tuple[Descent, ...]:
    """Return the new document whose id begins with `prefix` (hex) and its ancestors, it first.

    Empty where no refined arm of a run has exactly one such document.

    Args:
        prefix: any number of digits.
        record: of the run.
        store: of the run.
    """
    steps = list(_steps(record, store))
    found = {
        one["doc_id"]: (arm, name, one)
        for arm, name, shards in steps
        for one in _like(bytes.fromhex(prefix[: len(prefix) // 2 * 2]), shards)
        if one["kind"] != "original" and one["doc_id"].hex().startswith(prefix.lower())
    }
    if len(found) != 1:
        return ()
    line: list[Descent] = []
    wanted: bytes | None = next(iter(found))
    while wanted is not None:
        made = next(
            (
                (arm, name, one)
                for arm, name, shards in steps
                for one in _like(wanted, shards)
                if one["operation"] is not None
            ),
            None,
        )
        if made is None:
            break
        arm, name, one = made
        line.append(
            Descent(
                doc_id=one["doc_id"].hex(),
                arm=arm,
                refiner=name,
                kind=one["kind"],
                parents=tuple(parent.hex() for parent in one["parents"]),
                about=one["about"] or "",
                text=one["text"],
                source=one["source"],
            )
        )
        wanted = one["parent_id"]
    return tuple(line)


def _steps(record: Mapping[str, Any], store: Store) -> Iterator[tuple[str, str, tuple[Shard, ...]]]:
    """Yield arm, entry and documents of every step that refined something."""
    for arm, content in record["arms"].items():
        for step in content.get("refined", {}).get("steps", ()):
            yield arm, step["name"], store.artifact(step["artifact"]).shards


def _like(head: bytes, shards: tuple[Shard, ...]) -> Iterator[dict[str, Any]]:
    """Yield the rows whose ids begin with some bytes."""
    wanted = np.frombuffer(head, np.uint8)
    for shard in shards:
        ids = id_matrix(read_shard(shard, ("doc_id",))["doc_id"])
        for row in np.flatnonzero((ids[:, : len(wanted)] == wanted).all(axis=1)):
            yield from read_shard(shard).slice(int(row), 1).to_pylist()
