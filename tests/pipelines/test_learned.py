from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from curator.ledger import Artifact, Store, folder_digest
from pipelines.learned import learned_of


def fitted(store: Store, name: str, content: str, *, seed: int = 0) -> Path:
    """Return a folder that a fit of so many letters left, with its report."""
    return store.folder(
        f"fit.{name}", {"seed": seed}, lambda out: (out / "report.json").write_text(content)
    )


def ran(*sidecars: Artifact) -> Any:
    """Return as much of a finished run as the reports are found by."""
    return SimpleNamespace(pool=SimpleNamespace(sidecars=sidecars), arms={})


def sidecar(name: str, folder: Path | None) -> Artifact:
    digest = folder_digest(folder) if folder else None
    return Artifact(name, {"name": "distill", "fitted": digest}, ())


def test_a_report_is_found_by_what_was_learned_and_not_by_its_name_alone(tmp_path: Path):
    store = Store(tmp_path)
    fitted(store, "betr", json.dumps({"auc": 0.6}), seed=1)  # of another run in the same store
    own = fitted(store, "betr", json.dumps({"auc": 0.9}), seed=2)
    found = learned_of(ran(sidecar("score.betr", own)), store)

    assert [(one.score, one.scorer, one.report) for one in found] == [
        ("betr", "distill", {"auc": 0.9})
    ]


def test_scores_that_learned_nothing_and_other_sidecars_have_none(tmp_path: Path):
    store = Store(tmp_path)
    own = fitted(store, "x", "{}")

    assert learned_of(ran(sidecar("score.letters", None), sidecar("tokens", own)), store) == ()


def test_a_damaged_report_is_passed_over(tmp_path: Path):
    store = Store(tmp_path)
    damaged = [fitted(store, name, text) for name, text in (("a", "{"), ("b", "[1]"))]
    sidecars = [sidecar(f"score.{n}", f) for n, f in zip("ab", damaged, strict=True)]

    assert learned_of(ran(*sidecars), store) == ()
