"""`curator optout`: what somebody wants out is found in a store, taken out, and a receipt signed.

Runs that stood on it are withdrawn: what they learned is removed with their reports and the
examples in their records, which quote documents, and a note is left in their folders. Run again,
they make the rest anew without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curator.errors import LedgerError, RecipeError
from curator.identity import file_digest, fingerprint
from curator.ledger import RECORD, Artifact, Store
from curator.optout.family import keys_of
from curator.optout.holding import INGEST, Held, Meant, downstream, folders_of, holdings, meant_by
from curator.optout.receipt import checked, ids_in, read_receipt, require_key, signed
from curator.optout.removal import (
    drop_answers,
    redact,
    remove_folders,
    remove_shards,
    remove_unfinished,
)
from curator.optout.requests import Requests, read_requests
from curator.report.visible import one_line
from curator.shards import write_atomically
from pipelines.looking import Found
from pipelines.registering import forget, registered
from pipelines.running import RUN, WITHDRAWN
from pipelines.scoring import ANSWERS

REPORT: Final = "report.html"
# Of these the tables in them say whether they hold a document; all other folders learned from one.
_OF_DOCUMENTS: Final = ("benchmark.", "heldout", "selection", "mixture.", "refined", "staged")
_OF_FILES: Final = ("clean.blocklist", "optout.requests")  # made of lists, never of documents
_ELSEWHERE: Final = (
    "the files that were ingested, exports, transcripts, copies and backups outside of the store, "
    "the first bytes of records that could not be read, and runs that the store does not know"
)
_SHOWN: Final = 20


@dataclass(frozen=True)
class Touched:
    """What must go with some documents.

    Attributes:
        shards: artifact id -> numbers of shards.
        folders: folder -> why: "holds", "mentions", "learned from" or "made from".
        runs: folders of runs that stand on any of it.
        unfinished: files that killed runs left.
    """

    shards: Mapping[str, set[int]]
    folders: Mapping[Path, str]
    runs: tuple[Path, ...]
    unfinished: tuple[Path, ...]


def opt_out_of_store(
    path: Path, store: Path, *, out: Path | None, key: Path | None, delete: bool
) -> Found:
    """Return what of a store a list means, and with `delete` take it out and write a receipt.

    Raises:
        RecipeError: the list or the key cannot be used; nothing was done.
        LedgerError: there is no store, another process writes to it, a run of it cannot be read,
            or something was found again after it had been removed.
    """
    requests = read_requests(path)
    place = Store(store.absolute())
    if not store.is_dir():
        raise LedgerError(f"there is no store {store}; wanted the --store of a run")
    if delete:
        if key is None or out is None:
            raise RecipeError(
                "--delete leaves a signed receipt; give --key FILE to sign it with and --out FILE"
            )
        require_key(key)
        if out.exists() or not out.absolute().parent.is_dir():
            raise RecipeError(
                f"--out {out} is there already, or its folder is not; wanted a new file in a "
                "folder that is there: nothing was done"
            )
    with place.writing():
        artifacts = [artifact for _, artifact in place.artifacts()]
        meant = meant_by(requests, place, artifacts)
        held = holdings(meant, place, artifacts)
        touched = _touched(held, artifacts, place)
        account = _account(path, requests, meant, held, touched, artifacts, place)
        if delete and out is not None and key is not None:
            account["removed"] = _remove(meant, touched, artifacts, place)
            account["left"] = _left(requests, meant, place)
            receipt = signed(account, key)
            write_atomically(out, (json.dumps(receipt, indent=1, sort_keys=True) + "\n").encode())
            account = receipt
    return Found(account, _drawn(account, out))


def verify_receipt(path: Path, store: Path | None, key: Path | None) -> Found:
    """Return what a receipt's signature proves and, of a store, whether the documents are gone.

    Raises:
        LedgerError: it was changed or forged, or a document of it is in the store again.
        RecipeError: it needs a key.
    """
    receipt = read_receipt(path)
    proved = checked(receipt, key)
    told: dict[str, Any] = {"receipt": str(path), "signature": proved, "in_store": None}
    searched = store is not None and store.is_dir()
    if store is not None and searched:
        place = Store(store.absolute())
        keys = keys_of(pa.array(ids_in(receipt), pa.binary(16)))
        held = holdings(Meant(keys, {}), place, [one for _, one in place.artifacts()])
        again = sorted(held.documents)
        if again:
            raise LedgerError(
                f"{len(again)} of its documents are in {store} again, the first {again[0]}: "
                "whatever ingested them has no `corpus.optout`; add it and opt out anew",
                where=str(path),
            )
        told["in_store"] = 0
    words = f"{path}: {proved}"
    if store is not None:
        gone = f"none of its documents is in {store}"
        words += f"; {gone}" if searched else f"; there is no store {store}: nothing was looked for"
    return Found(told, one_line(words, 400))


def _touched(held: Held, artifacts: Sequence[Artifact], store: Store) -> Touched:
    shards = downstream(held, artifacts)
    names = {store.artifact_path(one).stem for one in artifacts if one.id in shards}
    stands = {run: _stands_on(run) for run in registered(store).runs if (run / RUN).exists()}
    runs = [run for run, used in stands.items() if names & set(used["artifacts"])]
    clean = {
        Path(folder)
        for run, used in stands.items() if run not in runs
        for folder in used["folders"]
    }  # fmt: skip
    folders: dict[Path, str] = {}
    for folder, tables in held.folders.items():
        texts = any("text" in _columns(folder / table) for table in tables)
        folders[folder] = "holds" if texts else "mentions"
    for run in runs:
        for name in stands[run]["folders"]:
            folder = Path(name)
            told = folder.name.startswith((*_OF_DOCUMENTS, *_OF_FILES))
            if folder not in folders and not told and folder not in clean and folder.exists():
                folders[folder] = "learned from"
    _add_made_from(folders, store)
    runs += [run for run, used in stands.items()
             if run not in runs and set(map(Path, used["folders"])) & set(folders)]  # fmt: skip
    return Touched(shards, folders, tuple(sorted(runs)), tuple(held.unfinished))


def _add_made_from(folders: dict[Path, str], store: Store) -> None:
    """Add the folders whose identity names one that goes: models of mixtures, trained in no run."""
    while True:
        named = set().union(*(_names_of(folder) for folder in folders), set())
        more = [
            folder
            for folder in folders_of(store)
            if folder not in folders
            and not folder.name.startswith(_OF_FILES)
            and named & _words(_record(folder).get("identity"))
        ]
        if not more:
            return
        folders |= dict.fromkeys(more, "made from")


def _names_of(folder: Path) -> set[str]:
    """Return what the identities of others call a folder: its key, the digest of its files, its
    draw."""
    record = _record(folder)
    found = {str(record.get("key", "")), fingerprint(record.get("files", {}))}
    found |= set(map(str, record.get("files", {}).values()))
    described = folder / "mixture.json"
    if described.is_file():
        found.add(str(json.loads(described.read_text()).get("draw_hash", "")))
    return found - {""}


def _words(value: Any) -> set[str]:
    """Return every text in a JSON value."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        return set().union(*(_words(each) for each in value.values()), set())
    if isinstance(value, list | tuple):
        return set().union(*(_words(each) for each in value), set())
    return set()


