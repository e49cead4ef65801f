"""Documents by their license: what it is, what may be done under it, and which tiers stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import polars as pl
import pyarrow as pa

from curator.clean.license_names import TIERS, declared
from curator.clean.license_texts import licenses_of_texts
from curator.errors import RecipeError
from curator.schema import DECISION
from curator.stage import Stage

UNKNOWN: Final = "unknown"
NOTES: Final = pa.schema(
    [
        pa.field("license_id", pa.string()),  # an SPDX expression; null: unknown
        pa.field("license_tier", pa.string()),  # one of TIERS, or "unknown"
        pa.field("license_from", pa.string()),  # declared, tag, link, notice; null: unknown
    ]
)


@dataclass(frozen=True)
class Licenses(Stage):
    """Tells each document's license, and drops the tiers that are not asked for.

    What a document declares comes before what its text says; a declaration that says nothing known
    leaves the word to the text. The reason of a drop is `license.TIER`.

    Attributes:
        keep: tiers that stay; empty: nothing is decided, licenses are only told.
        keep_unknown: whether documents of unknown license stay.
        read_text: whether texts are searched where nothing known is declared.
    """

    name: ClassVar[str] = "clean.licenses"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "license")
    libraries: ClassVar[tuple[str, ...]] = ("polars",)

    keep: tuple[str, ...] = ()
    keep_unknown: bool = True
    read_text: bool = True

    def __post_init__(self) -> None:
        """Refuse tiers that there are not.

        Raises:
            RecipeError: naming them.
        """
        wrong = sorted(set(self.keep) - set(TIERS))
        if wrong:
            raise RecipeError(f"license tiers {wrong} are unknown; wanted some of {list(TIERS)}")

    @property
    def writes(self) -> pa.Schema:
        """What is known of each license, after a decision if there is one."""
        return pa.schema([*(DECISION if self.keep else ()), *NOTES])

    def process(self, model: None, table: pa.Table) -> pa.Table:
        """Return the license of each document, and whether it stays."""
        frame = _declared(pl.Series("license", pl.from_arrow(table["license"])))
        if self.read_text:
            silent = frame["license_id"].is_null()
            texts = pl.Series("text", pl.from_arrow(table["text"])).filter(silent)
            rows = pl.arange(len(frame), eager=True).filter(silent).alias("row")
            told = licenses_of_texts(texts).with_columns(rows)
            frame = (
                frame.with_row_index("row")
                .with_columns(pl.col("row").cast(rows.dtype))
                .join(told, on="row", how="left", suffix="_text", maintain_order="left")
                .select(pl.coalesce(name, f"{name}_text").alias(name) for name in NOTES.names)
            )
        frame = frame.with_columns(pl.col("license_tier").fill_null(UNKNOWN))
        if self.keep:
            wanted = [*self.keep, *([UNKNOWN] if self.keep_unknown else [])]
            stays = pl.col("license_tier").is_in(wanted)
            reason = pl.when(~stays).then(pl.concat_str(pl.lit("license."), "license_tier"))
            frame = frame.with_columns(stays.alias("keep"), reason.alias("reason"))
        return frame.select(self.writes.names).to_arrow().cast(self.writes)


def _declared(column: pl.Series) -> pl.DataFrame:
    """What the `license` fields say; each distinct one is read once."""
    values = column.unique(maintain_order=True)
    known = [declared(value) if value else None for value in values.to_list()]
    table = pl.DataFrame(
        {
            "license": values,
            "license_id": [license_ and license_.id for license_ in known],
            "license_tier": [license_ and license_.tier for license_ in known],
            "license_from": [license_ and "declared" for license_ in known],
        },
        schema_overrides=dict.fromkeys(NOTES.names, pl.String),
    )
    asked = pl.DataFrame({"license": column})
    joined = asked.join(table, on="license", how="left", nulls_equal=True, maintain_order="left")
    return joined.select(NOTES.names)
