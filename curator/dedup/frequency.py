"""Runs of words that much of a pool has: phrases, licenses, boilerplate, not copies of an item.

GPT-3 ignored n-grams in more than 10 training documents (Brown et al. 2020, arXiv:2005.14165,
appendix C), which frees an item that was copied eleven times; BETR (arXiv:2507.12466, appendix B.2)
those that occur more than 10,000 times. Hence off unless asked for, and every one is logged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.dedup.benchmark_index import BenchmarkIndex
from curator.dedup.contamination import LooksUp
from curator.dedup.overlap import runs_of_each
from curator.shards import write_shard

COMMON: Final = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),  # of the first item that has the run
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("items", pa.uint32(), nullable=False),  # that have it
        pa.field("documents", pa.uint32(), nullable=False),  # of the pool that have it
        pa.field("text", pa.string(), nullable=False),  # as the item has it
    ],
    metadata={"curator.schema": "common-runs/1"},
)
_RUNS: Final = pa.schema([pa.field("runs", pa.list_(pa.uint32()))])


@dataclass(frozen=True)
class GuardedRuns(LooksUp):
    """Says which guarded runs each document has, by number: what frequencies are counted from."""

    name: ClassVar[str] = "decontaminate.runs"

    @property
    def writes(self) -> pa.Schema:
        """The distinct runs of each document."""
        return _RUNS

    def process(self, model: BenchmarkIndex, table: pa.Table) -> pa.Table:
        """Return the runs of each document, rising."""
        return pa.table([runs_of_each(model, table["text"])], schema=_RUNS)


def frequencies(index: BenchmarkIndex, shards: Iterable[pa.Table]) -> npt.NDArray[np.int64]:
    """Return in how many documents each run of the index stands, (runs,) int64."""
    counts = np.zeros(int(index.borders[-1]), np.int64)
    for table in shards:
        for chunk in table["runs"].chunks:
            counts += np.bincount(chunk.flatten().to_numpy(), minlength=len(counts))
    return counts


def write_without_common(
    index: BenchmarkIndex, counts: npt.NDArray[np.int64], most: int, folder: Path
) -> None:
    """Write the index without runs that more than `most` documents have, and a list of those.

    The list, common.arrow with the columns of `COMMON`, is in order of frequency.
    """
    common = counts > most
    index.without(common).save(folder)
    owners, items, documents, texts = [], [], [], []
    for runs, (low, high) in zip(index.runs, pairwise(index.borders.tolist()), strict=True):
        for at in np.flatnonzero(common[low:high]).tolist():  # few: each is a fault to look at
            first = runs.first[at]
            owners.append(int(runs.item[first]))
            items.append(len(np.unique(runs.item[first : runs.first[at + 1]])))
            documents.append(int(counts[low + at]))
            raw = index.items["text"][owners[-1]].as_py().encode()
            texts.append(raw[runs.start[first] : runs.end[first]].decode())
    named = index.items.select(["benchmark", "item_id"]).take(pa.array(owners, pa.int64()))
    columns = [*named.columns, pa.array(items), pa.array(documents), pa.array(texts, pa.string())]
    table = pa.table([c.cast(f.type) for c, f in zip(columns, COMMON, strict=True)], schema=COMMON)
    order = [("documents", "descending"), ("benchmark", "ascending"), ("text", "ascending")]
    write_shard(table.sort_by(order), folder / "common.arrow", name="common")
