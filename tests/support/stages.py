"""Small stages whose faults are on purpose; importable in workers of any engine."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.rewrite import Rewriter
from curator.schema import DECISION, score_field
from curator.stage import Scorer, Stage, WideStage


@dataclass(frozen=True)
class Length(Scorer):
    """Characters of each text."""

    name: ClassVar[str] = "length"
    writes: ClassVar[pa.Schema] = pa.schema([score_field("length", unit="characters")])

    def score(self, model: None, table: pa.Table) -> pa.Table:
        return pa.table({"length": pc.utf8_length(table["text"]).cast(pa.float32())})


@dataclass(frozen=True)
class DropShort(Stage):
    """Drops texts of fewer than `least` characters."""

    name: ClassVar[str] = "dropshort"
    writes: ClassVar[pa.Schema] = DECISION
    least: int = 10

    def process(self, model: None, table: pa.Table) -> pa.Table:
        keep = pc.greater_equal(pc.utf8_length(table["text"]), self.least)
        reason = pc.if_else(keep, pa.scalar(None, pa.string()), pa.scalar("short"))
        return pa.table({"keep": keep, "reason": reason})


@dataclass(frozen=True)
class Slow(Length):
    """Takes `seconds` a shard, so that a test can kill it at work."""

    name: ClassVar[str] = "slow"
    seconds: float = 0.3

    def score(self, model: None, table: pa.Table) -> pa.Table:
        time.sleep(self.seconds)
        return super().score(model, table)


@dataclass(frozen=True)
class Suicidal(Length):
    """Kills its own worker as often as `times` says; counts in files under `folder`."""

    name: ClassVar[str] = "suicidal"
    folder: str = ""
    times: int = 1

    def score(self, model: None, table: pa.Table) -> pa.Table:
        deaths = len(list(Path(self.folder).iterdir()))
        if deaths < self.times:
            (Path(self.folder) / f"death-{deaths}-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(model, table)


@dataclass(frozen=True)
class LosesARow(Length):
    """Breaks the contract: one row fewer than documents."""

    name: ClassVar[str] = "loses"

    def score(self, model: None, table: pa.Table) -> pa.Table:
        return super().score(model, table).slice(1)


@dataclass(frozen=True)
class Raises(Length):
    """Fails like careless code does."""

    name: ClassVar[str] = "raises"

    def score(self, model: None, table: pa.Table) -> pa.Table:
        raise KeyError("poison")


@dataclass(frozen=True)
class SameFirstLetter(WideStage):
    """Counts the documents that begin alike: (letter, count, smallest row)."""

    name: ClassVar[str] = "firstletter"
    reads: ClassVar[tuple[str, ...]] = ("text", "row")

    def emit(self, model: None, table: pa.Table) -> pa.Table:
        letter = pc.utf8_slice_codeunits(table["text"], 0, 1)
        code = np.array([ord(one) if one else 0 for one in letter.to_pylist()], dtype=np.uint64)
        spread = code * np.uint64(0x9E3779B97F4A7C15)  # to all key ranges
        return pa.table({"key": spread, "letter": letter.cast(pa.string()), "row": table["row"]})

    def reduce(self, partition: pa.Table) -> pa.Table:
        grouped = partition.group_by("letter").aggregate([("row", "count"), ("row", "min")])
        return grouped.rename_columns(["letter", "count", "row"])


@dataclass(frozen=True)
class FirstOfItsLetter(SameFirstLetter):
    """Names the first document of each letter."""

    name: ClassVar[str] = "firstofitsletter"

    def reduce(self, partition: pa.Table) -> pa.Table:
        return super().reduce(partition).select(["row", "letter"])


def others_dropped(n_rows: int, reduced: pa.Table) -> pa.Table:
    """Drops the documents that `FirstOfItsLetter` does not name."""
    rows = reduced["row"].to_numpy() & np.uint64((1 << 40) - 1)
    keep = np.isin(np.arange(n_rows), rows.astype(np.int64))
    reason = pc.if_else(pa.array(keep), pa.scalar(None, pa.string()), pa.scalar("seen"))
    return pa.table({"keep": keep, "reason": reason})


@dataclass(frozen=True)
class Shout(Rewriter):
    """Writes texts with an "a" in capitals; of those that begin with "x" nothing is left."""

    name: ClassVar[str] = "shout"
    notes: ClassVar[pa.Schema] = pa.schema([pa.field("letters", pa.int64())])

    def rewrite(self, model: None, table: pa.Table) -> pa.Table:
        texts = table["text"].to_pylist()
        made = ["" if t.startswith("x") else t.upper() if "a" in t else None for t in texts]
        counts = [text.count("a") for text in texts]
        return pa.table({"text": pa.array(made, pa.large_string()), "letters": counts})
