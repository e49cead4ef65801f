"""Documents with vectors in clumps, and corpora of them, cut and ordered as a test likes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from curator.embed.encoder import unit
from curator.identity import document_ids
from curator.shards import write_shard
from curator.stage import Corpus
from tests.support.wide import cut


def clumped(
    n: int, seed: int, *, clumps: int = 6, spread: float = 0.15, dimensions: int = 8
) -> np.ndarray:
    """Unit vectors in clumps, as texts of a few topics would be, exact in half precision."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(clumps, dimensions))
    noise = rng.normal(size=(n, dimensions)) * spread
    vectors = unit((middles[rng.integers(clumps, size=n)] + noise).astype(np.float32))
    return vectors.astype(np.float16).astype(np.float32)


def embedded(vectors: np.ndarray, **columns: pa.Array | pa.ChunkedArray | list) -> pa.Table:
    """A table with doc_id, source, text and vector, and further columns."""
    texts = pa.array([f"text {row}" + " x" * (row % 40) for row in range(len(vectors))])
    return pa.table(
        {
            "doc_id": document_ids("test", texts),
            "source": pa.array([["a", "b"][row % 2] for row in range(len(vectors))]),
            "text": texts.cast(pa.large_string()),
            "vector": column(vectors),
            **columns,
        }
    )


def column(vectors: np.ndarray) -> pa.Array:
    """The vectors as `Embed` writes them: null for one of zeros."""
    rows = [row.astype(np.float16) if row.any() else None for row in vectors]
    return pa.array(rows, pa.list_(pa.float16()))


def corpus_of(table: pa.Table, folder: Path, shards: int = 1) -> Corpus:
    """The rows of a table as a corpus of neighboring shards."""
    return Corpus(
        tuple(
            write_shard(part, folder / f"{number}.arrow", name=str(number))
            for number, part in enumerate(cut(table, shards))
        )
    )


def shuffled(table: pa.Table, seed: int = 5) -> pa.Table:
    """The same rows in another order."""
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))


def by_id(table: pa.Table, values: pa.ChunkedArray) -> dict[bytes, object]:
    """Values by the id of their document."""
    return dict(zip(table["doc_id"].to_pylist(), values.to_pylist(), strict=True))
