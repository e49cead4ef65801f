"""Where a store holds some documents: which are meant, and every file that has one of them.

Documents are tables with `doc_id` and `text`; a table with `doc_id` alone mentions them (mixtures,
selections, evaluations). Files without ids, such as scores, stand beside documents row by row and
are found by their artifact's parents. Memory: a shard, and the ids of derived documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import LedgerError
from curator.ledger import Artifact, Store
from curator.optout.family import Family, ids_of, keys_of
from curator.optout.matching import copies_of, requested
from curator.optout.requests import Requests
from curator.shards import read_shard

INGEST = "ingest"
_ANCESTRY = ("doc_id", "parent_id", "parents", "kind")


@dataclass(frozen=True)
class Meant:
    """The documents that a list means, in a store.

    Attributes:
        keys: (n,) sorted, as `curator.optout.family.keys_of`.
        why: id in hex -> "id", "url", "domain", "sha256", "near", "version" or "derived".
    """

    keys: npt.NDArray[np.bytes_]
    why: Mapping[str, str]

    @property
    def ids(self) -> pa.Array:
        """The ids, sorted."""
        return ids_of(self.keys)


@dataclass
class Held:
    """Every place of a store that has one of some documents.

    Attributes:
        documents: id in hex -> source and address, of those whose text is there.
        shards: artifact id -> numbers of its shards that have one.
        folders: folder -> names of its tables that have one.
        unfinished: files of tasks whose artifact a killed run never published, that have one or
            do not say of what they are.
    """

    documents: dict[str, dict[str, str | None]] = field(default_factory=dict)
    shards: dict[str, set[int]] = field(default_factory=dict)
    folders: dict[Path, list[str]] = field(default_factory=dict)
    unfinished: list[Path] = field(default_factory=list)


def meant_by(requests: Requests, store: Store, artifacts: Iterable[Artifact]) -> Meant:
    """Return the documents of a store that a list means: named, near copies, what came of them."""
    files = list(document_files(store, artifacts))
    family, named = Family(), dict[bytes, str]()
    texts = [pa.array([text for _, text in requests.texts], pa.large_string())]
    for path in files:
        table = read_shard(path)
        if "parent_id" in table.column_names:
            family.read(table.select([name for name in _ANCESTRY if name in table.column_names]))
        by = requested(requests, _addressed(table))
        mask = pc.is_valid(by)
        chosen = table.filter(mask)
        _note(named, keys_of(chosen["doc_id"]), by.filter(mask).to_pylist())
        texts += chosen["text"].cast(pa.large_string()).chunks
    copies = copies_of(pa.concat_arrays(texts))
    for path in files if len(copies.sizes) else ():
        table = read_shard(path, ("doc_id", "text"))
        near = table.filter(pa.array(copies.near(table["text"]) >= 0))
        _note(named, keys_of(near["doc_id"]), ["near"] * near.num_rows)
    direct = np.array(sorted(named), "S17") if named else np.zeros(0, "S17")
    versions = family.versions_of(direct)
    every = family.derived_from(versions)
    why = {_hex(key): "derived" for key in every}
    why |= {_hex(key): "version" for key in versions}
    why |= {key[:16].hex(): word for key, word in named.items()}
    return Meant(every, why)


def holdings(meant: Meant, store: Store, artifacts: Iterable[Artifact]) -> Held:
    """Return every file of a store that has one of the documents."""
    held, ids = Held(), meant.ids
    artifacts = list(artifacts)
    for path in unfinished_files(store, artifacts) if len(ids) else ():
        if _has(path, ids, held) or "doc_id" not in _names(path):
            held.unfinished.append(path)
    for artifact in artifacts:
        for number, shard in enumerate(artifact.shards):
            if _has(Path(shard.path), ids, held):
                held.shards.setdefault(artifact.id, set()).add(number)
    for folder in folders_of(store):
        tables = [path for path in sorted(folder.rglob("*.arrow")) if _has(path, ids, held)]
        if tables:
            held.folders[folder] = [str(path.relative_to(folder)) for path in tables]
    return held


def folders_of(store: Store) -> list[Path]:
    """Return the folder artifacts of a store, those that were begun included."""
    return sorted(path for path in (store.root / "folders").glob("*") if path.is_dir())


def downstream(held: Held, artifacts: Iterable[Artifact]) -> dict[str, set[int]]:
    """Return artifact id -> numbers of its shards that hold the documents or were made of them.

    A file that stands beside documents row by row is affected with them; one that is not aligned
    (a shuffle) as a whole. Documents say themselves whether they are: text of others is not
    touched because it shares a file with none.
    """
    known = {artifact.id: artifact for artifact in artifacts}
    found: dict[str, set[int]] = {name: set(numbers) for name, numbers in held.shards.items()}
    for artifact in _parents_first(known):
        if _has_text(artifact):
            continue
        for parent in artifact.parents:
            touched = found.get(parent)
            if not touched:
                continue
            aligned = len(artifact.shards) == len(known[parent].shards)
            numbers = touched if aligned else set(range(len(artifact.shards)))
            found.setdefault(artifact.id, set()).update(numbers)
    return {name: numbers for name, numbers in found.items() if numbers}


def document_files(store: Store, artifacts: Iterable[Artifact]) -> Iterator[Path]:
    """Yield the files of documents, those of equal content once."""
    seen: set[str] = set()
    artifacts = list(artifacts)
    for path in unfinished_files(store, artifacts):
        if {"doc_id", "text"} <= set(_names(path)):
            yield path
    for artifact in artifacts:
        for shard in artifact.shards:
            if shard.digest not in seen and {"doc_id", "text"} <= set(_names(Path(shard.path))):
                seen.add(shard.digest)
                yield Path(shard.path)
    for folder in folders_of(store):
        for path in sorted(folder.rglob("*.arrow")):
            if {"doc_id", "text"} <= set(_names(path)):
                yield path


def unfinished_files(store: Store, artifacts: Iterable[Artifact]) -> list[Path]:
    """Return the files of finished tasks that are of no artifact: a killed run left them."""
    known = {
        Path(shard.path).resolve()
        for artifact in artifacts
        for task in artifact.tasks
        for shard in (*task.shards, *([task.quarantine] if task.quarantine else []))
    }
    found = sorted((store.root / "shards").rglob("*.arrow"))
    return [path for path in found if path.resolve() not in known]


def _names(path: Path) -> list[str]:
    """Return the columns of a table; none where its file is gone.

    Raises:
        LedgerError: it is no whole Arrow file.
    """
    if not path.exists():
        return []
    try:
        return list(pa.ipc.open_file(pa.memory_map(str(path), "r")).schema.names)
    except pa.ArrowInvalid as error:
        raise LedgerError(
            f"{path} is not a whole Arrow file ({error}), so nobody can say whether a document is "
            "in it; delete it, then ask again"
        ) from error


def _addressed(table: pa.Table) -> pa.Table:
    """Return documents with the columns that requests look at, null where a table has none."""
    for name in ("url", "origin"):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table


def _has(path: Path, ids: pa.Array, held: Held) -> bool:
    names = _names(path)
    if "doc_id" not in names or not len(ids):
        return False
    read = [name for name in ("doc_id", "source", "url", "origin") if name in names]
    table = read_shard(path, read)
    kind = table.schema.field("doc_id").type
    if kind != pa.binary(16):
        return False
    there = table.filter(pc.is_in(table["doc_id"], ids))
    if "text" in names:
        for row in there.to_pylist():
            told: dict[str, str | None] = {str(n): row.get(n) for n in read if n != "doc_id"}
            held.documents.setdefault(row["doc_id"].hex(), told)
    return bool(there.num_rows)


def _has_text(artifact: Artifact) -> bool:
    return bool(artifact.shards) and "text" in _names(Path(artifact.shards[0].path))


def _note(named: dict[bytes, str], keys: npt.NDArray[np.bytes_], words: list[str]) -> None:
    for key, word in zip(keys.tolist(), words, strict=True):
        named.setdefault(key, word)


def _hex(key: bytes) -> str:
    return key[:16].hex()


def _parents_first(known: Mapping[str, Artifact]) -> list[Artifact]:
    placed: dict[str, Artifact] = {}
    for start in known.values():
        stack = [start]
        while stack:
            artifact = stack[-1]
            waiting = [p for p in artifact.parents if p in known and p not in placed]
            if waiting:
                stack += [known[p] for p in waiting]
            else:
                placed.setdefault(artifact.id, artifact)
                stack.pop()
    return list(placed.values())
