"""What was made, from what, how: task records, artifacts and folders in one store.

A record is written last, so it *is* the completion marker; there is no other state. Shards are
stored under the fingerprint of all that determines them, so changed settings can never be served
an old result and unchanged shards are never computed twice. An artifact is a list of such shards;
its id is the hash of their keys, its digest the hash of their contents.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curator.errors import LedgerError
from curator.identity import file_digest, fingerprint
from curator.shards import FOLDER_MODE, Shard, write_atomically

_FORMAT = 1
RECORD = "record.json"
SECONDS = "seconds"  # in records: how long a worker took; never part of what names a result


@dataclass(frozen=True)
class TaskRecord:
    """What one task made, with its accounts: rows in = rows out + dropped + quarantined."""

    key: str
    shards: tuple[Shard, ...]
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    quarantined: Mapping[str, int] = field(default_factory=dict)
    quarantine: Shard | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def missing(self) -> int:
        """Return how many records are unaccounted for; anything but 0 is a fault."""
        return self.rows_in - self.rows_out - _total(self.dropped) - _total(self.quarantined)


@dataclass(frozen=True)
class Artifact:
    """The shards that one step made of one corpus, and the step's accounts."""

    name: str  # the step: "clean", "score.sim"
    identity: Mapping[str, Any]  # stage name, version, settings, library versions
    tasks: tuple[TaskRecord, ...]
    parents: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name of the artifact: the hash of the keys of its tasks."""
        return fingerprint([self.name, [task.key for task in self.tasks]])

    @property
    def digest(self) -> str:
        """Name of its content: the hash of the digests of its shards, in order."""
        return fingerprint([shard.digest for shard in self.shards])

    @property
    def seconds(self) -> float:
        """How long workers took in all, whenever that was; 0 where records do not say."""
        return float(sum(task.notes.get(SECONDS, 0.0) for task in self.tasks))

    @property
    def shards(self) -> tuple[Shard, ...]:
        """All shards, in order."""
        return tuple(shard for task in self.tasks for shard in task.shards)

    @property
    def rows_in(self) -> int:
        """Documents (at ingest: records) that came in."""
        return sum(task.rows_in for task in self.tasks)

    @property
    def rows_out(self) -> int:
        """Documents still alive after this step."""
        return sum(task.rows_out for task in self.tasks)

    @property
    def dropped(self) -> dict[str, int]:
        """Documents dropped, by reason."""
        return _added(task.dropped for task in self.tasks)

    @property
    def quarantined(self) -> dict[str, int]:
        """Records that could not be read, by reason."""
        return _added(task.quarantined for task in self.tasks)


@dataclass(frozen=True)
class Store:
    """A folder of artifacts that any number of runs share."""

    root: Path

    def task_path(self, stage: str, key: str) -> Path:
        """Return where a task's first shard lies; further parts and the record lie beside it."""
        return self.root / "shards" / stage / key[:2] / f"{key}.arrow"

    def task(self, stage: str, key: str) -> TaskRecord | None:
        """Return the record of finished work, None where it is still to be done."""
        path = self.task_path(stage, key).with_suffix(".json")
        try:
            record = task_from_json(_read_json(path), self.root)
        except (FileNotFoundError, LedgerError):
            return None
        shards = [*record.shards, *([record.quarantine] if record.quarantine else [])]
        # A record that is broken, or whose files were removed or cut, is work to be done again.
        return record if all(_has_size(shard.path, shard.size_bytes) for shard in shards) else None

    def commit(self, stage: str, record: TaskRecord) -> None:
        """Declare a task done. Everything it names must be on disk already."""
        path = self.task_path(stage, record.key).with_suffix(".json")
        write_atomically(path, _dump({"format": _FORMAT, **_task_to_json(record, self.root)}))

    def withdraw(self, stage: str, key: str) -> None:
        """Take back that a task is done, so that it is done again."""
        self.task_path(stage, key).with_suffix(".json").unlink(missing_ok=True)

    def artifact_path(self, artifact: Artifact) -> Path:
        """Return where an artifact's record lies, or will."""
        return self.root / "artifacts" / f"{artifact.name}-{artifact.id[:12]}.json"

    def publish(self, artifact: Artifact) -> Path:
        """Write an artifact's record and return its path."""
        path = self.artifact_path(artifact)
        content = {
            "format": _FORMAT,
            "name": artifact.name,
            "id": artifact.id,
            "digest": artifact.digest,
            "identity": artifact.identity,
            "parents": list(artifact.parents),
            "tasks": [_task_to_json(task, self.root) for task in artifact.tasks],
        }
        write_atomically(path, _dump(content))
        return path

    def artifact(self, name_or_path: str | Path) -> Artifact:
        """Return an artifact by the path of its record or by the beginning of its file name.

        Raises:
            LedgerError: there is none, or more than one.
        """
        path = Path(name_or_path)
        if not path.is_file():
            found = sorted((self.root / "artifacts").glob(f"{path.name}*.json"))
            if len(found) != 1:
                names = ", ".join(p.stem for p in found[:8]) or "none"
                raise LedgerError(
                    f"{str(name_or_path)!r} names {len(found)} artifacts of {self.root} ({names}); "
                    "wanted the beginning of one's name, or the folder of a finished run"
                )
            path = found[0]
        return read_artifact(path)

    def artifacts(self) -> Iterator[tuple[Path, Artifact]]:
        """Yield every artifact with the path of its record, by name."""
        for path in sorted((self.root / "artifacts").glob("*.json")):
            yield path, read_artifact(path)

    def folder_path(self, name: str, identity: Mapping[str, Any]) -> Path:
        """Return where the folder artifact of an identity lies, or will."""
        return self.root / "folders" / f"{name}-{fingerprint([name, identity])[:16]}"

    @staticmethod
    def whole(folder: Path) -> bool:
        """Return whether a folder has a record, and every file in it the size recorded there.

        Costs one look at each file and reads none; `folder_damage` reads every byte.
        """
        try:
            sizes = dict(_read_json(folder / RECORD)["sizes"])
        except (OSError, LedgerError, KeyError, TypeError, ValueError):
            return False
        return all(_has_size(folder / name, size) for name, size in sizes.items())

    def folder(self, name: str, identity: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
        """Return the folder that `make` fills, made once for an identity.

        The folder is filled under a temporary name and renamed, its record with the digest of
        every file inside; a folder that is not whole is made again in its place.
        """
        path = self.folder_path(name, identity)
        if self.whole(path):
            return path
        key = fingerprint([name, identity])
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=".tmp-"))
        try:
            temporary.chmod(FOLDER_MODE)
            begun = time.monotonic()
            make(temporary)
            spent = round(time.monotonic() - begun, 3)
            about = {"name": name, "key": key, "identity": dict(identity), SECONDS: spent}
            write_folder_record(temporary, about)
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store against a second writer; the lock dies with the process.

        Raises:
            LedgerError: another run is writing here.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise LedgerError(
                    f"store {self.root} is being written by process {file.read().strip() or '?'}; "
                    "wait for it, or give this run a --store of its own"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what killed runs left under temporary names; nobody else is writing."""
        for path in self.root.rglob(".tmp-*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def write_folder_record(folder: Path, about: Mapping[str, Any]) -> None:
    """Write a folder's record: what it is, the digest and the size of every file in it."""
    paths = {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != RECORD
    }
    files = {name: file_digest(path) for name, path in paths.items()}
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    content = {"format": _FORMAT, **about, "files": files, "sizes": sizes}
    write_atomically(folder / RECORD, _dump(content))


def folder_digest(folder: Path, names: Collection[str] | None = None) -> str:
    """Return the name of a folder artifact's content, or of the content of the files named.

    Raises:
        LedgerError: the folder has no record, or a broken one.
    """
    files = _recorded_files(folder)
    return fingerprint({k: v for k, v in files.items() if names is None or k in names})


def _recorded_files(folder: Path) -> dict[str, str]:
    """Return the digest of each file that a folder's record names."""
    path = folder / RECORD
    try:
        return dict(_read_json(path)["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(f"{path} names no files; delete {folder} and rerun") from error
    except FileNotFoundError:
        raise LedgerError(
            f"{folder} has no {RECORD}; it was not made by curator, or not finished"
        ) from None


def damage(artifact: Artifact) -> list[str]:
    """Return one line for each shard whose bytes are not as recorded; empty: all is well."""
    faults = []
    for shard in artifact.shards:
        if not Path(shard.path).exists():
            faults.append(f"{shard.path} is missing")
        elif (found := file_digest(shard.path)) != shard.digest:
            faults.append(f"{shard.path} has digest {found}; recorded {shard.digest}")
    return faults


def folder_seconds(folder: Path) -> float:
    """Return how long a folder artifact took to make; 0 where its record does not say."""
    return float(_read_json(folder / RECORD).get(SECONDS, 0.0))


def folder_damage(folder: Path) -> list[str]:
    """Return one line for each file of a folder artifact whose bytes are not as recorded."""
    faults = []
    for name, digest in _recorded_files(folder).items():
        if not (folder / name).exists():
            faults.append(f"{folder / name} is missing")
        elif (found := file_digest(folder / name)) != digest:
            faults.append(f"{folder / name} has digest {found}; recorded {digest}")
    return faults


def read_artifact(path: Path) -> Artifact:
    """Return the artifact whose record lies at STORE/artifacts/NAME-ID.json.

    Raises:
        LedgerError: it is not an artifact's record.
    """
    content = _read_json(path)
    root = path.parent.parent
    try:
        tasks = tuple(task_from_json(task, root) for task in content["tasks"])
        return Artifact(content["name"], content["identity"], tasks, tuple(content["parents"]))
    except (KeyError, TypeError, LedgerError) as error:
        raise LedgerError(f"{path} is not an artifact's record; rerun its recipe") from error


def task_from_json(content: Mapping[str, Any], root: Path) -> TaskRecord:
    """Return the task that a record describes; paths in records are relative to the store.

    Raises:
        LedgerError: the record lacks something, or has something else in its place.
    """

    def shard(fields: Mapping[str, Any]) -> Shard:
        return Shard(**{**fields, "path": str(root / fields["path"])})

    try:
        quarantine = content.get("quarantine")
        return TaskRecord(
            key=content["key"],
            shards=tuple(shard(fields) for fields in content["shards"]),
            rows_in=content["rows_in"],
            rows_out=content["rows_out"],
            dropped=content["dropped"],
            quarantined=content["quarantined"],
            quarantine=shard(quarantine) if quarantine else None,
            notes=content["notes"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise LedgerError(f"not the record of a task ({error!r})") from error


def _task_to_json(record: TaskRecord, root: Path) -> dict[str, Any]:
    content = dataclasses.asdict(record)
    for shard in [*content["shards"], *([content["quarantine"]] if content["quarantine"] else [])]:
        shard["path"] = os.path.relpath(shard["path"], root)
    return content


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # no JSON, or no text at all
        raise LedgerError(f"{path} is not a record ({error}); delete it and rerun") from error
    found = content.get("format") if isinstance(content, dict) else type(content).__name__
    if found != _FORMAT:
        raise LedgerError(f"{path} has format {found!r}; wanted {_FORMAT}: delete it and rerun")
    return dict(content)


def _has_size(path: str | Path, size: int) -> bool:
    try:
        return Path(path).stat().st_size == size
    except OSError:
        return False


def _dump(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for reason, n in one.items():
            total[reason] = total.get(reason, 0) + n
    return dict(sorted(total.items()))
