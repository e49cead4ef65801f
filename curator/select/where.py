"""Conditions typed by a user, as restricted Polars SQL: one expression, no tables, never Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from curator.errors import RecipeError
from curator.select.spec import unknown


def condition(text: str, frame: pl.LazyFrame) -> pl.Expr:
    """Return the boolean Polars expression that `text` means over the columns of `frame`.

    `pl.sql_expr` parses a single scalar expression: no FROM, no table, no function that reads a
    file. Subqueries fail because no table is registered.

    Raises:
        RecipeError: it is no expression, names an unknown column, or is not true or false.
    """
    schema = frame.collect_schema()
    with explained(text, frame):
        expression = pl.sql_expr(text)
        faults = [
            unknown("column", name, schema)
            for name in sorted(set(expression.meta.root_names()) - set(schema))
        ]
        if faults:
            raise RecipeError("\n".join(faults), where=f"--where {text!r}")
        result = frame.select(expression).collect_schema()
    kinds = list(result.dtypes())
    if kinds != [pl.Boolean()]:
        found = ", ".join(map(str, kinds))
        raise RecipeError(
            f"is {found}; wanted a condition, true or false", where=f"--where {text!r}"
        )
    return expression


@contextmanager
def explained(text: str, frame: pl.LazyFrame) -> Iterator[None]:
    """Say of errors within that they are the condition's: some only its values bring out.

    Raises:
        RecipeError: `text` cannot be asked of the columns of `frame`, or of what they hold.
    """
    try:
        yield
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"{reason}; wanted one condition over {', '.join(frame.collect_schema())}, such as "
            "\"tokens > 100 AND source = 'wiki'\"",
            where=f"--where {text!r}",
        ) from error


def whatif(frame: pl.LazyFrame, text: str) -> dict[str, Any]:
    """Return what a pool would keep under a condition: documents and tokens, whole and by source.

    Rows are counted as they are: identical documents as often as the pool holds them. A condition
    that is null for a row does not keep it.

    Raises:
        RecipeError: as `condition`.
    """
    kept = frame.with_columns(condition(text, frame).fill_null(value=False).alias("_kept"))
    with explained(text, frame):
        table = (
            kept.group_by("source")
            .agg(
                pl.len().cast(pl.Int64).alias("documents_in"),
                pl.col("tokens").cast(pl.Int64).sum().alias("tokens_in"),
                pl.col("_kept").sum().cast(pl.Int64).alias("documents"),
                pl.col("tokens").cast(pl.Int64).filter(pl.col("_kept")).sum().alias("tokens"),
            )
            .sort("source")
            .collect(engine="streaming")
        )
    totals = {name: int(table[name].sum()) for name in table.columns if name != "source"}
    rows = {row.pop("source"): row for row in table.to_dicts()}
    return {"where": text, **totals, "sources": rows}
