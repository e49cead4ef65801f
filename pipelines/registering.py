"""Which runs use a store: what `curator gc` must keep without being told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from curator.errors import LedgerError
from curator.ledger import Store
from curator.shards import write_atomically
from pipelines.running import RUN

REGISTER = "runs.json"
_FORMAT = 1


@dataclass(frozen=True)
class Register:
    """All that uses a store, as absolute paths, sorted."""

    runs: tuple[Path, ...] = ()  # every run's folder
    begun: tuple[Path, ...] = ()  # those that have not come to their end
    folders: tuple[Path, ...] = ()  # proxies trained in no run, and what they were trained on


def registered(store: Store) -> Register:
    """Return what ever used a store and was not forgotten.

    Raises:
        LedgerError: the register cannot be read.
    """
    path = store.root / REGISTER
    try:
        content = json.loads(path.read_bytes())
        parts = (content[name] for name in ("runs", "begun", "folders"))
        return Register(*(tuple(map(Path, part)) for part in parts))
    except FileNotFoundError:
        return Register()
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{path} is not a register of runs ({error!r}); move it away, then run every recipe "
            "again whose results are to be kept: finished steps are served"
        ) from error


def register_begin(store: Store, out: Path) -> None:
    """Write down that a run in the folder `out` begins; the store is held for writing."""
    known = registered(store)
    place = out.absolute()
    _write(store, replace(known, runs=(*known.runs, place), begun=(*known.begun, place)))


def register_end(store: Store, out: Path) -> None:
    """Write down that the run in the folder `out` has come to its end."""
    known = registered(store)
    _write(store, replace(known, begun=_without(known.begun, out)))


def register_folders(store: Store, folders: Iterable[Path]) -> None:
    """Write down folders of the store that were made by themselves, in no run."""
    known = registered(store)
    inside = (folder.absolute() for folder in folders)
    place = store.root.absolute()
    more = [folder for folder in inside if folder.is_relative_to(place)]
    _write(store, replace(known, folders=(*known.folders, *more)))


def forget(store: Store, folder: Path) -> None:
    """Take a run, or a folder made by itself, off the register. Nothing is removed by this.

    Raises:
        LedgerError: it is not registered.
    """
    known = registered(store)
    if folder.absolute() not in (*known.runs, *known.folders):
        names = ", ".join(map(str, (*known.runs, *known.folders))) or "none"
        raise LedgerError(
            f"--forget {folder}: not registered in {store.root}; registered are: {names}"
        )
    parts = (known.runs, known.begun, known.folders)
    _write(store, Register(*(_without(part, folder) for part in parts)))


def forget_unfinished(store: Store) -> None:
    """Take off the register what has begun and not finished; an earlier result of it stays."""
    known = registered(store)
    kept = [run for run in known.runs if run not in known.begun or (run / RUN).exists()]
    _write(store, replace(known, runs=tuple(kept), begun=()))


def _without(folders: Iterable[Path], gone: Path) -> tuple[Path, ...]:
    return tuple(folder for folder in folders if folder != gone.absolute())


def _write(store: Store, register: Register) -> None:
    content: dict[str, object] = {"format": _FORMAT}
    for name in ("runs", "begun", "folders"):
        content[name] = sorted({str(folder) for folder in getattr(register, name)})
    write_atomically(store.root / REGISTER, (json.dumps(content, indent=1) + "\n").encode())