def _record(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}  # begun and not finished: it stands on nothing that it could name
    return content if isinstance(content, dict) else {}


def _stands_on(run: Path) -> dict[str, list[str]]:
    try:
        used = json.loads((run / RUN).read_bytes())["stands_on"]
        return {"artifacts": list(used["artifacts"]), "folders": list(used["folders"])}
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{run / RUN} does not say what it stands on ({error!r}), so that nobody can say what "
            "is to go with it; run its recipe again, or forget it (curator gc --forget)"
        ) from error


def _columns(path: Path) -> list[str]:
    return list(pa.ipc.open_file(pa.memory_map(str(path), "r")).schema.names)


def _remove(
    meant: Meant, touched: Touched, artifacts: Sequence[Artifact], store: Store
) -> dict[str, Any]:
    """Return what was removed; what others are found by goes last."""
    reports = []
    for run in touched.runs:
        if (run / REPORT).is_file():
            (run / REPORT).unlink()
            reports.append(str(run / REPORT))
        _quote_nothing(run / RUN)
        note = {"why": "documents that it stood on were opted out; run its recipe again"}
        write_atomically(run / WITHDRAWN, (json.dumps(note) + "\n").encode())
    remove_folders(touched.folders)
    answers = drop_answers({key[:16].hex() for key in meant.keys.tolist()}, store.root / ANSWERS)
    unfinished = remove_unfinished(touched.unfinished)
    files = remove_shards(touched.shards, artifacts, store)
    # The register tells a removal that was killed what stood on the documents: it goes late.
    for run in touched.runs:
        forget(store, run)
    lost = redact(meant.ids, artifacts, store)
    return {
        "folders": len(touched.folders),
        "files": len(files),
        "unfinished": unfinished,
        "reports": reports,
        "answers": answers,
        "rows": {str(path): rows for path, rows in sorted(lost.items())},
    }


