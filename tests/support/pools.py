"""Pools, selections and encoded documents for tests: small, seeded, with real ids."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from curator.identity import document_ids
from curator.schema import SELECTION


def ids(texts, source="s"):
    return document_ids(source, pa.array(texts, type=pa.large_string())).to_pylist()


def pool(n=200, *, sources=("a", "b", "c"), seed=0, ties=False, nulls=0.1):
    """Return n documents with the score columns `score` (float64) and `loss` = -score."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n).round(1 if ties else 12)
    empty = rng.random(n) < nulls
    return pl.DataFrame(
        {
            "doc_id": pl.Series(ids([f"{seed} {i}" for i in range(n)]), dtype=pl.Binary),
            "source": rng.choice(list(sources), n),
            "tokens": pl.Series(rng.integers(1, 50, n), dtype=pl.UInt32),
            "score": [None if e else s for e, s in zip(empty, score.tolist(), strict=True)],
        }
    ).with_columns(loss=-pl.col("score"))


def selection(sizes, *, seed=0):
    """Return SELECTION rows: `sizes` maps a source to the token counts of its documents."""
    rows = [
        {"doc_id": doc_id, "source": source, "tokens": tokens, "copies": 1, "key": 0.0}
        for source, counts in sizes.items()
        for doc_id, tokens in zip(
            ids([f"{seed} {i}" for i in range(len(counts))], source), counts, strict=True
        )
    ]
    return pa.Table.from_pylist(rows, schema=SELECTION)
