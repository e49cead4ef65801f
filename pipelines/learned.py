"""What scorers and refiners wrote down when they learned, found again by what they learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from curator.errors import LedgerError
from curator.ledger import RECORD, Artifact, Store, folder_digest
from curator.report.learned import Learned
from curator.stage import REPORT

if TYPE_CHECKING:
    from pipelines.curate import Curated

_LARGEST = 1_000_000  # bytes of a report that a page could still show


def learned_of(curated: Curated, store: Store) -> tuple[Learned, ...]:
    """Return the reports of the run's scores and refiners that left one, in the recipe's order."""
    found = [fit_of(sidecar, store) for sidecar in curated.pool.sidecars]
    steps = {
        step["artifact"]: step["name"]
        for mixed in curated.arms.values()
        if mixed.refined
        for step in mixed.refined.account["steps"]
    }
    for artifact, name in steps.items():
        identity = store.artifact(artifact).identity["identity"]
        found.append(_fit(f"refine.{name}", name, identity, store))
    return tuple(one for one in found if one is not None)


def fit_of(sidecar: Artifact, store: Store) -> Learned | None:
    """Return what a score's fit wrote; None if it learned nothing or says nothing."""
    if not sidecar.name.startswith("score."):
        return None
    score = sidecar.name.removeprefix("score.")
    return _fit(score, score, sidecar.identity, store)


def _fit(step: str, called: str, identity: Mapping[str, Any], store: Store) -> Learned | None:
    """Return what the fit of a step wrote, by the digest that the identity of its work has."""
    fitted = identity.get("fitted")
    if not fitted:
        return None
    for record in sorted((store.root / "folders").glob(f"fit.*/{RECORD}")):
        folder = record.parent
        path = folder / REPORT
        if not folder.name.startswith(f"fit.{step}-") or not path.is_file():
            continue
        try:
            if folder_digest(folder) != fitted or path.stat().st_size > _LARGEST:
                continue
            content = json.loads(path.read_text())
        except (LedgerError, ValueError):  # damaged: `curator verify` says so, a page need not
            continue
        if isinstance(content, dict):
            return Learned(called, str(identity.get("name", "")), content)
    return None
