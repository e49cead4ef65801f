"""A few documents of known addresses, and runs over them, to be opted out of."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.support.runs import small_run

_TEXT = "harbor ledger willow cinder meadow lantern thistle copper saddle winter anchor pepper"
WORDS = (_TEXT + " bridge mortar violet canyon timber pebble falcon garnet").split()
_PLAIN: dict[str, Any] = {
    "clean": {"language": None, "pii": {"email": "mask"}},
    "dedup": None, "benchmarks": {}, "decontaminate": None, "heldout": {},
    "tokenizer": {"bpe": 300},
}  # fmt: skip


def prose(seed: int, words: int = 60) -> str:
    """Return made-up prose; of other seeds no five words in a row are the same."""
    chance = random.Random(seed)
    drawn = (chance.choice(WORDS) for _ in range(words))
    return " ".join(f"{word}{seed}" if n % 3 == 0 else word for n, word in enumerate(drawn))


def write_documents(folder: Path, texts: dict[str, str]) -> Path:
    """Return a folder with a document for each URL, in two files; of source "web"."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        json.dumps({"text": text, "url": url, "source": "web", "id": str(n)}) + "\n"
        for n, (url, text) in enumerate(texts.items())
    ]
    for number in range(2):
        (folder / f"part-{number}.jsonl").write_text("".join(rows[number::2]))
    return folder


def plain_run(files: Path, store: Path, out: Path, *, corpus=None, **changes) -> Path:
    """Return the folder of a run over the documents: addresses masked, letters counted, mixed."""
    return small_run(
        files, store, out, corpus=_PLAIN | (corpus or {}), **({"tokens": 2000} | changes)
    )
