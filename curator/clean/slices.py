"""The slice of the pool that one stage of a run may choose from, and what no stage trains on.

A document's place is its own chance, the same for equal ids, so that slices are disjoint whatever
the layout of the pool: a run that reads one slice a stage meets no document twice. Documents that
are only probed lie outside all slices: one whose influence was measured and that is then trained
on would count twice (MATES probes a hold-out for that).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.schema import DECISION
from curator.stage import Stage

OTHER_STAGE = "other_stage"


@dataclass(frozen=True)
class TakeSlice(Stage):
    """Keeps documents by their chance: probed ones, those of a slice, or both.

    Attributes:
        probed: share of all documents that no slice has, in [0, 1).
        low: where the slice begins, as a share of the other documents, in [0, 1].
        high: where it ends; `low`: it has none.
        with_probed: whether the probed documents are kept as well.
        seed: of chance.
    """

    name: ClassVar[str] = "slice"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("doc_id",)
    writes: ClassVar[pa.Schema] = DECISION

    probed: float
    low: float = 0.0
    high: float = 0.0
    with_probed: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse shares that cut nothing."""
        if not (0 <= self.probed < 1 and 0 <= self.low <= self.high <= 1):
            raise RecipeError(
                f"probed {self.probed!r}, slice from {self.low!r} to {self.high!r}; wanted shares "
                "of the pool, the slice's end not before its beginning"
            )

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return keep and reason of each document."""
        ids = id_matrix(table["doc_id"])
        set_aside = uniform(ids, "staged.probed", self.seed) < self.probed
        place = uniform(ids, "staged.slice", self.seed)
        inside = ~set_aside & (place >= self.low) & (place < self.high)
        keep = inside | (set_aside & self.with_probed)
        reasons = pc.if_else(pa.array(keep), pa.scalar(None, pa.string()), OTHER_STAGE)
        return pa.table([pa.array(keep), reasons], schema=DECISION)
