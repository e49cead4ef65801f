"""Run folders: with only what commands on finished runs read, and of a small run that was made."""

from __future__ import annotations

import json
from pathlib import Path

from bench.trial import recipe
from curator.engine.run import Inline
from curator.ledger import Store
from pipelines.check import checked
from pipelines.running import execute

BITS = {"web": [1.0, 1.1], "exam/test": [2.0, 2.1]}


def run_record(**changes) -> dict:
    """Return the record of a run with two arms, each measured from two seeds on two texts."""
    proxies = [
        {"seed": seed, "tokens": 100, "precision": "float32", "status": "finished", "proxy": "d2"}
        for seed in (1, 2)
    ]
    arm = {"proxies": proxies, "evaluation": BITS}
    return {
        "out": "out", "store": "/nowhere", "recipe_content": {}, "stages": [],
        "artifacts": dict.fromkeys(("corpus", "decisions", "sidecars", "pool")), "comparison": [],
        "arms": {"random": arm, "sim": arm}, "baseline": "random",
        "texts": dict.fromkeys(BITS, "t"),
        "tokenizer": "/nowhere/tokenizer.json", "tokenizer_digest": "b" * 32,
        "stands_on": {"artifacts": [], "folders": []},
        **changes,
    }  # fmt: skip


def write_run(folder: Path, **changes) -> Path:
    """Return the folder, in which `run_record` lies as run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run_record(**changes)))
    return folder


def small_run(files: Path, store: Path, out: Path, *, tokens=1000, corpus=None, **changes) -> Path:
    """Return the folder of a run over JSON lines: one score, one arm, nothing trained."""
    sections = {
        "score": [{"use": "letters"}],
        "arms": {"random": {"select": {"method": "random", "tokens": tokens}}},
        "baseline": None,
        "train": None,
        "evaluate": None,
    }
    content = recipe(files, **(sections | changes))
    content["corpus"] |= corpus or {}
    execute(checked(content, "trial"), Store(store), Inline(1), out, quiet=True)
    return out
