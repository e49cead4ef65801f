"""Is a metric above chance yet? One that is not says nothing about which arm is better.

After "The Fine Line": a metric has emerged where it passes chance by two standard deviations. The
deviation is that over seeds or that of the mean over items, whichever is the larger: seeds ask
the same items, so luck with the items does not cancel over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEVIATIONS = 2.0  # "The Fine Line": chance + 2 standard deviations


@dataclass(frozen=True, slots=True)
class Chance:
    """What knowing nothing would get, and the deviation of a mean over the items."""

    level: float
    deviation: float


def chance_of(values: NDArray[np.float64], levels: NDArray[np.float64]) -> Chance:
    """Return the level of chance of a mean over items and how far luck with them moves it.

    Args:
        values: (N,) of each item, as measured.
        levels: (N,) what knowing nothing would get, such as 1 over the number of options.
    """
    if not len(values):
        return Chance(0.0, math.inf)
    leads = values - levels
    deviation = leads.std(ddof=1) / math.sqrt(len(leads)) if len(leads) > 1 else math.inf
    return Chance(float(levels.mean()), float(deviation))


def above_chance(values: Sequence[float], chances: Sequence[Chance]) -> bool:
    """Return whether the mean over seeds passes chance by two standard deviations.

    Args:
        values: one a seed.
        chances: of the metric, one a seed; higher is better.
    """
    leads = [value - chance.level for value, chance in zip(values, chances, strict=True)]
    over_seeds = float(np.std(leads, ddof=1)) if len(leads) > 1 else 0.0
    over_items = max(chance.deviation for chance in chances)
    return float(np.mean(leads)) > DEVIATIONS * max(over_seeds, over_items)
