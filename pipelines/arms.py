"""An arm: one selection from the view, one mixture from the selection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curator.engine.driver import Driver
from curator.ledger import Artifact
from curator.recipe import ArmSpec
from curator.select.manifest import manifest_hash
from curator.select.selector import VERSION, select
from curator.select.spec import SelectSpec, parse_select
from curator.shards import Shard, write_shard
from pipelines.pool import folder_shard
from pipelines.selecting import directions, lazy
from pipelines.tokenizing import Tokens


@dataclass(frozen=True)
class Selected:
    """One arm's selection: rows in `shard`, its account in `summary`."""

    name: str
    spec: SelectSpec
    shard: Shard
    summary: Mapping[str, Any]

    @property
    def manifest_hash(self) -> str:
        """What names the set of chosen documents."""
        return str(self.summary["manifest_hash"])


def select_arm(
    name: str, arm: ArmSpec, viewed: Artifact, seed: int, tokens: Tokens, driver: Driver
) -> Selected:
    """Return the documents an arm takes, chosen once for these scores and this spec."""
    spec = parse_select(arm.select, seed=seed)

    def make(out: Path) -> None:
        chosen = select(lazy(viewed), spec, directions(viewed))
        write_shard(chosen.table, out / "selection.arrow", name="selection")
        content = chosen.summary() | {"manifest_hash": manifest_hash(chosen.table, tokens.digest)}
        (out / "selection.json").write_text(json.dumps(content, indent=1))

    identity = {
        "version": VERSION,
        "pool": viewed.digest,
        "tokenizer": tokens.digest,
        "spec": asdict(spec),
    }
    folder = driver.folder("selection", identity, make)
    summary = json.loads((folder / "selection.json").read_text())
    return Selected(name, spec, folder_shard(folder, "selection"), summary)
