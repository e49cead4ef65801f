"""The year in which a text was written, where its record says it and leaves no doubt.

A date is read only where one year can be meant: of "03/04/05", "1850s", "circa 1900", "1850-1860"
and "1945 or 1946" no year is taken. When a page was fetched says nothing about when it was written.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError

EXTRA: Final = "extra."
# Four digits that stand alone and can be a year; "1850s" and longer numbers are none.
_YEAR: Final = r"\b(1[0-9]{3}|20[0-9]{2})\b"
_DOUBT: Final = (
    r"(?i)\b(?:c|ca|circa|about|around|before|after|between|or|to|until|unknown|undated|n\.?d)\b"
    r"|\?|~|\b[0-9]{3,4}'?s\b|\b[0-9]{3}[-x?]{1,2}(?:\s|$)"
)
# A day of a calendar: of "2001-03-04T05:06:07Z" the rest is left.
_ISO: Final = r"^\s*([0-9]{4})-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]))?(?:[T ].*)?$"


class Years(NamedTuple):
    """What some records say of when they were written.

    Attributes:
        year: (n,) int16, 0 where none is taken.
        missing: (n,) bool, nothing is said.
        ambiguous: (n,) bool, something is said, and no one year.
        said: (n,) the words.
    """

    year: NDArray[np.int16]
    missing: NDArray[np.bool_]
    ambiguous: NDArray[np.bool_]
    said: pl.Series


def years_of(table: pa.Table, field: str, pattern: str = "") -> Years:
    """Return the year of each document.

    Args:
        table: with `date`, or with `extra` where the field is a part of it.
        field: "date", or "extra.PATH" such as "extra.meta.year".
        pattern: a regular expression with one group, the year, where the field holds more: a file
            name. What it does not match is ambiguous.

    Raises:
        RecipeError: the pattern or the path cannot be looked up.
    """
    said = _said(table, field)
    blank = said.is_null() | (said.str.strip_chars() == "").fill_null(value=True)
    try:
        plain = said.str.extract(pattern, 1) if pattern else said
    except pl.exceptions.ComputeError as error:
        raise RecipeError(
            f"pattern is {pattern!r}, which cannot be read ({str(error).splitlines()[0]}); wanted "
            "a regular expression with one group"
        ) from error
    iso = plain.str.extract(_ISO, 1)
    found = plain.str.extract_all(_YEAR).list.unique()
    single = (found.list.len() == 1) & ~plain.str.contains(_DOUBT)
    alone = found.list.get(0, null_on_oob=True)
    chosen = pl.select(pl.when(iso.is_not_null()).then(iso).when(single).then(alone))
    year = chosen.to_series().cast(pl.Int32, strict=False)
    year = year.set(year.is_null() | blank, 0)
    return Years(
        year.to_numpy().astype(np.int16),
        blank.to_numpy(),
        ((year == 0) & ~blank).to_numpy(),
        said,
    )


def _said(table: pa.Table, field: str) -> pl.Series:
    """Return the field as text, null where it is absent."""
    if field == "date":
        return pl.Series("date", pl.from_arrow(table["date"])).cast(pl.String)
    path = field.removeprefix(EXTRA)
    if not field.startswith(EXTRA) or not path or "\\" in path or "'" in path:
        raise RecipeError(f"field is {field!r}; wanted 'date', or 'extra.PATH' without quotes")
    texts = pl.Series("extra", pl.from_arrow(table["extra"])).cast(pl.String)
    # Quoted part by part, so that any key is one key.
    return texts.str.json_path_match("$" + "".join(f"['{part}']" for part in path.split(".")))
