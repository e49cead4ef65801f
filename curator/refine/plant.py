"""Noise lines planted into documents, with the truth beside them; and the refiner that knows it.

What a refiner finds can be held to what was planted, line by line; and proxies say what noise costs
and what removing it gives back. Nothing is lost: `about` numbers the planted lines.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.identity import file_digest, pair_bits
from curator.recipe import suggestion
from curator.refine.edited import Editing
from curator.refine.lined import Lined, chance_of, lines_of, removing
from curator.refine.noise_lines import NOISE_KINDS, noise_line
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of

_PURPOSE: Final = "prox.plant"
_MOST_LINES: Final = 100_000  # of a file of noise


@dataclass(frozen=True)
class Plant(Refiner):
    """Puts noise lines before lines of documents, by chance of each.

    Attributes:
        rate: noise lines for each line that is not blank.
        kinds: of `curator.refine.noise_lines.NOISE_KINDS`, each as often as the others.
        lines: a text file of noise lines to draw from instead, UTF-8.
        seed: of chance.
    """

    rate: float = 0.1
    kinds: tuple[str, ...] = NOISE_KINDS
    lines: str = ""
    seed: int = 0

    name: ClassVar[str] = "plant"
    kind = "edited"

    def __post_init__(self) -> None:
        """Refuse rates that plant nothing, unknown kinds and a file without lines."""
        if not 0.0 < self.rate <= 1.0:
            raise RecipeError(f"rate={self.rate!r}; wanted above 0, and 1 at most")
        for kind in self.kinds:
            if kind not in NOISE_KINDS:
                raise RecipeError(f"no kind {kind!r} of noise{suggestion(kind, NOISE_KINDS)}")
        if not self.kinds:
            raise RecipeError("kinds=[]; wanted one or more")
        if self.lines:
            _ = self._given

    def identity(self) -> dict[str, Any]:
        """Return what names the work: a file of lines by its content."""
        named = super().identity()
        if self.lines:
            named["settings"]["lines"] = file_digest(self.lines)
        return named

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents with noise in them."""
        lined = lines_of(table["text"])
        planted = chance_of(lined, table["doc_id"], _PURPOSE, self.seed) < self.rate
        at = np.flatnonzero(planted & ~lined.blank)
        chance = chance_of(lined, table["doc_id"], f"{_PURPOSE}.which", self.seed)[at]
        bits = (chance * 2.0**52).astype(np.uint64)
        noise = [self._line(one) for one in bits.tolist()]  # a loop: each is a text to be made
        texts, truth = _with(lined, at, [text for _, text in noise])
        rows = np.unique(lined.rows[at])
        kinds = [kind for kind, _ in noise]
        owners = lined.rows[at]
        about = [
            _told(truth[row], kinds[slice(*np.searchsorted(owners, [row, row + 1]))])
            for row in rows.tolist()
        ]
        children = children_of(rows, texts.take(pa.array(rows)), about)
        return Refined(children, outcome_of([True] * table.num_rows, [None] * table.num_rows))

    def _line(self, bits: int) -> tuple[str, str]:
        """Return the kind and the text of a noise line."""
        if self.lines:
            return "given", self._given[bits % len(self._given)]
        mixed = int(pair_bits(np.array([bits]), np.array([self.seed]), _PURPOSE)[0])
        kind = self.kinds[bits % len(self.kinds)]
        return kind, noise_line(kind, mixed)

    @cached_property
    def _given(self) -> list[str]:
        path = Path(self.lines).expanduser()
        try:
            read = path.read_text("utf-8").split("\n")
        except (OSError, ValueError) as error:  # undecodable, or no path at all
            raise RecipeError(f"no file of lines {self.lines!r}: {error}") from None
        found = [line.strip() for line in read if line.strip()]
        if not 0 < len(found) <= _MOST_LINES:
            raise RecipeError(
                f"{self.lines!r} has {len(found):,} lines; wanted 1 to {_MOST_LINES:,}"
            )
        return found


@dataclass(frozen=True)
class Restore(Editing):
    """Removes what `plant` put in, by what it said of it: no refiner can do better.

    Documents that say nothing of planted lines stay as they are.
    """

    name: ClassVar[str] = "restore"

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents without planted lines."""
        lined = lines_of(table["text"])
        gone = np.zeros(len(lined.rows), np.bool_)
        told = table["about"].to_pylist() if "about" in table.column_names else []
        for row, about in enumerate(told):  # a loop: each is JSON of its own
            numbers = np.array(planted_lines(about), np.int64)
            gone[lined.offsets[row] + numbers] = True
        return self.edited(table, removing(lined, gone))


def planted_lines(about: str | None) -> list[int]:
    """Return the numbers of a document's planted lines, by what is said about it."""
    return list(json.loads(about).get("planted", [])) if about else []


def _with(
    lined: Lined, at: np.ndarray[Any, np.dtype[np.int64]], noise: list[str]
) -> tuple[pa.LargeStringArray, list[list[int]]]:
    """Return the documents with a noise line before each line of `at`, and their numbers there."""
    every = pa.concat_arrays([lined.texts, pa.array(noise, pa.large_string())])
    n = len(lined.rows)
    order = np.lexsort(
        (np.r_[np.ones(n), np.zeros(len(at))], np.r_[np.arange(n), at])
    )  # noise before the line that it was drawn for
    counts = np.diff(lined.offsets) + np.bincount(lined.rows[at], minlength=len(lined.offsets) - 1)
    offsets = np.r_[0, np.cumsum(counts)].astype(np.int64)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), every.take(pa.array(order)))
    places = np.flatnonzero(order >= n)
    owners = np.searchsorted(offsets, places, side="right") - 1
    numbers = places - offsets[owners]
    bounds = np.searchsorted(owners, np.arange(len(counts) + 1))
    truth = [numbers[a:b].tolist() for a, b in pairwise(bounds.tolist())]
    return pc.binary_join(lists, pa.scalar("\n", pa.large_string())), truth


def _told(numbers: list[int], kinds: list[str]) -> str:
    told = {"planted": numbers, "planted_kinds": dict(sorted(Counter(kinds).items()))}
    return json.dumps(told, sort_keys=True)
