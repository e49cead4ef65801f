"""Words of a document left out or swapped with a neighbor by chance: rewriting without a model.

The negative control of WRAP (Maini et al. 2024, arXiv:2401.16380), where text augmented by words
gains nothing over repeating it; deletion and swap are two of the four operations of Wei and Zou
2019 (EDA, arXiv:1901.11196). Whatever an arm of rephrased text gains over this one, it does not
gain from seeing its documents a second time in a disturbed form.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import id_matrix, random_bits
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of

_WORD: Final = re.compile(r"\S+")
_PURPOSE: Final = "augment"


@dataclass(frozen=True)
class Augment(Refiner):
    """Makes a disturbed copy of each document: white space stays where it is, words change.

    Attributes:
        delete: share of the words that are left out, each by chance.
        swap: share of the words that change places with the next.
        seed: of the chance.
    """

    delete: float = 0.1
    swap: float = 0.1
    seed: int = 0

    name: ClassVar[str] = "augment"
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing, or change nothing."""
        if not (0 <= self.delete < 1 and 0 <= self.swap < 1) or self.delete == self.swap == 0:
            raise RecipeError(
                f"delete={self.delete!r}, swap={self.swap!r}; wanted shares from 0 to below 1, "
                "not both 0: else the copies are the documents"
            )

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return a copy of every document that has two words or more."""
        seeds = random_bits(id_matrix(table["doc_id"]), _PURPOSE, self.seed)
        texts = table["text"].to_pylist()
        made = [
            disturbed(text, np.random.default_rng(int(seed)), delete=self.delete, swap=self.swap)
            for text, seed in zip(texts, seeds, strict=True)  # a text's own stream of chance
        ]
        rows = [row for row, text in enumerate(made) if text is not None]
        about = json.dumps({"delete": self.delete, "swap": self.swap}, sort_keys=True)
        children = children_of(rows, [made[row] for row in rows], [about] * len(rows))
        reasons = [None if text is not None else "augment.short" for text in made]
        return Refined(children, outcome_of([True] * len(texts), reasons))


def disturbed(text: str, chance: np.random.Generator, *, delete: float, swap: float) -> str | None:
    """Return a text with words left out and swapped; None where it has fewer than two.

    A word that is left out takes the white space before it along. The first word stays.

    Args:
        text: any.
        chance: of the swaps, then of the deletions.
        delete: share of words to leave out.
        swap: share of words to change places with the next; a word moves once.
    """
    spans = [found.span() for found in _WORD.finditer(text)]
    n = len(spans)
    if n < 2:
        return None
    order = _swapped(chance.random(n) < swap)
    stays = chance.random(n) >= delete
    stays[0] = True
    before = [0, *(end for _, end in spans[:-1])]
    parts = [
        text[before[place] : spans[place][0]] + text[slice(*spans[order[place]])]
        for place in np.flatnonzero(stays).tolist()
    ]
    return "".join(parts) + text[spans[-1][1] :]


def _swapped(wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return which word stands at each place, if the words in `wanted` go one place on."""
    order = np.arange(len(wanted))
    place = 0
    while place + 1 < len(wanted):
        if wanted[place]:
            order[place], order[place + 1] = order[place + 1], order[place]
            place += 1
        place += 1
    return order
