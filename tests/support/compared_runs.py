"""Folders of runs as far as their records and tokenizers are read, without any weights in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ALIKE: dict[str, dict[str, Any]] = {"full": {}, "short": {"context": 8}, "early": {"tokens": 250}}


def run(folder: Path, *, tokens: int = 1000, context: int = 256, tokenizer: str = "one") -> str:
    """Write what names a run and says what it read; return its folder."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"tokens": tokens, "proxy": {"context": context}}))
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "model.safetensors").write_text(folder.name)
    return str(folder)


def runs(folder: Path, **changed: dict[str, Any]) -> tuple[str, ...]:
    """Return three runs that fit together, but for what is changed: full, short, early."""
    return tuple(
        run(folder / name, **{**each, **changed.get(name, {})}) for name, each in ALIKE.items()
    )
