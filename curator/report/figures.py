"""Numbers as people read them: 1.24M, 3.1 GB, 2 min 5 s, −0.031 with a true minus sign."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MINUS = "\u2212"
_GAP = "\u00a0"  # does not break: a number stays with its unit


def grouped(count: int) -> str:
    """Return a count with thousands separated: 1,234,567."""
    return f"{count:,}".replace("-", _MINUS)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless it is one: 1 reason, 3 reasons."""
    return f"{grouped(count)} {noun}{'' if count == 1 else 's'}"


def compact(count: float) -> str:
    """Return a count in at most three significant digits and a letter: 1.24M, 12.4k, 980."""
    return _scaled(count, 1000.0, ("", "k", "M", "B", "T", "P", "E"), "")


def size(count: float) -> str:
    """Return a number of bytes: 3.1 GB (decimal units)."""
    return _scaled(count, 1000.0, ("B", "kB", "MB", "GB", "TB", "PB"), _GAP)


def flops(count: float) -> str:
    """Return a number of floating-point operations: 1.2 TFLOP."""
    return _scaled(count, 1000.0, ("", "k", "M", "G", "T", "P", "E", "Z"), _GAP) + "FLOP"


def _scaled(count: float, step: float, units: Sequence[str], gap: str) -> str:
    magnitude, place = abs(float(count)), 0
    while magnitude >= 999.5 and place < len(units) - 1:
        magnitude, place = magnitude / step, place + 1
    whole = place == 0 and magnitude == int(magnitude)
    shown = f"{magnitude:.0f}" if whole else f"{magnitude:.3g}"
    return f"{_MINUS if count < 0 else ''}{shown}{gap}{units[place]}"


def duration(seconds: float) -> str:
    """Return a span of time: 0.42 s, 37 s, 2 min 5 s, 3 h 20 min."""
    if seconds < 9.95:
        return f"{seconds:.2g}{_GAP}s" if seconds else f"0{_GAP}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{_GAP}s"
    if whole < 3600:
        return f"{whole // 60}{_GAP}min {whole % 60}{_GAP}s"
    return f"{whole // 3600}{_GAP}h {whole % 3600 // 60}{_GAP}min"


def share(part: float, whole: float = 1.0) -> str:
    """Return part of whole as a percentage with the digits it deserves: 0.04 %, 3.2 %, 61 %."""
    if not whole:
        return "–"
    percent = 100.0 * part / whole
    if 99.5 <= percent < 100:  # nearly all is not all
        shown = f"{min(percent, 99.99):.2f}"
    else:
        shown = f"{percent:.2g}" if 0 < percent < 9.95 else f"{percent:.0f}"
    return f"{shown}{_GAP}%"


def plain(value: float | int | str) -> str:
    """Return any number in four significant digits, and text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return grouped(value)
    if not math.isfinite(value):
        return str(value)
    shown = f"{value:,.0f}" if abs(value) >= 10000 else f"{value:,.4g}"
    return shown.replace("-", _MINUS)


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign and that many decimals: +0.012, −0.031."""
    if not math.isfinite(value):
        return "?" if math.isnan(value) else f"{_MINUS if value < 0 else '+'}∞"
    shown = f"{abs(value):.{digits}f}"
    if float(shown) == 0:
        return shown
    return f"{_MINUS if value < 0 else '+'}{shown}"


def decimals(values: Sequence[float]) -> int:
    """Return how many decimals (0..6) show the largest of `values` to three digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 3
    return max(0, min(6, 2 - math.floor(math.log10(largest))))
