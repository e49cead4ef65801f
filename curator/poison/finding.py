"""What detectors find, and what may be said of a corpus: suspicions, gaps, never that it is fine.

`Finding` rows come of a scan of records. A `Status` says of each detector whether it could run, and
on how much. No verdict of "clean" exists: an attack in five documents, in other words or without a
trigger leaves no sign that these detectors read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from curator.errors import RecipeError

DETECTORS: Final = (
    "template",
    "gibberish",
    "copy",
    "trigger",
    "burst",
    "concentration",
    "edit_window",
)
NEVER: Final = {"influence": "no proxy is trained with and without what was flagged"}
FINDING: Final = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # one of DETECTORS
        pa.field("start", pa.int64(), nullable=False),  # bytes of the text
        pa.field("end", pa.int64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),  # in the detector's unit
    ]
)


@dataclass(frozen=True)
class Status:
    """Whether a detector could run.

    Attributes:
        detector: one of `DETECTORS`, or of `NEVER`.
        ran: documents that it could judge.
        of: documents.
        why: what it lacked on the others; "" if it lacked nothing.
    """

    detector: str
    ran: int
    of: int
    why: str = ""

    @property
    def complete(self) -> bool:
        """Whether it judged every document."""
        return self.ran == self.of


def verdict(statuses: Sequence[Status], found: int) -> dict[str, Any]:
    """Return what may be said: `verdict`, the detectors that did not judge all, and a sentence.

    The verdict is "suspicious" where anything was found, else "incomplete": the check by influence
    is never made here, and no set of detectors is complete.

    Args:
        statuses: of every detector.
        found: triggers and statements, what only the corpus shows; what a document shows by itself
            is in its scores.
    """
    every = [*statuses, *(Status(name, 0, 1, why) for name, why in NEVER.items())]
    gaps = {one.detector: one.why for one in every if not one.complete}
    ran = sum(one.complete for one in every)
    return {
        "verdict": "suspicious" if found else "incomplete",
        "could_not_judge_all": gaps,
        "says": f"{found} triggers and statements; {ran} of {len(every)} detectors judged every "
        "document, whose scores tell the rest; finding nothing certifies nothing",
    }


def require(statuses: Sequence[Status], wanted: Sequence[str]) -> None:
    """Return only if each wanted detector could judge some documents.

    Raises:
        RecipeError: one could not run; nothing may then be concluded by it.
    """
    unable = [one for one in statuses if one.detector in wanted and not one.ran]
    if unable:
        told = "; ".join(f"{one.detector} ({one.why})" for one in unable)
        raise RecipeError(
            f"required detectors could not run: {told}; give what they lack, or leave them out of "
            "`required`: the report then says that they did not run"
        )
