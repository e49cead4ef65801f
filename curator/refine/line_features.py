"""What a linear model sees of a line: its words, its shape, and the lines around it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curator.refine.lined import Lined

SHAPES: Final = (
    "words", "characters", "upper_share", "digit_share", "letter_share", "ends_sentence",
    "begins_small", "address", "separators", "from_start", "from_end", "copies",
    "words_before", "words_after", "closed_before", "closed_after",
)  # fmt: skip
_CLOSED: Final = r"[.!?…\"'”’。！？]\s*$"
_ADDRESS: Final = r"(?i)https?://|www\.|\S@\S+\.\S"
_FAR: Final = 20.0  # lines: how far from a document's ends still counts


def line_shapes_of(lined: Lined) -> NDArray[np.float64]:
    """Return (n, shapes) float64, columns as `SHAPES`; all 0 for blank lines.

    Neighbors are the nearest lines that are not blank, in the same document.
    """
    from curator.text.line_shapes import line_shapes  # brings numba: recipes do without

    found = line_shapes(lined.texts)  # each line as a text of its own
    at = np.flatnonzero(~lined.blank)
    spread = np.zeros((len(lined.rows), 6))
    spread[found.rows] = np.stack(
        [found.words, found.characters, found.upper, found.numbers, found.letters, found.visible],
        axis=1,
    )
    words, characters, upper, digits, letters, visible = spread[at].T
    column = pl.Series(lined.texts).gather(at)
    closed = column.str.contains(_CLOSED).to_numpy().astype(np.float64)
    rows = lined.rows[at]
    made = np.zeros((len(lined.rows), len(SHAPES)))
    most = np.maximum(1.0, visible)
    logs = np.log1p(words)
    start, end = _places(rows)
    made[at] = np.stack(
        [
            logs,
            np.log1p(characters),
            upper / most,
            digits / most,
            letters / most,
            closed,
            column.str.contains(r"^\s*\p{Ll}").to_numpy(),
            column.str.contains(_ADDRESS).to_numpy(),
            np.minimum(column.str.count_matches(r"[|»›•·/>:]").to_numpy(), 8) / 8,
            np.minimum(start, _FAR) / _FAR,
            np.minimum(end, _FAR) / _FAR,
            np.log(_copies(column, rows)),
            _neighbor(logs, rows, -1),
            _neighbor(logs, rows, 1),
            _neighbor(closed, rows, -1),
            _neighbor(closed, rows, 1),
        ],
        axis=1,
    )
    return made


def _places(rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return how many lines stand before and after each in its document."""
    numbers = np.arange(len(rows))
    before = numbers - np.searchsorted(rows, rows)
    return before, np.searchsorted(rows, rows, side="right") - 1 - numbers


def _copies(lines: pl.Series, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often each line stands in its document."""
    frame = pl.DataFrame({"line": lines, "row": rows})
    counted = frame.select(pl.len().over("row", "line")).to_series()
    return counted.to_numpy().astype(np.float64)


def _neighbor(values: NDArray[np.float64], rows: NDArray[np.int64], step: int) -> NDArray[Any]:
    """Return the value of the line before (-1) or after (1) in the same document; 0 at its ends."""
    made = np.zeros(len(values))
    if step < 0:
        made[1:] = np.where(rows[1:] == rows[:-1], values[:-1], 0.0)
    else:
        made[:-1] = np.where(rows[1:] == rows[:-1], values[1:], 0.0)
    return made
