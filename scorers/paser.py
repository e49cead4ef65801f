"""Text to mend a damaged model with: most of what it has lost for the length, where it lost most.

PASER (He et al. 2025, arXiv:2502.12594; BokwaiHo/PASER). The divergence of the damaged model from
the original, by document, says what was lost; its mean over a group of like documents says where,
and divides the budget (`quota_by`, `quotas`); within a group documents go by divergence for the
logarithm of their length. All is read from columns of earlier scores: no text, no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.schema import score_field
from curator.score.numbers import numbers_of
from curator.stage import Corpus, FittedScorer, Site, write_report

_GROUPS: Final = "groups.json"


class Lost(NamedTuple):
    """What documents have lost, each (N,) float64; NaN where a document was not read.

    Attributes:
        divergence: of the damaged model from the original.
        length: of the text, for the cost of reading it.
        group: of like documents.
    """

    divergence: NDArray[np.float64]
    length: NDArray[np.float64]
    group: NDArray[np.float64]


@dataclass(frozen=True)
class Paser(FittedScorer):
    """Divergence / log(length^2), in nats a token; null where a document was not read.

    Attributes:
        divergence: an earlier `divergence`, of the damaged model and the original.
        group: an earlier `diffusion`, or another score that numbers groups.
        compat: "paper_repo": as the release counts, divergence summed over tokens, so that long
            documents come first, and a length that adds characters to tokens.
    """

    divergence: str = "divergence"
    group: str = "diffusion"
    compat: Literal["", "paper_repo"] = ""

    name: ClassVar[str] = "paser"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field(
                "recovery", unit="nats/token", about="What was lost there, for its length's log."
            ),
            score_field(
                "degradation",
                unit="nats/token",
                about="Mean divergence of the document's group: one number for each group.",
            ),
        ]
    )

    @property
    def scores(self) -> tuple[str, ...]:
        """The earlier scores that say what was lost, and which documents are alike."""
        return tuple(dict.fromkeys(one.split(".")[0] for one in (self.divergence, self.group)))

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on settings
        """Their columns."""
        told = (f"{self.divergence}.tokens", f"{self.divergence}.characters")
        return (self.divergence, *told, self.group)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the mean divergence of every group, and `report.json`, into `out`.

        Raises:
            RecipeError: no document was read, a divergence below 0, or nothing was lost anywhere.
        """
        sums: dict[int, float] = {}
        counts: dict[int, int] = {}
        for table in corpora["raw"].tables(self.reads):
            lost = self._lost(table)
            read = ~np.isnan(lost.divergence) & ~np.isnan(lost.group)
            self._refuse_negative(lost.divergence)
            groups, place = np.unique(lost.group[read].astype(np.int64), return_inverse=True)
            found = np.bincount(place, lost.divergence[read], minlength=len(groups))
            for group, total, count in zip(groups, found, np.bincount(place), strict=True):
                sums[int(group)] = sums.get(int(group), 0.0) + float(total)
                counts[int(group)] = counts.get(int(group), 0) + int(count)
        means = {group: sums[group] / counts[group] for group in sorted(sums)}
        self._refuse_whole(means)
        total = sum(means.values())
        (out / _GROUPS).write_text(json.dumps({str(group): mean for group, mean in means.items()}))
        table_of = {
            str(group): {
                "documents": counts[group],
                "degradation": round(mean, 6),
                "share_of_the_budget": round(mean / total, 4),
            }
            for group, mean in means.items()
        }
        write_report(out, {"documents": sum(counts.values()), "groups": table_of})

    def load(self, site: Site) -> dict[int, float]:
        """Return the mean divergence of every group."""
        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted: what groups lost is not known")
        found = json.loads((site.fitted / _GROUPS).read_text())
        return {int(group): float(mean) for group, mean in found.items()}

    def score(self, model: dict[int, float], table: pa.Table) -> pa.Table:
        """Return the columns of `writes`, one row a document."""
        lost = self._lost(table)
        # A text of one token has log 1 = 0 for a cost: it counts as two.
        recovery = lost.divergence / np.log(np.maximum(lost.length, 2) ** 2)
        known = np.array(sorted(model), np.int64)
        means = np.array([model[group] for group in known.tolist()])
        place = np.searchsorted(known, np.nan_to_num(lost.group, nan=-1)).clip(0, len(known) - 1)
        unknown = known[place] != lost.group
        absent = np.isnan(recovery) | unknown
        return pa.table(
            {
                "recovery": pa.array(np.nan_to_num(recovery).astype(np.float32), mask=absent),
                "degradation": pa.array(means[place].astype(np.float32), mask=unknown),
            }
        )

    def _lost(self, table: pa.Table) -> Lost:
        """Return what documents have lost, as the release counts it if that is asked for."""
        mean, tokens, characters, group = (
            numbers_of(table, column, where=self.name) for column in self.reads
        )
        if self.compat:
            return Lost(mean * tokens, tokens + characters, group)
        return Lost(mean, tokens, group)

    def _refuse_negative(self, divergence: NDArray[np.float64]) -> None:
        wrong = np.flatnonzero(divergence < 0)
        if len(wrong):
            raise RecipeError(
                f"{self.divergence!r} has {len(wrong)} values below 0, such as "
                f"{float(divergence[wrong[0]])!r}; wanted divergences, as the scorer `divergence` "
                "writes them",
                where=self.name,
            )

    def _refuse_whole(self, means: Mapping[int, float]) -> None:
        if not means:
            raise RecipeError(
                f"no document has both a divergence {self.divergence!r} and a group "
                f"{self.group!r}; wanted columns of earlier entries of `score`",
                where=self.name,
            )
        if not any(means.values()):
            raise RecipeError(
                f"the divergence of all {len(means)} groups is 0: the model is not damaged, and "
                "nothing says where to mend it; name a damaged model and its original",
                where=self.name,
            )
