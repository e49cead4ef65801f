"""Which runs use a store: what `curator gc` must keep without being told."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from curator.errors import LedgerError
from curator.ledger import Store
from curator.shards import write_atomically

REGISTER = "runs.json"
_FORMAT = 1


def register_run(store: Store, out: Path) -> None:
    """Write down that a run in the folder `out` begins to use a store that is held for writing."""
    runs, proxies = registered(store)
    _write(store, [*runs, out.absolute()], proxies)


def register_proxies(store: Store, folders: Iterable[Path]) -> None:
    """Write down that proxies were trained by themselves, in no run."""
    runs, proxies = registered(store)
    _write(store, runs, [*proxies, *(folder.absolute() for folder in folders)])


def forget(store: Store, folder: Path) -> None:
    """Take a run, or a proxy trained by itself, off the register; its files stay until `gc`.

    Raises:
        LedgerError: it is not registered.
    """
    runs, proxies = registered(store)
    gone = folder.absolute()
    if gone not in (*runs, *proxies):
        known = ", ".join(map(str, (*runs, *proxies))) or "none"
        raise LedgerError(f"{gone} is not registered in {store.root}; registered are: {known}")
    _write(store, [one for one in runs if one != gone], [one for one in proxies if one != gone])


def registered(store: Store) -> tuple[list[Path], list[Path]]:
    """Return the folders of all runs that ever used a store, and of proxies trained in none.

    Raises:
        LedgerError: the register cannot be read.
    """
    path = store.root / REGISTER
    try:
        content = json.loads(path.read_bytes())
        return [Path(one) for one in content["runs"]], [Path(one) for one in content["proxies"]]
    except FileNotFoundError:
        return [], []
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{path} is not a register of runs ({error!r}); move it away, then run every recipe "
            "whose results are to be kept again: finished steps are served"
        ) from error


def _write(store: Store, runs: Iterable[Path], proxies: Iterable[Path]) -> None:
    content = {
        "format": _FORMAT,
        "runs": sorted({str(one) for one in runs}),
        "proxies": sorted({str(one) for one in proxies}),
    }
    write_atomically(store.root / REGISTER, (json.dumps(content, indent=1) + "\n").encode())
