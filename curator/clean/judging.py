"""Cleaning's verdict as one stage over the sidecar of statistics: it reads no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator.clean.measuring import Measure
from curator.clean.rules import RuleSet, columns_of, failures, groups_of, reads_edited
from curator.schema import DECISION
from curator.stage import Stage

_ALWAYS_EDITED = ("fineweb",)  # sets whose statistics of the edited text are always taken


@dataclass(frozen=True)
class Judge(Stage):
    """Keeps documents of one language that pass the published rules.

    Attributes:
        language: as lid.176 names it ("en"); None: every language.
        min_language_probability: in [0, 1]; FineWeb asks 0.65 (arXiv:2406.17557, section 3.3).
        rules: applied in order; the first that fails is the reason. The text itself stays as it
            is: sets after `c4` see it as C4 edits it, and nobody else does.
    """

    name: ClassVar[str] = "clean"
    writes: ClassVar[pa.Schema] = DECISION

    language: str | None = "en"
    min_language_probability: float = 0.65
    rules: tuple[RuleSet, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        """The statistics that the rules look at."""
        language = ("language", "language_probability") if self.language else ()
        return tuple(dict.fromkeys((*language, *columns_of(self.rules))))

    def measure(self, groups: Sequence[str] = ()) -> Measure:
        """The stage that takes what these rules look at, and the groups besides."""
        wanted = {*groups, *groups_of(self.rules)}
        edited = any(name not in _ALWAYS_EDITED for name in reads_edited(self.rules))
        identified = self.language is not None or "fineweb2" in wanted
        return Measure(identified, tuple(sorted(wanted)), edited)

    def failures(self) -> list[tuple[str, pl.Expr]]:
        """(reason, true where a document fails) in the order in which they are applied."""
        found = failures(self.rules)
        if not self.language:
            return found
        other = pl.col("language").eq_missing(self.language).not_()
        unsure = pl.col("language_probability") < self.min_language_probability
        return [("language", other), ("language_probability", unsure), *found]

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """One row a document: keep, reason."""
        frame = pl.DataFrame(pl.from_arrow(table))
        reasons = [pl.when(fails).then(pl.lit(reason)) for reason, fails in self.failures()]
        nothing = pl.repeat(None, table.num_rows, dtype=pl.String)
        found = frame.select(pl.coalesce([*reasons, nothing]).alias("reason"))["reason"]
        reason = found.to_arrow().cast(pa.string())
        return pa.table([pc.is_null(reason), reason], schema=DECISION)
