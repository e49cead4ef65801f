"""ProX's programs, written by rules: lines that sites put on every page go.

ProX (Zhou et al. 2024, arXiv:2409.17115) has a small language model write them; see `prox_model`
for that, `prox_learned` for a refiner taught by another, `prox_replay` for programs from elsewhere.
Rules are the teacher that costs nothing, and what a model has to beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from curator.errors import RecipeError
from curator.recipe import suggestion
from curator.refine.edited import Editing
from curator.refine.line_rules import DEFAULT, KINDS, noise_of
from curator.refine.lined import lines_of, removing
from curator.refine.refiner import Refined


@dataclass(frozen=True)
class Prox(Editing):
    """Removes noise lines by rules.

    Attributes:
        kinds: of `curator.refine.line_rules.KINDS`, which lines go.
    """

    kinds: tuple[str, ...] = DEFAULT

    name: ClassVar[str] = "prox"
    libraries: ClassVar[tuple[str, ...]] = ("polars",)

    def __post_init__(self) -> None:
        """Refuse kinds that there are not."""
        super().__post_init__()
        if not self.kinds:
            raise RecipeError(f"kinds=[]; wanted one or more of {[*KINDS]}")
        for kind in self.kinds:
            if kind not in KINDS:
                raise RecipeError(f"no kind {kind!r} of lines{suggestion(kind, KINDS)}")

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents without their noise."""
        lined = lines_of(table["text"])
        found = noise_of(lined, self.kinds)
        return self.edited(table, removing(lined, found.kinds >= 0, further=found.parts))
