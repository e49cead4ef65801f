"""Documents that lie far beyond the others, and beyond a bound that does not move with them.

A threshold of a mean and a deviation flags somebody in any pool: of clean text the least clean. So
a document is flagged only where every measure of it lies beyond the mean by so many standard
deviations and beyond an absolute floor too.
"""

# Shapes: n documents, K measures, larger is worse.
from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.stage import Site

_BOUNDS: Final = "bounds.json"


@dataclass(frozen=True)
class Bounds:
    """Where measures become too large, one entry a measure.

    Attributes:
        means: of all documents that have it.
        deviations: population standard deviations.
        limits: the mean and so many deviations, or the floor where that is larger.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    limits: tuple[float, ...]

    def flagged(self, measures_nK: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which documents lie beyond all limits, (n,); none that lacks a measure."""
        beyond: NDArray[np.bool_] = np.all(measures_nK > np.array(self.limits), axis=1)
        return beyond

    def excess(self, measures_nK: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the least of the distances from the means, in deviations; NaN without measures.

        0 where all documents are alike.
        """
        spread = np.array(self.deviations)
        far = (measures_nK - np.array(self.means)) / np.where(spread > 0, spread, np.inf)
        least: NDArray[np.float64] = far.min(axis=1, initial=np.inf)
        return least

    def save(self, out: Path) -> None:
        """Write them into a folder."""
        told = {name: getattr(self, name) for name in ("means", "deviations", "limits")}
        (out / _BOUNDS).write_text(json.dumps(told))


def load_bounds(site: Site, *, where: str) -> Bounds:
    """Return the bounds that a fit wrote.

    Raises:
        RecipeError: there was no fit.
    """
    if site.fitted is None:
        raise RecipeError(f"{where} has not been fitted: nobody knows what is far", where=where)
    told = json.loads((site.fitted / _BOUNDS).read_text())
    return Bounds(*(tuple(told[name]) for name in ("means", "deviations", "limits")))


def learn_bounds(
    parts: Iterable[NDArray[np.float64]],
    *,
    deviations: float,
    floor: float,
    most_missing: float,
    where: str,
) -> tuple[Bounds, dict[str, Any]]:
    """Return bounds of measures, and what a report says of them.

    Args:
        parts: (n, K) each; NaN where a document has no measure.
        deviations: m, above the mean.
        floor: of every measure, in its own unit.
        most_missing: share of documents that may lack a measure.
        where: what an error is about.

    Raises:
        RecipeError: no documents, or too many of them without a measure.
    """
    kept = list(parts)  # K numbers a document, held to count who is flagged
    rows = np.concatenate(kept) if kept else np.zeros((0, 1))
    known = ~np.isnan(rows).any(axis=1)
    missing = int((~known).sum())
    if not known.any() or missing > most_missing * len(rows):
        raise RecipeError(
            f"{missing:,} of {len(rows):,} documents have no value of every measure; wanted "
            f"{most_missing:.0%} at most: means of those that have would be of others",
            where=where,
        )
    means, spreads = zip(*(_moments(column) for column in rows[known].T), strict=True)
    moving = tuple(mean + deviations * spread for mean, spread in zip(means, spreads, strict=True))
    bounds = Bounds(means, spreads, tuple(max(limit, floor) for limit in moving))
    without = Bounds(means, spreads, moving)
    return bounds, {
        "documents": len(rows),
        "missing": missing,
        "flagged": int(bounds.flagged(rows).sum()),
        "flagged_without_floor": int(without.flagged(rows).sum()),
        "means": [round(value, 4) for value in means],
        "deviations": [round(value, 4) for value in spreads],
        "limits": [round(value, 4) for value in bounds.limits],
    }


def _moments(column: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and population standard deviation; exact sums, so that no order matters."""
    mean = math.fsum(column) / len(column)
    return mean, math.sqrt(math.fsum((column - mean) ** 2) / len(column))
