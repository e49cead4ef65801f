"""Scorers that each break one clause of the contract."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.schema import score_field
from curator.stage import Scorer

_calls = itertools.count()


@dataclass(frozen=True)
class Sound(Scorer):
    """Keeps the contract: the others differ from it in one thing."""

    name: ClassVar[str] = "sound"
    writes: ClassVar[pa.Schema] = pa.schema([score_field("s", unit="characters")])

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        return pa.table({"s": pc.utf8_length(table["text"]).cast(pa.float32())})


@dataclass(frozen=True)
class Counting(Sound):
    def score(self, model: Any, table: pa.Table) -> pa.Table:
        return pa.table({"s": np.arange(table.num_rows, dtype=np.float32)})


@dataclass(frozen=True)
class Averaging(Sound):
    def score(self, model: Any, table: pa.Table) -> pa.Table:
        lengths = pc.utf8_length(table["text"]).to_numpy()
        return pa.table({"s": (lengths - lengths.mean()).astype(np.float32)})


@dataclass(frozen=True)
class Remembering(Sound):
    def score(self, model: Any, table: pa.Table) -> pa.Table:
        return pa.table({"s": np.full(table.num_rows, next(_calls), np.float32)})


@dataclass(frozen=True)
class Dropping(Sound):
    def score(self, model: Any, table: pa.Table) -> pa.Table:
        return super().score(model, table.filter(pc.greater(pc.utf8_length(table["text"]), 0)))


@dataclass(frozen=True)
class Unitless(Sound):
    writes: ClassVar[pa.Schema] = pa.schema([pa.field("s", pa.float32())])


@dataclass(frozen=True)
class Growing(Sound):
    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "object": str(id(self))}


@dataclass(frozen=True)
class NotANumber(Sound):
    def score(self, model: Any, table: pa.Table) -> pa.Table:
        return pa.table({"s": np.full(table.num_rows, np.nan, np.float32)})
