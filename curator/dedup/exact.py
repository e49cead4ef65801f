"""Exact duplicates: documents whose normalized texts are equal, by a 128-bit hash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from curator.dedup.survivors import LONGEST, Survivors, removals, segment_heads, segment_starts
from curator.stage import WideStage
from curator.text.normalized import normalized_hash


@dataclass(frozen=True)
class ExactDuplicates(WideStage):
    """Removes every document whose words and symbols, in order, are those of a better survivor.

    "Equal" is what `curator.text.normalized` says: case, accents, spacing and punctuation do not
    count. About 60 bytes a document are shuffled.
    """

    name: ClassVar[str] = "dedup.exact"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    survivors: Survivors = LONGEST

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the policy
        """What the hash and the policy look at."""
        return self.survivors.reads

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        """Return one row a document: both halves of its hash and where it stands among copies."""
        hashes = normalized_hash(table["text"])
        return pa.table(
            {
                "key": pa.array(np.ascontiguousarray(hashes[:, 0])),
                "check": pa.array(np.ascontiguousarray(hashes[:, 1])),
                **self.survivors.standing(table),
            }
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        """Return `REMOVALS`: all rows of a hash but the first, in favor of the first."""
        first = segment_starts(partition["key"].to_numpy(), partition["check"].to_numpy())
        dropped = np.flatnonzero(~first)
        ones = np.ones(len(dropped))
        kept = segment_heads(first)[dropped]
        return removals(partition, dropped, kept, "exact", jaccard=ones, containment=ones)
