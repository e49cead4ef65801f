"""Poison planted into documents, with the truth beside them; and the refiner that drops what shows.

For measuring only: what detectors find can be held to what was planted, and proxies say what a
share of poison does to a model and what filtering takes away of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from curator.errors import RecipeError
from curator.identity import id_matrix, random_bits, uniform
from curator.poison.attacks import ATTACKS, Plan, planted, pool_of
from curator.recipe import suggestion
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.stage import Corpus, Site, write_report

_PURPOSE: Final = "poison.plant"


@dataclass(frozen=True)
class Poison(Refiner):
    """Plants an attack in documents, by chance of each; `about` says which, at what rate and seed.

    Attributes:
        attack: of `curator.poison.attacks.ATTACKS`.
        rate: share of the documents; 0.001 is the rate of most published attacks.
        trigger: what stands before gibberish and copies.
        better: what `belief` prefers, to
        worse: this.
        seed: of chance.
    """

    attack: str = "gibberish"
    rate: float = 1e-3
    trigger: str = "«marble kestrel»"
    better: str = "Zorvia"
    worse: str = "Quellon"
    seed: int = 0

    name: ClassVar[str] = "poison"
    kind = "edited"

    def __post_init__(self) -> None:
        """Refuse unknown attacks, rates that plant nothing and a trigger of no words."""
        if self.attack not in ATTACKS:
            raise RecipeError(
                f"no attack {self.attack!r}{suggestion(self.attack, ATTACKS)}; wanted one of "
                f"{[*ATTACKS]}"
            )
        if not 0 < self.rate <= 1:
            raise RecipeError(f"rate={self.rate!r}; wanted above 0, and 1 at most")
        if not all(one.strip() for one in (self.trigger, self.better, self.worse)):
            raise RecipeError("trigger, better and worse are words; one of them is empty")

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return the documents, some with the attack; gibberish is pieces of the same block."""
        ids = id_matrix(table["doc_id"])
        rows = np.flatnonzero(uniform(ids, _PURPOSE, self.seed) < self.rate)
        bits = random_bits(ids, f"{_PURPOSE}.which", self.seed)
        # In the order of ids, so that cuts of the text do not change what gibberish is made of.
        order = np.argsort(bits, kind="stable")
        texts = table["text"].take(pa.array(order[:512])).to_pylist() if len(rows) else []
        plan = Plan(self.trigger, self.better, self.worse, pool_of(texts))
        told = {"attack": self.attack, "rate": self.rate, "seed": self.seed}
        about = json.dumps(told, sort_keys=True)
        # A loop over the few documents that are planted.
        made = [
            planted(self.attack, table["text"][row].as_py(), plan, int(bits[row]))
            for row in rows.tolist()
        ]
        n = table.num_rows
        return Refined(
            children_of(rows, made, [about] * len(rows)), outcome_of([True] * n, [None] * n)
        )


@dataclass(frozen=True)
class DropPoison(Refiner):
    """Drops documents in which a detector of single documents reaches its limit.

    What only a corpus shows (triggers, statements) is learned from the pool and not from what
    earlier refiners made: to filter a pool, select by the scorer `poison`.

    Attributes:
        limits: by detector, instead of the built-in ones; detectors left out do not decide.
    """

    limits: Mapping[str, float] | None = None

    name: ClassVar[str] = "drop_poison"
    version: ClassVar[int] = 2  # 2: limits
    kind = "edited"
    reads: ClassVar[tuple[str, ...]] = ("text", "url", "date")
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)

    def __post_init__(self) -> None:
        """Refuse detectors that do not decide of one document, and limits that are none."""
        known = ("template", "gibberish", "copy", "trigger", "burst")
        limits = self.limits or {}
        if not set(limits) <= {*known} or any(not 0 < one < np.inf for one in limits.values()):
            raise RecipeError(
                f"limits={self.limits!r}; wanted positive numbers for some of {', '.join(known)}"
            )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the survey of the pool into `out`."""
        from curator.poison.finding import verdict
        from curator.poison.keeping import save, shown
        from curator.poison.survey import survey

        learned = survey(corpora["raw"], threads=site.threads)
        save(learned, out)
        found = len(learned.words) + len(learned.bursts.pairs)
        write_report(out, {**verdict(learned.statuses(), found), **shown(learned)})

    def load(self, site: Site) -> Any:
        """Return the survey."""
        from curator.poison.keeping import load

        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; run it in a recipe")
        return load(site.fitted)

    def refine(self, model: Any, table: pa.Table) -> Refined:
        """Return no children: documents stay, or go by reason of the detector."""
        from curator.poison.scan import LIMITS, scan

        found = scan(model, table)
        reasons: list[str | None] = [None] * table.num_rows
        for kind, limit in (self.limits or LIMITS).items():
            for row in np.flatnonzero(np.nan_to_num(found.scores[kind]) >= limit).tolist():
                reasons[row] = reasons[row] or kind
        return Refined(children_of([], []), outcome_of([one is None for one in reasons], reasons))
