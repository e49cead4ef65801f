"""Bad text that is known to be bad: a share of the stretches of documents, written in capitals.

What a method is told by a trait can then be held to what was planted. Nothing is lost: what was
written so is in the account of each document.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.refine.tags import joined, stretch_ids
from curator.text.stretches import By, cut


@dataclass(frozen=True)
class PlantedCapitals(Refiner):
    """Writes a share of stretches in capitals.

    Attributes:
        bad_share: of the stretches, by chance of each.
        by: what is chosen: a "sentence", a "line" or a "document".
        seed: of chance.
    """

    name: ClassVar[str] = "planted_capitals"
    kind = "edited"

    bad_share: float = 0.3
    by: By = "sentence"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what plants nothing or everything.

        Raises:
            RecipeError: naming the setting.
        """
        if not 0 < self.bad_share < 1:
            raise RecipeError(f"bad_share is {self.bad_share!r}; it is a share between 0 and 1")
        if self.by not in ("sentence", "line", "document"):
            raise RecipeError(f"by is {self.by!r}; wanted 'sentence', 'line' or 'document'")

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents with some stretches in capitals."""
        stretches = cut(table["text"], self.by)
        ids = stretch_ids(id_matrix(table["doc_id"]), stretches.rows)
        chosen = uniform(ids, "planted.capitals", self.seed) < self.bad_share
        texts = pc.if_else(pa.array(chosen), pc.utf8_upper(stretches.texts), stretches.texts)
        rows = table.num_rows
        counts = np.bincount(stretches.rows, minlength=rows)
        planted = np.bincount(stretches.rows, chosen, rows).astype(np.int64)
        children = joined(stretches.rows, texts, counts)
        about = [json.dumps({"planted": int(planted[row])}) for row in children["row"].to_pylist()]
        outcome = outcome_of([True] * rows, [None] * rows)
        return Refined(children_of(children["row"].to_numpy(), children["text"], about), outcome)
