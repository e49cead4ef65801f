"""One column of the sidecar of statistics: its name, what it is made of, its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curator.schema import score_field

EDITED: Final = "edited_"  # prefix of statistics taken after C4's line edits
SHARE: Final = "share in [0, 1]"


@dataclass(frozen=True)
class Statistic:
    """One column of the sidecar: a count, or one count divided by another.

    Attributes:
        name: the column.
        count: what is counted: a name of `curator.text.statistics.COUNTS`.
        per: what it is divided by; empty: the count itself.
        unit: of the column.
        about: one sentence.
        scale: what the result is multiplied by; counts of halves or millionths have one.
    """

    name: str
    count: str
    per: str
    unit: str
    about: str
    scale: float = 1.0

    def field(self, prefix: str = "") -> pa.Field:
        """The Arrow field; counts are int64, shares and means float64."""
        whole = not self.per and self.scale == 1.0
        return score_field(
            prefix + self.name,
            unit=self.unit,
            better="neither",
            about=self.about,
            kind=pa.int64() if whole else pa.float64(),
        )

    def values(self, counts: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[Any]:
        """The column, one value a text; a share of nothing is 0."""
        above: npt.NDArray[Any] = counts[self.count]
        if self.per:
            below = counts[self.per]
            above = np.divide(above, below, out=np.zeros(len(above)), where=below != 0)
        return above if self.scale == 1.0 else above * self.scale
