"""Axes: round ticks, and the map from values to points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Axis:
    """Maps values from low..high to points from start..end (which may run downward)."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the point of a value, rounded to a hundredth: equal inputs, equal bytes."""
        low, high, value = self._scaled(self.low), self._scaled(self.high), self._scaled(value)
        portion = (value - low) / (high - low) if high > low else 0.5
        return round(self.start + portion * (self.end - self.start), 2)

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values inside the axis: powers of ten (and 2, 5) on a log axis."""
        return (
            log_ticks(self.low, self.high) if self.log else round_ticks(self.low, self.high, about)
        )


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return about that many multiples of 1, 2 or 5 times a power of ten within low..high."""
    if not high > low:
        return [low]
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * unit for unit in (1, 2, 5, 10) if power * unit >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten within low..high, with 2 and 5 times them where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    units = (1, 2, 5) if len(powers) <= 4 else (1,)
    values = (unit * 10.0**power for power in powers for unit in units)
    return [value for value in values if low * 0.999 <= value <= high * 1.001]


def tick_texts(values: Sequence[float]) -> list[str]:
    """Return the ticks as text, all with the decimals that the finest of them needs."""
    steps = [abs(b - a) for a, b in pairwise(values) if b != a]
    finest = min(steps, default=abs(values[0]) if values else 1.0) or 1.0
    digits = max(0, min(6, -math.floor(math.log10(finest) + 1e-9)))
    return [f"{value:.{digits}f}".replace("-", "\u2212") for value in values]


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """Return the range of the values, widened by a share of it on both sides."""
    low, high = min(values), max(values)
    room = (high - low) * share or abs(high) * share or 1.0
    return low - room, high + room
