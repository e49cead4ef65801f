"""Scores and selections as a report draws them: histograms with cuts, overlap between arms."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import pyarrow as pa

from curator.report import content as made
from curator.schema import field_note
from curator.select.manifest import shared_tokens
from curator.shards import Shard, read_shard
from pipelines.selecting import directions, lazy

if TYPE_CHECKING:
    from pipelines.curate import Curated

BINS = 40


def score_columns_of(curated: Curated) -> tuple[made.ScoreColumn, ...]:
    """Return a histogram of every score, over the pool and over what each arm took.

    Columns of lists or words, which a scorer may write beside its score, are not drawn.
    """
    if curated.viewed is None:
        return ()
    schema = read_shard(curated.viewed.shards[0]).schema
    frame = lazy(curated.viewed).with_columns(pl.col("doc_id").cast(pl.Binary))
    taken = {name: _ids(mixed.selected.shard) for name, mixed in curated.arms.items()}
    columns = []
    for name in directions(curated.viewed):
        if not _is_number(schema.field(name).type):
            continue
        values = frame.select("doc_id", pl.col(name).cast(pl.Float64).alias("value")).collect()
        known = values.drop_nulls()
        if not known.height:
            continue
        edges = _edges(known["value"].to_numpy())
        field = schema.field(name)
        columns.append(
            made.ScoreColumn(
                name=name,
                unit=field_note(field, "unit"),
                better=cast("made.Direction", _direction(field)),
                edges=tuple(edges.tolist()),
                pool=_histogram(known["value"].to_numpy(), edges),
                arms={
                    arm: _histogram(known.join(ids, on="doc_id")["value"].to_numpy(), edges)
                    for arm, ids in taken.items()
                },
                cuts=_cuts(name, curated, field),
                about=field_note(field, "about"),
                nulls=values.height - known.height,
            )
        )
    return tuple(columns)


def overlap_of(curated: Curated) -> made.Overlap | None:
    """Return how much of each arm's tokens each other arm took as well."""
    if len(curated.arms) < 2:
        return None
    taken = {
        name: read_shard(mixed.selected.shard, ("doc_id", "tokens"))
        for name, mixed in curated.arms.items()
    }
    shares = tuple(
        tuple(
            shared_tokens(one, other) / max(1, shared_tokens(one, one)) for other in taken.values()
        )
        for one in taken.values()
    )
    return made.Overlap(tuple(taken), shares)


def _ids(shard: Shard) -> pl.DataFrame:
    ids = read_shard(shard, ("doc_id",))["doc_id"].cast(pa.binary())
    return pl.DataFrame({"doc_id": pl.Series(ids, dtype=pl.Binary)})


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    )


def _direction(field: pa.Field) -> str:
    better = field_note(field, "better", "higher")
    return better if better in ("higher", "lower") else "neither"


def _edges(values: np.ndarray) -> np.ndarray:
    """Return bin borders over the middle 99.8 % of values: no outlier must flatten the rest."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.001, 0.999]) if len(finite) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _histogram(values: np.ndarray, edges: np.ndarray) -> tuple[int, ...]:
    """Return counts a bin; what lies outside the borders counts in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return tuple(counts.tolist())


def _cuts(name: str, curated: Curated, field: pa.Field) -> dict[str, float]:
    """Return the score at which each arm that cut by this column stopped taking documents."""
    sign = -1.0 if field_note(field, "better") == "lower" else 1.0
    cuts = {}
    for arm, mixed in curated.arms.items():
        spec, found = mixed.selected.spec, mixed.selected.summary["cuts"]
        if spec.by == name and spec.method in ("topk", "threshold") and len(found) == 1:
            cuts[arm] = sign * next(iter(found.values()))
    return cuts
