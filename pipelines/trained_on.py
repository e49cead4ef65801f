"""A model that was trained on documents must not judge them: it has seen what it is asked about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.mix.reader import INDEX_FILE, NOTES_FILE
from curator.shards import read_shard
from pipelines.pool import Pool

RUN = "run.json"
ORDER = "order.arrow"


def require_apart(name: str, folder: Path, pool: Pool) -> None:
    """Refuse a proxy of ours that was trained on documents of the pool.

    Its run knows rows of a mixture, which is looked for beside it in the store where it was made.
    Of a run that was moved, and of other models, nothing is known.

    Raises:
        RecipeError: it was.
    """
    read = documents_of(folder)
    if read is None:
        return
    common = sum(
        pc.sum(pc.is_in(table["doc_id"], read)).as_py() or 0
        for table in pool.learning().tables(("doc_id",))
    )
    if common:
        raise RecipeError(
            f"model {name!r} ({folder}) was trained on {common:,} of the pool's documents, which "
            "it would then find easier than they are; give `train` instead of `path`, so that what "
            "it reads leaves the pool",
            where="models",
        )


def documents_of(folder: Path) -> pa.Array | None:
    """Return the ids of what a proxy was trained on, None where nothing tells."""
    mixture = _noted(folder / RUN).get("mixture")
    draw = mixture.get("draw_hash") if isinstance(mixture, dict) else None
    if draw is None:
        return None
    for notes in sorted(folder.parent.glob(f"*/{NOTES_FILE}")):
        if _noted(notes).get("draw_hash") == draw:
            index = read_shard(notes.with_name(INDEX_FILE), ("doc_id",))["doc_id"]
            order = folder / ORDER
            if not order.is_file():
                return pc.unique(index)
            rows = np.unique(read_shard(order, ("row",))["row"].to_numpy())
            return pc.unique(index.take(pa.array(rows)))
    return None


def _noted(path: Path) -> dict[str, Any]:
    """Return what a file of ours says; nothing where there is none, or another program's."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):  # ValueError: no JSON, or no text
        return {}
    return found if isinstance(found, dict) else {}
