"""Lines dropped by chance: what a refiner that removes lines has to beat.

An arm whose refiner is wrong about lines can still gain by being shorter text of the same
documents. `placebo: true` of a refiner that edits drops exactly as many lines of each document as
it would; this one drops a rate of them, whatever a refiner would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import pyarrow as pa

from curator.errors import RecipeError
from curator.refine.edited import Editing
from curator.refine.lined import chance_of, lines_of, removing
from curator.refine.refiner import Refined

_PURPOSE: Final = "prox.drop_lines"


@dataclass(frozen=True)
class DropLines(Editing):
    """Drops lines that are not blank, by chance of each.

    Attributes:
        rate: of them, above 0 and below 1. Of text with `plant` at rate r, r / (1 + r) is noise.
    """

    rate: float = 0.1

    name: ClassVar[str] = "drop_lines"

    def __post_init__(self) -> None:
        """Refuse a rate that drops nothing or everything."""
        super().__post_init__()
        if not 0.0 < self.rate < 1.0:
            raise RecipeError(f"rate={self.rate!r}; wanted above 0 and below 1")

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents without some of their lines."""
        lined = lines_of(table["text"])
        chance = chance_of(lined, table["doc_id"], _PURPOSE, self.seed)
        return self.edited(table, removing(lined, (chance < self.rate) & ~lined.blank))
