"""The statistics of documents as one stage: the text is read once, whatever is decided later."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from curator import weights
from curator.clean.fineweb2 import languages_known, stop_words
from curator.clean.language import identify, load_identifier
from curator.clean.statistics import edited_schema, measure, measure_edited, measured_schema
from curator.schema import score_field
from curator.stage import Site, Stage

LANGUAGE = pa.schema(
    [
        pa.field("language", pa.string()),
        score_field("language_probability", unit="probability", about="Of the named language."),
    ]
)


@dataclass(frozen=True)
class Measure(Stage):
    """Takes every statistic that rules may look at. No threshold is known here.

    Attributes:
        identified: whether documents' languages are identified.
        groups: of `curator.clean.further.FURTHER`, to be taken as well.
        edited: whether the text as C4 edits it is measured like the text itself.
    """

    name: ClassVar[str] = "clean.statistics"
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-community",)

    identified: bool = False
    groups: tuple[str, ...] = ()
    edited: bool = False

    @property
    def writes(self) -> pa.Schema:
        """The language if asked for, every statistic."""
        fields = [*(LANGUAGE if self.identified else []), *measured_schema(self.groups)]
        return pa.schema([*fields, *self._edited_fields()])

    def identity(self) -> dict[str, Any]:
        """What names this work: also tables of characters, the language model, stop words."""
        extra: dict[str, Any] = {"unicode": unicodedata.unidata_version}
        if self.identified:
            extra["lid.176"] = weights.digest(weights.find("lid.176"))
        if "fineweb2" in self.groups:
            extra["stop_words"] = {code: stop_words(code) for code in languages_known()}
        return {**super().identity(), **extra}

    def load(self, site: Site) -> Any:
        """The language identifier; None if no language is asked for."""
        return load_identifier(weights.find("lid.176")) if self.identified else None

    def process(self, model: Any, table: pa.Table) -> pa.Table:
        """One row a document: language, statistics."""
        texts = table["text"]
        columns: dict[str, Any] = {}
        if model is not None:
            found = identify(model, texts)
            columns = {"language": found.language, "language_probability": found.probability}
        languages = columns.get("language")
        measured = measure(texts, self.groups, languages)
        columns |= dict(zip(measured.table.column_names, measured.table.columns, strict=True))
        if self.edited:
            more = measure_edited(measured.edited, self.groups, languages)
            columns |= {field.name: more[field.name] for field in self._edited_fields()}
        return pa.table({name: columns[name] for name in self.writes.names}, schema=self.writes)

    def _edited_fields(self) -> list[pa.Field]:
        """Statistics of the edited text beyond those that are always taken."""
        if not self.edited:
            return []
        always = measured_schema().names
        return [field for field in edited_schema(self.groups) if field.name not in always]
