"""Free what no run refers to. Without an order to delete, only says what would go."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from curator.errors import LedgerError
from curator.ledger import RECORD, Artifact, Store
from curator.report.visible import one_line
from pipelines.looking import Found
from pipelines.registering import Register, forget, forget_unfinished, registered
from pipelines.running import RUN, WITHDRAWN, read_run

_SHOWN = 20


def collect_garbage(
    folders: Sequence[Path],
    store: Path,
    *,
    delete: bool,
    unfinished: bool = False,
    forgotten: Sequence[Path] = (),
) -> Found:
    """Return what in a store no run stands on, and remove it if told to.

    A run stands on every artifact and folder (tokenizer, fits, mixtures, proxies, evaluations) that
    it made or was served: after collection it still computes nothing when run again. Every run
    that the store knows of is kept, and so are folders that were begun and not finished.

    Args:
        folders: more runs to keep, or folders that hold runs.
        store: where to look.
        delete: remove, not only list.
        unfinished: keep nothing that was begun and not finished.
        forgotten: runs, and proxies trained by themselves, to keep no longer.

    Raises:
        LedgerError: no run is found, one cannot be read or has not finished, or another process
            is writing to the store.
    """
    place = Store(store)
    if not store.is_dir():
        raise LedgerError(f"there is no store {store}; wanted the --store of a run")
    with place.writing():
        for folder in forgotten:
            forget(place, folder)
        known = registered(place)
        if known.begun and not unfinished:
            raise LedgerError(
                f"the run in {known.begun[0]} has begun and not finished; run it to its end, or "
                "give --unfinished to free what only unfinished runs made"
            )
        runs = [*_registered_runs(known, place), *_runs(folders, place)]
        if not (runs or known.folders):
            names = ", ".join(str(folder) for folder in folders)
            raise LedgerError(
                f"no run in {names} uses the store {place.root}; name the folders of the runs to "
                "keep (to free everything, remove the store itself)"
            )
        garbage = _garbage(runs, known.folders, place, unfinished=unfinished)
        sizes = {path: _size(path) for path in garbage}
        for path in garbage if delete else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if delete and unfinished:
            forget_unfinished(place)
    summary = {
        "store": str(place.root),
        "runs_kept": list(dict.fromkeys(run["out"] for run in runs)),
        "files": len(garbage),
        "bytes": sum(sizes.values()),
        "deleted": delete,
        "paths": [str(path) for path in garbage],
    }
    return Found(summary, _drawn(summary, sizes))


def _garbage(
    runs: Iterable[dict[str, Any]], folders: Iterable[Path], store: Store, *, unfinished: bool
) -> list[Path]:
    """Return the files and folders of a store that nothing stands on."""
    names = sorted({name for run in runs for name in run["stands_on"]["artifacts"]})
    kept = _files_of([store.artifact(name) for name in names], store)
    kept_folders = {Path(name).resolve() for run in runs for name in run["stands_on"]["folders"]}
    kept_folders |= {folder.resolve() for folder in folders}
    return [
        *_others((store.root / "shards").rglob("*"), kept),
        *_others((store.root / "artifacts").glob("*.json"), kept),
        *(
            path
            for path in sorted((store.root / "folders").glob("*"))
            if path.resolve() not in kept_folders and (unfinished or (path / RECORD).exists())
        ),
    ]


def _registered_runs(known: Register, store: Store) -> list[dict[str, Any]]:
    """Return the records of the runs that a store knows of and that still use it."""
    found = []
    for folder in known.runs:
        if folder in known.begun and not (folder / RUN).exists():
            continue  # freed with --unfinished, and known to be so
        try:
            run = read_run(folder)
            if _uses(run, store):
                for name in run["stands_on"]["artifacts"]:
                    store.artifact(name)
                found.append(run)
        except LedgerError as error:
            raise LedgerError(
                f"what the run in {folder} stands on cannot be read ({error}); run its recipe "
                f"again, or forget it: curator gc --store {store.root} --forget {folder}"
            ) from error
    return found


def _runs(folders: Iterable[Path], store: Store) -> list[dict[str, Any]]:
    """Return the records of the runs in some folders that use this store and were not withdrawn."""
    records = [
        record
        for folder in folders
        for record in sorted({folder / RUN, *folder.glob(f"*/{RUN}")})
        if record.exists() and not (record.parent / WITHDRAWN).exists()
    ]
    return [run for run in (read_run(record.parent) for record in records) if _uses(run, store)]


def _uses(run: dict[str, Any], store: Store) -> bool:
    return Path(run["store"]).resolve() == store.root.resolve()


def _files_of(artifacts: Iterable[Artifact], store: Store) -> set[Path]:
    """Return the files of some artifacts: shards, quarantines and records."""
    files = set()
    for artifact in artifacts:
        files.add(store.artifact_path(artifact))
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
    from rich.text import Text

    if not sizes:
        return f"nothing to free: {len(summary['runs_kept'])} runs stand on all of it"
    done = "freed" if summary["deleted"] else "would be freed (add --delete)"
    title = f"{summary['files']:,} files and folders, {summary['bytes'] / 1e6:,.1f} MB {done}"
    table = Table(title=title)
    table.add_column("what no run stands on, largest first", overflow="fold")
    table.add_column("MB", justify="right")
    largest = sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))
    for path, size in largest[:_SHOWN]:
        table.add_row(Text(one_line(str(path), 400)), f"{size / 1e6:,.2f}")
    if len(largest) > _SHOWN:
        table.add_row(f"and {len(largest) - _SHOWN:,} more", "")
    return table
