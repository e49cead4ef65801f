"""A corpus with a label beside every document, as an earlier entry of a recipe would leave it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from curator.schema import score_field
from curator.shards import write_shard
from curator.stage import Corpus
from curator.testing import corpus

_GOOD = ("theorem", "lemma", "proof", "integral", "therefore", "hence")
_BAD = ("click", "buy", "cheap", "casino", "winner", "free")


def graded_texts(count: int, *, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Return texts of 12 words and the share of good words in each, of 0, 1/12, ..., 1."""
    chance = np.random.default_rng(seed)
    shares = chance.integers(0, 13, count) / 12
    texts = []
    for row, share in enumerate(shares):
        good = round(12 * share)
        drawn = [*chance.choice(_GOOD, good), *chance.choice(_BAD, 12 - good)]
        texts.append(" ".join([*chance.permutation(drawn), f"n{row}"]))
    return texts, shares


def labelled(
    folder: Path,
    texts: Sequence[str],
    labels: Sequence[float | None] | np.ndarray,
    *,
    better: str = "higher",
    name: str = "label",
    kind: pa.DataType | None = None,
    vectors: np.ndarray | None = None,
) -> Corpus:
    """Return the texts as a corpus of two shards with a sidecar of labels (None: unlabelled)."""
    whole = corpus(folder / "corpus", texts, shards=2)
    field = score_field(name, unit="share", better=better, kind=kind or pa.float64())
    columns = {name: pa.array(list(labels), field.type)}
    fields = [field]
    if vectors is not None:
        columns["vector"] = pa.array(list(vectors.astype(np.float16)), pa.list_(pa.float16()))
        fields.append(pa.field("vector", pa.list_(pa.float16())))
    table = pa.table(columns, schema=pa.schema(fields))
    beside, start = [], 0
    for number, shard in enumerate(whole.shards):
        part = table.slice(start, shard.rows)
        beside.append(write_shard(part, folder / f"beside-{number}.arrow", name=f"beside-{number}"))
        start += shard.rows
    return dataclasses.replace(whole, beside=(tuple(beside),))
