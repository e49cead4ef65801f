"""Free what no run refers to. Without an order to delete, only says what would go."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from curator.errors import LedgerError
from curator.ledger import Artifact, Store
from pipelines.looking import Found
from pipelines.running import RUN, read_run

_SHOWN = 20


def collect_garbage(folders: Sequence[Path], store: Path, *, delete: bool) -> Found:
    """Return what in a store none of some runs stands on, and remove it if told to.

    A run stands on every artifact and folder (tokenizer, fits, mixtures, proxies, evaluations) that
    it made or was served: after collection it still computes nothing when run again.

    Args:
        folders: the runs to keep, or folders that hold runs.
        store: where to look.
        delete: remove, not only list.

    Raises:
        LedgerError: no run is found, one does not say what it stands on, or another process is
            writing to the store.
    """
    place = Store(store)
    runs = _runs(folders, place)
    names = {name for run in runs for name in run["stands_on"]["artifacts"]}
    kept = _files_of([one for path, one in place.artifacts() if path.stem in names], place)
    kept_folders = {Path(name).resolve() for run in runs for name in run["stands_on"]["folders"]}
    garbage = [
        *_others((place.root / "shards").rglob("*"), kept),
        *_others((place.root / "artifacts").glob("*.json"), kept),
        *(
            path
            for path in sorted((place.root / "folders").glob("*"))
            if path.resolve() not in kept_folders
        ),
    ]
    sizes = {path: _size(path) for path in garbage}
    if delete:
        with place.writing():
            for path in garbage:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    summary = {
        "store": str(place.root),
        "runs_kept": [run["out"] for run in runs],
        "files": len(garbage),
        "bytes": sum(sizes.values()),
        "deleted": delete,
        "paths": [str(path) for path in garbage],
    }
    return Found(summary, _drawn(summary, sizes))


def _runs(folders: Iterable[Path], store: Store) -> list[dict[str, Any]]:
    """Return the records of the runs in some folders that use this store."""
    found = []
    for folder in folders:
        for record in sorted({folder / RUN, *folder.glob(f"*/{RUN}")}):
            if not record.exists():
                continue
            run = read_run(record.parent)
            if Path(run["store"]).resolve() != store.root.resolve():
                continue
            if "stands_on" not in run:
                raise LedgerError(f"{record} does not say what it stands on; run its recipe again")
            found.append(run)
    if not found:
        names = ", ".join(str(folder) for folder in folders)
        raise LedgerError(
            f"no run in {names} uses the store {store.root}; name the folders of the runs to keep "
            "(to free everything, remove the store itself)"
        )
    return found


def _files_of(artifacts: Iterable[Artifact], store: Store) -> set[Path]:
    """Return the files of some artifacts: shards, quarantines and records."""
    files = set()
    for artifact in artifacts:
        files.add(store.root / "artifacts" / f"{artifact.name}-{artifact.id[:12]}.json")
        for task in artifact.tasks:
            files.add(store.task_path(artifact.name, task.key).with_suffix(".json"))
            shards = [*task.shards, *([task.quarantine] if task.quarantine else [])]
            files |= {Path(shard.path) for shard in shards}
    return {file.resolve() for file in files}


def _others(paths: Iterable[Path], kept: set[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file() and path.resolve() not in kept)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _drawn(summary: dict[str, Any], sizes: dict[Path, int]) -> Any:
    from rich.table import Table

    if not sizes:
        return f"nothing to free: {len(summary['runs_kept'])} runs stand on all of it"
    done = "freed" if summary["deleted"] else "would be freed (add --delete)"
    title = f"{summary['files']:,} files and folders, {summary['bytes'] / 1e6:,.1f} MB {done}"
    table = Table(title=title)
    table.add_column("what no run stands on, largest first", overflow="fold")
    table.add_column("MB", justify="right")
    largest = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))
    for path, size in largest[:_SHOWN]:
        table.add_row(str(path), f"{size / 1e6:,.2f}")
    if len(largest) > _SHOWN:
        table.add_row(f"and {len(largest) - _SHOWN:,} more", "")
    return table
