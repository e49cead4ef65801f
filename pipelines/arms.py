"""An arm: one selection from the view, one mixture from the selection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curator.arm_spec import ArmSpec
from curator.engine.driver import Driver
from curator.ledger import Artifact
from curator.select.manifest import manifest_hash
from curator.select.selector import VERSION, select
from curator.select.spec import SelectSpec, parse_select
from curator.shards import Shard, read_shard, write_shard
from pipelines.placebos import made_in_turn
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


def select_arms(
    arms: Mapping[str, ArmSpec], viewed: Artifact, seed: int, tokens: Tokens, driver: Driver
) -> dict[str, Selected]:
    """Return what each arm takes; a placebo is drawn after the arm that it is of."""
    specs = {name: parse_select(arm.select, seed=seed) for name, arm in arms.items()}
    of = {name: spec.of for name, spec in specs.items() if spec.of}
    made: dict[str, Selected] = {}
    for name in made_in_turn(list(arms), of):
        beside = made[of[name]] if name in of else None
        made[name] = select_arm(name, specs[name], beside, viewed, tokens, driver)
    return {name: made[name] for name in arms}


def select_arm(
    name: str,
    spec: SelectSpec,
    of: Selected | None,
    viewed: Artifact,
    tokens: Tokens,
    driver: Driver,
) -> Selected:
    """Return the documents an arm takes, chosen once for these scores and this spec."""

    def make(out: Path) -> None:
        taken = read_shard(of.shard) if of else None
        chosen = select(lazy(viewed), spec, directions(viewed), of=taken)
        write_shard(chosen.table, out / "selection.arrow", name="selection")
        content = chosen.summary() | {"manifest_hash": manifest_hash(chosen.table, tokens.digest)}
        (out / "selection.json").write_text(json.dumps(content, indent=1))

    identity = {
        "version": VERSION,
        "pool": viewed.digest,
        "tokenizer": tokens.digest,
        # What it is of is named by what that took, not by what a recipe calls it.
        "spec": spec.identity() | {"of": of.manifest_hash if of else ""},
    }
    folder = driver.folder("selection", identity, make)
    summary = json.loads((folder / "selection.json").read_text())
    return Selected(name, spec, folder_shard(folder, "selection"), summary)
