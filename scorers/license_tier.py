"""How freely a document's text may be used: SILO's tier of its license, with the evidence.

`select: {method: threshold, by: license_tier, threshold: 2}` takes what is in the public domain
or under a permissive license of software (PDSW); `by: license_tier.allowed, threshold: 1` draws
evenly from all tiers that are allowed. A document of unknown license has no score, so that no
selection by it can hold one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import polars as pl
import pyarrow as pa

from curator.clean.license_texts import licenses_of_texts
from curator.clean.license_tiers import (
    BY,
    PD,
    RESTRICTED,
    SILO_TIERS,
    SW,
    UNKNOWN,
    Tier,
    most_cautious,
    named_tier,
    tier_of,
)
from curator.errors import RecipeError
from curator.schema import score_field
from curator.stage import Scorer

NAME: Final = "license_tier"
ORDER: Final = {PD: 3, SW: 2, BY: 1, RESTRICTED: 0}
_UNRESOLVED: Final = -1
_SHOWN: Final = 5


@dataclass(frozen=True)
class LicenseTier(Scorer):
    """3 for PD, 2 for SW, 1 for BY, 0 for RESTRICTED; null for UNKNOWN.

    Attributes:
        allowed: the tiers whose documents have 1 in the column `allowed`.
        text: whether a notice in the text itself counts. "restrict": only where it asks for more
            caution than the declaration, as a file of a freer repository may; "tell": also where
            nothing is declared; "ignore": never. A page that talks about a license is not under it,
            so a notice promotes nothing unless it is asked to.
        unknown: what a document of unknown license gets: "null", "lowest" (-1, so that a threshold
            can take it), or "refuse".
    """

    allowed: tuple[Literal["PD", "SW", "BY", "RESTRICTED"], ...] = ("PD", "SW", "BY")
    text: Literal["restrict", "tell", "ignore"] = "restrict"
    unknown: Literal["null", "lowest", "refuse"] = "null"

    name: ClassVar[str] = NAME
    version: ClassVar[int] = 2  # 2: more words take back what they name, "research use only"
    reads: ClassVar[tuple[str, ...]] = ("text", "license", "doc_id")
    libraries: ClassVar[tuple[str, ...]] = ("polars",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                NAME, unit="order of tiers", about="3 PD, 2 SW, 1 BY, 0 restricted", kind=pa.int8()
            ),
            score_field("allowed", unit="0 or 1", about="of an allowed tier", kind=pa.int8()),
            score_field("tier", unit="word", better="neither", kind=pa.string()),
            score_field("license", unit="SPDX expression", better="neither", kind=pa.string()),
            score_field(
                "evidence", unit="word", better="neither", kind=pa.string(),
                about="where it is said and, of UNKNOWN, why it does not count",
            ),
            score_field("share_alike", unit="0 or 1", better="neither", kind=pa.int8()),
        ]
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Refuse to allow nothing."""
        if not self.allowed:
            raise RecipeError(f"allowed is empty; wanted some of {list(ORDER)}")

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return the tier of each document with its evidence.

        Raises:
            RecipeError: a license is unknown and `unknown` is "refuse".
        """
        declarations = pl.Series("license", pl.from_arrow(table["license"])).cast(pl.String)
        # Declarations repeat themselves: each is read once.
        read = {said: tier_of(said) for said in declarations.unique().to_list()}
        tiers = [read[said] for said in declarations]
        origins = [_origin(said) for said in declarations]
        if self.text != "ignore":
            self._heed_notices(table, tiers, origins)
        if self.unknown == "refuse":
            _refuse_unknown(table, tiers)
        return pa.table(self._columns(tiers, origins), schema=self.writes)

    def _heed_notices(self, table: pa.Table, tiers: list[Tier], origins: list[str]) -> None:
        """Put what the texts say of themselves beside what is declared, in place."""
        told = licenses_of_texts(pl.Series("text", pl.from_arrow(table["text"])))
        said = told["license_id"].is_not_null().arg_true().to_list()
        for row in said:  # few texts have a notice
            identifier, tier, origin = told.row(row)
            noticed = named_tier(identifier, tier)
            silent = tiers[row].why == "silent"
            unknown = tiers[row].name == UNKNOWN  # what is not known can be known to be restricted
            if (silent and self.text == "tell") or (unknown and noticed.name == RESTRICTED):
                tiers[row], origins[row] = noticed, origin
            elif not unknown and _worse(noticed, tiers[row]):
                tiers[row] = most_cautious([tiers[row], noticed])
                origins[row] = f"{origins[row]}, {origin}"

    def _columns(self, tiers: list[Tier], origins: list[str]) -> dict[str, list[Any]]:
        unresolved = _UNRESOLVED if self.unknown == "lowest" else None
        return {
            NAME: [ORDER.get(tier.name, unresolved) for tier in tiers],
            "allowed": [
                None if tier.name == UNKNOWN else int(tier.name in self.allowed) for tier in tiers
            ],
            "tier": [tier.name for tier in tiers],
            "license": [tier.license or None for tier in tiers],
            "evidence": [
                origin if tier.why == "named" else f"{origin}: {tier.why}".removeprefix(": ")
                for tier, origin in zip(tiers, origins, strict=True)
            ],
            "share_alike": [int(tier.share_alike) for tier in tiers],
        }


def _origin(said: str | None) -> str:
    if said is None or not said.strip():
        return ""
    return "address" if "://" in said or "creativecommons.org/" in said else "declared"


def _worse(noticed: Tier, tier: Tier) -> bool:
    """Whether a notice asks for more caution."""
    return SILO_TIERS.index(noticed.name) > SILO_TIERS.index(tier.name)


def _refuse_unknown(table: pa.Table, tiers: list[Tier]) -> None:
    rows = [row for row, tier in enumerate(tiers) if tier.name == UNKNOWN]
    if not rows:
        return
    said = table["license"].take(pa.array(rows[:_SHOWN])).to_pylist()
    ids = [one.hex() for one in table["doc_id"].take(pa.array(rows[:_SHOWN])).to_pylist()]
    shown = ", ".join(f"{name} ({what!r})" for name, what in zip(ids, said, strict=True))
    raise RecipeError(
        f"{len(rows)} of {len(tiers)} documents of a shard are of unknown license, the first: "
        f"{shown}; declare their licenses at the source, drop them with corpus.clean.licenses, or "
        "set `unknown: null`, with which no selection takes them",
        where=f"scorer {NAME}",
    )
