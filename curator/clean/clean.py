"""Cleaning as one stage: the text is read once for its statistics, its language and the verdict."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curator import weights
from curator.clean.language import identify, load_identifier
from curator.clean.rules import RuleSet, first_failure, reads_edited
from curator.clean.statistics import EDITED, STATISTICS, WHOLE, measure, measure_edited
from curator.schema import DECISION, score_field
from curator.stage import Site, Stage

LANGUAGE = pa.schema(
    [
        pa.field("language", pa.string()),
        score_field("language_probability", unit="probability", about="Of the named language."),
    ]
)


@dataclass(frozen=True)
class Clean(Stage):
    """Keeps documents of one language that pass the published rules.

    Attributes:
        language: as lid.176 names it ("en"); None: every language, and none is identified.
        min_language_probability: in [0, 1]; FineWeb asks 0.65 (arXiv:2406.17557, section 3.3).
        rules: applied in order; the first that fails is the reason. The text itself stays as it
            is: sets after `c4` see it as C4 edits it, and nobody else does.
    """

    name: ClassVar[str] = "clean"
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-community",)

    language: str | None = "en"
    min_language_probability: float = 0.65
    rules: tuple[RuleSet, ...] = ()

    @property
    def writes(self) -> pa.Schema:
        """The verdict, the language if asked for, every statistic."""
        fields = [*DECISION, *(LANGUAGE if self.language else []), *STATISTICS]
        return pa.schema([*fields, *self._edited_fields()])

    def identity(self) -> dict[str, Any]:
        """What names this work: also the tables of characters and the language model's digest."""
        extra: dict[str, Any] = {"unicode": unicodedata.unidata_version}
        if self.language:
            extra["lid.176"] = weights.digest(weights.find("lid.176"))
        return {**super().identity(), **extra}

    def load(self, site: Site) -> Any:
        """The language identifier; None if no language is asked for."""
        return load_identifier(weights.find("lid.176")) if self.language else None

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """One row a document: keep, reason, language, statistics."""
        texts = table["text"]
        measured = measure(texts)
        statistics = measured.table
        edited = self._edited_fields()
        if edited:
            more = measure_edited(measured.edited)
            for field in edited:
                statistics = statistics.append_column(field, more[field.name])
        if model is not None:
            found = identify(model, texts)
            statistics = statistics.append_column(LANGUAGE.field(0), found.language)
            statistics = statistics.append_column(LANGUAGE.field(1), found.probability)
        reason = self._reasons(statistics)
        columns = {"keep": pc.is_null(reason), "reason": reason}
        columns |= {name: statistics[name] for name in self.writes.names[2:]}
        return pa.table(columns, schema=self.writes)

    def _reasons(self, statistics: pa.Table) -> pa.Array:
        frame = pl.DataFrame(pl.from_arrow(statistics))
        rules = first_failure(frame, self.rules)
        if not self.language:
            return rules.to_arrow().cast(pa.string())
        language = pl.when(pl.col("language").eq_missing(self.language).not_())
        probability = pl.when(pl.col("language_probability") < self.min_language_probability)
        reason = pl.coalesce(
            language.then(pl.lit("language")),
            probability.then(pl.lit("language_probability")),
            rules,
        )
        return frame.select(reason.alias("reason"))["reason"].to_arrow().cast(pa.string())

    def _edited_fields(self) -> list[pa.Field]:
        """Statistics of the edited text beyond `STATISTICS`, if sets after `c4` need them."""
        if not {"gopher_quality", "gopher_repetition"} & set(reads_edited(self.rules)):
            return []
        fields = [statistic.field(EDITED) for statistic in WHOLE]
        return [field for field in fields if field.name not in STATISTICS.names]
