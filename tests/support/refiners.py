"""Refiners for tests: each does one thing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import BudgetError
from curator.generate.client import Cost
from curator.identity import id_matrix, uniform
from curator.refine.refiner import Refined, Refiner, children_of, outcome_of
from curator.stage import Corpus, Site


def _whole(table: pa.Table) -> pa.Table:
    return outcome_of([True] * table.num_rows, [None] * table.num_rows)


@dataclass(frozen=True)
class Shout(Refiner):
    """Writes a share of the documents in capitals."""

    name: ClassVar[str] = "shout"
    kind = "edited"

    share: float = 1.0

    def refine(self, model: Any, table: pa.Table) -> Refined:
        chosen = uniform(id_matrix(table["doc_id"]), "shout", 0) < self.share
        rows = [row for row, taken in enumerate(chosen) if taken]
        texts = pc.utf8_upper(table["text"]).take(pa.array(rows, pa.int64()))
        return Refined(children_of(rows, texts.to_pylist()), _whole(table))


@dataclass(frozen=True)
class Echo(Refiner):
    """Makes several short documents of each, and refuses some."""

    name: ClassVar[str] = "echo"

    times: int = 2
    refuses: str = ""
    max_requests: int = 1_000_000

    def refine(self, model: Any, table: pa.Table) -> Refined:
        rows, texts, about, also, reasons = [], [], [], [], []
        for row, text in enumerate(table["text"].to_pylist()):
            bad = bool(self.refuses) and self.refuses in text
            reasons.append("echo.refused" if bad else None)
            for number in range(0 if bad else self.times):
                rows.append(row)
                texts.append(f"{number} {text[:200]}")
                about.append(json.dumps({"number": number}))
                also.append([row - 1] if row else None)
        outcome = outcome_of([False] * table.num_rows, reasons)
        return Refined(children_of(rows, texts, about, also), outcome)

    def cost(self, model: Any, table: pa.Table) -> Cost:
        return Cost(self.times * table.num_rows, 0)

    def afford(self, cost: Cost) -> None:
        if cost.requests > self.max_requests:
            raise BudgetError(f"{cost.requests} requests; max_requests is {self.max_requests}")


@dataclass(frozen=True)
class Sign(Refiner):
    """Puts a score and what was learned under each text."""

    name: ClassVar[str] = "sign"
    kind = "edited"
    learns_from = ("target",)

    by: str = "letters"

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("text", self.by)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        (out / "n").write_text(str(corpora["target"].rows))

    def load(self, site: Site) -> str:
        assert site.fitted is not None
        return (site.fitted / "n").read_text()

    def refine(self, model: Any, table: pa.Table) -> Refined:
        pairs = zip(table["text"].to_pylist(), table[self.by].to_pylist(), strict=True)
        texts = [f"{text}\n{score:.3f} of {model}" for text, score in pairs]
        return Refined(children_of(range(table.num_rows), texts), _whole(table))


@dataclass(frozen=True)
class Broken(Refiner):
    """Breaks the contract in the way that it is told."""

    name: ClassVar[str] = "broken"
    kind = "edited"

    how: str = "outcomes"

    def refine(self, model: Any, table: pa.Table) -> Refined:
        n = table.num_rows
        kept = self.how != "unsaid"
        outcome = outcome_of([kept] * n, [None] * n)
        if self.how == "outcomes":
            return Refined(children_of([], []), outcome.slice(1))
        if self.how == "bytes":
            raw = pa.array([b"\xff\xfe"], pa.large_binary()).view(pa.large_string())
            return Refined(children_of([0], raw), outcome)
        if self.how == "surrogate":
            return Refined(children_of([0], ["half \ud800"]), outcome)
        rows = {"row": [n], "twice": [0, 0], "unsaid": [], "blank": [0]}[self.how]
        texts = [" \n" if self.how == "blank" else f"new {k}" for k in range(len(rows))]
        return Refined(children_of(rows, texts), outcome)


@dataclass(frozen=True)
class Half(Shout):
    """Writes about half of the documents in capitals."""

    share: float = 0.5


@dataclass(frozen=True)
class Leak(Refiner):
    """Writes a text beside a few documents, as a model might recall it."""

    name: ClassVar[str] = "leak"

    said: str = ""

    def refine(self, model: Any, table: pa.Table) -> Refined:
        rows = list(range(min(3, table.num_rows)))
        texts = [f"{row}. {self.said}" for row in rows]
        return Refined(children_of(rows, texts), _whole(table))


@dataclass(frozen=True)
class Same(Refiner):
    """Writes one text of every document, as a model that has collapsed."""

    name: ClassVar[str] = "same"

    def refine(self, model: Any, table: pa.Table) -> Refined:
        rows = range(table.num_rows)
        return Refined(children_of(rows, ["Always this."] * len(rows)), _whole(table))
