"""Pools whose documents' losses under some models are given, as the engine would hand them over."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from curator.evaluate.losses import LossColumns
from curator.schema import conform
from curator.shards import write_shard
from curator.stage import Corpus
from curator.testing import documents


def loss_table(bits, *, tokens=100, size=400) -> pa.Table:
    """Return the columns of `losses` for (N, K) bits; NaN stands for no tokens, null for no row."""
    rows = [None if row is None else np.asarray(row, float).tolist() for row in bits]
    lists = [row and [None if np.isnan(one) else one for one in row] for row in rows]
    counts = np.broadcast_to(tokens, len(rows)).tolist()
    sizes = np.broadcast_to(size, len(rows)).tolist()
    table = pa.table(
        {
            "loss_bits": pa.array(lists, pa.list_(pa.float64())),
            "loss_tokens": pa.array(
                [row and [n] * len(row) for row, n in zip(rows, counts, strict=True)],
                pa.list_(pa.uint32()),
            ),
            "loss_bytes": pa.array(
                [row and n for row, n in zip(rows, sizes, strict=True)], pa.uint32()
            ),
        }
    )
    return conform(table, LossColumns.writes)


def pool(
    folder: Path, bits, *, sources: Sequence[str] | None = None, shards: int = 1, **sizes
) -> tuple[Corpus, pa.Table]:
    """Return a corpus with losses beside it, and the same as one table, in the order of `bits`."""
    losses = loss_table(bits, **sizes)
    count = losses.num_rows
    texts = documents([f"document {row} " + "word " * 70 for row in range(count)])
    if sources is not None:
        texts = texts.set_column(1, texts.schema.field("source"), pa.array(list(sources)))
    cuts = np.linspace(0, count, shards + 1).astype(int).tolist()
    written = [
        tuple(
            write_shard(table.slice(a, b - a), folder / f"{name}{n}.arrow", name=f"{name}{n}")
            for n, (a, b) in enumerate(itertools.pairwise(cuts))
        )
        for name, table in (("documents", texts), ("losses", losses))
    ]
    whole = pa.table(
        {
            **dict(zip(texts.column_names, texts.columns, strict=True)),
            **dict(zip(losses.column_names, losses.columns, strict=True)),
        }
    )
    return Corpus(written[0], beside=(written[1],)), whole
