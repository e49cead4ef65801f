"""What the scorers of a run wrote down when they learned, found again by what they learned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from curator.errors import LedgerError
from curator.ledger import RECORD, Artifact, Store, folder_digest
from curator.report.learned import Learned
from curator.stage import REPORT

if TYPE_CHECKING:
    from pipelines.curate import Curated

_LARGEST = 1_000_000  # bytes of a report that a page could still show


def learned_of(curated: Curated, store: Store) -> tuple[Learned, ...]:
    """Return the reports of the run's scores that left one, in the order of the recipe."""
    found = (fit_of(sidecar, store) for sidecar in curated.pool.sidecars)
    return tuple(one for one in found if one is not None)


def fit_of(sidecar: Artifact, store: Store) -> Learned | None:
    """Return what a score's fit wrote; None if it learned nothing or says nothing."""
    fitted = sidecar.identity.get("fitted")
    if not sidecar.name.startswith("score.") or not fitted:
        return None
    score = sidecar.name.removeprefix("score.")
    for record in sorted((store.root / "folders").glob(f"fit.*/{RECORD}")):
        folder = record.parent
        path = folder / REPORT
        if not folder.name.startswith(f"fit.{score}-") or not path.is_file():
            continue
        try:
            if folder_digest(folder) != fitted or path.stat().st_size > _LARGEST:
                continue
            content = json.loads(path.read_text())
        except (LedgerError, ValueError):  # damaged: `curator verify` says so, a page need not
            continue
        if isinstance(content, dict):
            return Learned(score, str(sidecar.identity.get("name", "")), content)
    return None
