"""Signs of planted text: how nearly a document reaches any detector's limit, and their scores.

Corpus-wide signs (a rare trigger before anomalies, statements that are oddly of one mind) are
learned from the pool in three passes. Nothing here can clear a document or a pool; see
`curator.poison`. About 5 MB/s a core, most of it for surprise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curator.errors import RecipeError
from curator.poison.finding import DETECTORS, require, verdict
from curator.schema import score_field
from curator.score.grid import declared, on_grid
from curator.stage import Corpus, FittedScorer, Site, write_report

_GRID: Final = 1e-3
_MOST: Final = 10.0  # limits; beyond it there is nothing to tell apart
_ABOUT: Final = {
    "template": ("marks", "special tokens of chat formats, and turns of two voices"),
    "gibberish": ("sd", "by which the text is more surprising from a place to its end"),
    "copy": ("share in [0, 1]", "of the text that is its beginning said twice"),
    "trigger": ("-log10 p", "of a rare run of words before anomalies, adjusted"),
    "burst": ("-log10 p", "of a comparison on which the pool is oddly of one mind, adjusted"),
    "concentration": ("share in [0, 1]", "of its cluster that comes from its host, a new one"),
    "edit_window": ("share in [0, 1]", "how shortly before the snapshot it was edited"),
}


@dataclass(frozen=True)
class Poison(FittedScorer):
    """The most by which a limit is reached (1: just so), and the scores that it comes of.

    `concentration` and `edit_window` say where a finding comes from; they raise no suspicion alone.

    Attributes:
        least: documents of a trigger or of a statement, at least.
        most: share of the documents that may have a trigger: it is rare.
        snapshot: the day that edits are held against; empty: the latest date of the pool.
        window_days: days before it in which an edit is a risk.
        limits: by detector, instead of the built-in ones.
        required: detectors without which the fit is refused.
    """

    least: int = 5
    most: float = 1e-3
    snapshot: str = ""
    window_days: int = 7
    limits: Mapping[str, float] | None = None
    required: tuple[str, ...] = ()

    name: ClassVar[str] = "poison"
    version: ClassVar[int] = 3  # 2: snapshots before 1970; hosts behind an @ in a query; 3: limits
    reads: ClassVar[tuple[str, ...]] = ("text", "url", "date")
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            declared(
                score_field(
                    "poison", unit="limits", better="lower", about="of planted text; 1: reached"
                ),
                _GRID,
            ),
            *(
                declared(score_field(kind, unit=unit, better="lower", about=about), _GRID)
                for kind, (unit, about) in _ABOUT.items()
            ),
        ]
    )

    def __post_init__(self) -> None:
        """Refuse settings by which nothing, or everything, could be a trigger."""
        if self.least < 3 or not 0 < self.most <= 0.5 or self.window_days < 0:
            raise RecipeError(
                f"least={self.least!r}, most={self.most!r}, window_days={self.window_days!r}; "
                "wanted 3 documents or more, a share up to 0.5, and 0 days or more"
            )
        strange = sorted({*self.required, *(self.limits or {})} - {*DETECTORS})
        if strange or any(not 0 < one < np.inf for one in (self.limits or {}).values()):
            raise RecipeError(
                f"limits={self.limits!r}, required={self.required!r}; wanted positive numbers, and "
                f"detectors among {', '.join(DETECTORS)}"
            )

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        """Write the survey of the pool and `report.json` into `out`.

        Raises:
            RecipeError: a required detector could judge no document.
        """
        from curator.poison.keeping import save, shown
        from curator.poison.survey import survey

        learned = survey(
            corpora["raw"],
            least=self.least,
            most=self.most,
            snapshot=self.snapshot,
            threads=site.threads,
        )
        statuses = learned.statuses()
        require(statuses, self.required)
        save(learned, out)
        found = len(learned.words) + len(learned.bursts.pairs)
        write_report(out, {**learned.totals, **verdict(statuses, found), **shown(learned)})

    def load(self, site: Site) -> Any:
        """Return what the survey learned.

        Raises:
            RecipeError: nothing was fitted.
        """
        from curator.poison.keeping import load

        if site.fitted is None:
            raise RecipeError(f"{self.name} has not been fitted; run it in a recipe")
        return load(site.fitted)

    def score(self, model: Any, table: pa.Table) -> pa.Table:
        """Return `poison` and every detector's score, one row a document; null for no text."""
        from curator.poison.scan import LIMITS, scan

        found = scan(model, table, window=self.window_days)
        limits = {**LIMITS, **(self.limits or {})}
        worst = np.minimum(found.worst(limits), _MOST)
        empty = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy() == 0
        columns = {"poison": (worst, empty)}
        columns |= {kind: (values, np.isnan(values)) for kind, values in found.scores.items()}
        return pa.table(
            {
                name: pa.array(on_grid(np.nan_to_num(values), _GRID), mask=mask | empty)
                for name, (values, mask) in columns.items()
            }
        )