def _quote_nothing(record: Path) -> None:
    """Take the examples of texts that refiners changed out of a run's record."""
    content = json.loads(record.read_bytes())
    for arm in content.get("arms", {}).values():
        for step in arm.get("refined", {}).get("steps", ()):
            step["examples"] = []
    write_atomically(record, (json.dumps(content, indent=1) + "\n").encode())


def _left(requests: Requests, meant: Meant, store: Store) -> int:
    """Return how many of the documents are still there: 0.

    Raises:
        LedgerError: some are.
    """
    artifacts = [artifact for _, artifact in store.artifacts()]
    held = holdings(meant, store, artifacts)
    again = meant_by(requests, store, artifacts)
    # Tasks that are whole and whose artifact went are kept for the next run, if of others.
    if held.documents or held.shards or held.folders or len(again.keys):
        raise LedgerError(
            f"{max(len(held.documents), len(again.keys))} documents are still in {store.root}; no "
            "receipt was written: run the command again"
        )
    return 0


def _account(
    path: Path,
    requests: Requests,
    meant: Meant,
    held: Held,
    touched: Touched,
    artifacts: Sequence[Artifact],
    store: Store,
) -> dict[str, Any]:
    """Return what was asked and found, in plain JSON; no text of a document."""
    by_id = {artifact.id: artifact for artifact in artifacts}
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "store": str(store.root),
        "list": {"file": path.name, "digest": file_digest(path), "requests": requests.told()},
        "documents": [
            {"doc_id": one, "why": meant.why[one], **held.documents.get(one, {})}
            for one in sorted(meant.why)
        ],
        "artifacts": [
            {
                "artifact": store.artifact_path(by_id[name]).stem,
                "shards": {by_id[name].shards[n].name: by_id[name].shards[n].digest
                           for n in sorted(numbers)},
                "then": "rows removed" if by_id[name].name == INGEST else "removed",
            }
            for name, numbers in sorted(touched.shards.items())
        ],
        "folders": [
            {"folder": folder.name, "why": why, "digest": fingerprint(_record(folder))}
            for folder, why in sorted(touched.folders.items())
        ],
        "runs": [str(run) for run in touched.runs],
        "unfinished": [str(path) for path in touched.unfinished],
        "not_looked_at": _ELSEWHERE,
    }  # fmt: skip


def _drawn(account: Mapping[str, Any], out: Path | None) -> Any:
    from rich.table import Table
    from rich.text import Text

    gone = "removed" in account
    done = f"taken out; receipt: {out}" if gone else "found (add --delete --key --out to take out)"
    table = Table(title=Text(f"{len(account['documents'])} documents {done}"))
    for heading in ("document", "why", "source", "address"):
        table.add_column(heading, overflow="fold")
    for row in account["documents"][:_SHOWN]:
        place = row.get("url") or row.get("origin") or ""
        cells = (row["doc_id"], row["why"], row.get("source") or "", place)
        table.add_row(*(Text(one_line(str(cell), 200)) for cell in cells))
    if len(account["documents"]) > _SHOWN:
        table.add_row(f"and {len(account['documents']) - _SHOWN:,} more", "", "", "")
    held = ", ".join(
        f"{len(account[name])} {name}" for name in ("artifacts", "folders", "runs") if account[name]
    )
    table.caption = Text(f"with them go parts of {held}" if held else "nothing stands on them")
    return table
