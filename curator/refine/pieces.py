"""Long documents in pieces that a model can read: whole lines, sentences or paragraphs.

The pieces of a text, one after the other, are the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from curator.errors import RecipeError

By = Literal["line", "sentence", "paragraph"]

# Where a unit ends, white space after it included: it belongs to the unit before.
_ENDS: Final = {
    "line": re.compile(r"\n"),
    # After what closes a sentence in most scripts, and quotes or brackets that close with it.
    "sentence": re.compile(r"[.!?\u2026][\"'\u2019\u201d)\]]*\s+|[\u3002\uff01\uff1f]\s*|\n\s*"),
    "paragraph": re.compile(r"\n[^\S\n]*\n\s*"),
}


@dataclass(frozen=True)
class Piece:
    """A stretch of a text.

    Attributes:
        index: which piece, from 0.
        start: its first character.
        end: the character after its last.
        first_line: the number of the line it begins in, from 0.
        over: whether it is one unit that is longer than the budget by itself.
    """

    index: int
    start: int
    end: int
    first_line: int
    over: bool = False


def pieces(text: str, budget: int, count: Callable[[str], int], by: By = "line") -> list[Piece]:
    """Return the pieces of a text, as few as whole units make when taken in order.

    Args:
        text: of a document; "" has no pieces.
        budget: what `count` may give for a piece at most. A unit above it is a piece by itself,
            marked as `over`.
        count: the size of a text, such as its tokens; called once a unit and once or twice a
            piece. The parts of a text may count more than the text, hardly ever less.
        by: what is never cut.

    Raises:
        RecipeError: a budget below 1, or nothing known to cut by.
    """
    if budget < 1 or by not in _ENDS:
        raise RecipeError(f"budget={budget!r}, by={by!r}; wanted 1 or more, one of {[*_ENDS]}")
    borders = sorted({0, len(text), *(found.end() for found in _ENDS[by].finditer(text))})
    units = list(pairwise(borders))
    sizes = [count(text[start:end]) for start, end in units]
    found: list[Piece] = []
    first, line = 0, 0
    while first < len(units):
        last = _last(text, units, sizes, first, budget, count)
        start, end = units[first][0], units[last][1]
        found.append(
            Piece(len(found), start, end, line, over=last == first and sizes[first] > budget)
        )
        line += text.count("\n", start, end)
        first = last + 1
    return found


def _last(
    text: str,
    units: list[tuple[int, int]],
    sizes: list[int],
    first: int,
    budget: int,
    count: Callable[[str], int],
) -> int:
    """Return the last unit of the piece that begins with `first`."""
    last, size = first, sizes[first]
    while last + 1 < len(units) and size + sizes[last + 1] <= budget:
        last += 1
        size += sizes[last]
    # Joined units may count more than each by itself: a piece is held to the budget as it is.
    while last > first and count(text[units[first][0] : units[last][1]]) > budget:
        last -= 1
    return last
