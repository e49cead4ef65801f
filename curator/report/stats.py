"""Statistics of any table, shard by shard: nulls, ranges, quantiles, histograms, top values.

Memory is bounded by a shard and by the number of distinct buckets and values, and every number
is the same however the rows were cut into tables or ordered: all that is merged are integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from curator.errors import RecipeError
from curator.report.buckets import RELATIVE_ERROR, Buckets, bucketed
from curator.report.figures import grouped, plain, share, size
from curator.report.visible import one_line

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
DISTINCT_LIMIT = 256  # a column with more distinct values has no list of values
VALUE_LIMIT = 200  # bytes; a column with a longer value is text, not a label
BINS = 24
MEDIANS = 5  # numeric columns shown for each group: the last ones, where scores stand
_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class ColumnStatistics:
    """What one column holds. For strings `numbers` are lengths in bytes; else the values.

    `values` counts distinct values of strings and booleans; None: too many, or too long.
    """

    kind: str
    nulls: int = 0
    not_finite: int = 0  # NaN and infinities, in none of the numbers
    numbers: Buckets = field(default_factory=Buckets)
    values: Mapping[str, int] | None = None

    def merged(self, other: ColumnStatistics) -> ColumnStatistics:
        """Return the statistics of both columns' rows."""
        return ColumnStatistics(
            self.kind,
            self.nulls + other.nulls,
            self.not_finite + other.not_finite,
            self.numbers.merged(other.numbers),
            _added(self.values, other.values),
        )

    @property
    def top(self) -> list[tuple[str, int]]:
        """The distinct values with their counts, most frequent first, ties by value."""
        return sorted((self.values or {}).items(), key=lambda pair: (-pair[1], pair[0]))

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and text, ready for JSON."""
        edges, counts = self.numbers.histogram(BINS)
        found: dict[str, Any] = {"type": self.kind, "nulls": self.nulls}
        if self.not_finite:
            found["not_finite"] = self.not_finite
        if self.numbers.count:
            found |= {
                "of": "bytes" if _is_text(self.kind) else "values",
                "min": self.numbers.least,
                "max": self.numbers.greatest,
                "mean": self.numbers.mean,
                "quantiles": {str(q): self.numbers.quantile(q) for q in QUANTILES},
                "quantile_error": RELATIVE_ERROR,
                "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
            }
        if self.values is not None:
            found["values"] = dict(self.top)
        return found


@dataclass(frozen=True)
class Statistics:
    """What a table holds: rows, bytes of text, columns, drops by reason, and the same by group."""

    rows: int = 0
    text_bytes: int = 0
    columns: Mapping[str, ColumnStatistics] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Statistics] = field(default_factory=dict)
    by: str = ""

    def merged(self, other: Statistics) -> Statistics:
        """Return the statistics of both tables' rows."""
        columns = dict(self.columns)
        for name, column in other.columns.items():
            columns[name] = columns[name].merged(column) if name in columns else column
        groups = dict(self.groups)
        for name, group in other.groups.items():
            groups[name] = groups[name].merged(group) if name in groups else group
        return Statistics(
            self.rows + other.rows,
            self.text_bytes + other.text_bytes,
            columns,
            _counted(self.dropped, other.dropped),
            groups,
            self.by or other.by,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and text, ready for JSON; groups in alphabetical order."""
        found: dict[str, Any] = {
            "rows": self.rows,
            "bytes": self.text_bytes,
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "dropped": dict(sorted(self.dropped.items())),
        }
        if self.by:
            found["by"] = self.by
            found["groups"] = {name: self.groups[name].to_json() for name in sorted(self.groups)}
        return found

    def __rich__(self) -> RenderableType:
        """Return what `curator stats` prints."""
        parts: list[RenderableType] = [_heading(self), _column_table(self)]
        if self.dropped:
            parts.append(_dropped_table(self))
        if self.groups:
            parts += [Text(), _group_table(self)]
        return Group(*parts)


def table_statistics(tables: Iterable[pa.Table], *, by: str | None = None) -> Statistics:
    """Return the statistics of all rows of `tables`, one table in memory at a time.

    `by` names a column whose values each get statistics of their own ("source").

    Raises:
        RecipeError: `by` is not a column of the tables.
    """
    return reduce(lambda found, table: found.merged(_of_table(table, by)), tables, Statistics())


def _of_table(table: pa.Table, by: str | None) -> Statistics:
    if by is not None and by not in table.column_names:
        raise RecipeError(
            f"there is no column {by!r} to group by; choose one of {sorted(table.column_names)}"
        )
    columns = {name: _of_column(table[name]) for name in table.column_names}
    groups = {}
    if by is not None:
        for value in pc.unique(table[by]).to_pylist():
            same = pc.is_null(table[by]) if value is None else pc.equal(table[by], value)
            name = "(null)" if value is None else str(value)
            groups[name] = _of_table(table.filter(same), None)
    text = columns.get("text")
    return Statistics(
        table.num_rows,
        _total(text.numbers) if text is not None else 0,
        columns,
        _drops(table),
        groups,
        by or "",
    )


def _total(lengths: Buckets) -> int:
    return lengths.total >> 1074  # lengths are whole numbers


def _drops(table: pa.Table) -> dict[str, int]:
    if not {"keep", "reason"} <= set(table.column_names):
        return {}
    refused = table.filter(pc.equal(table["keep"], pa.scalar(value=False)))
    counts = pc.value_counts(pc.fill_null(refused["reason"].cast(pa.string()), "(no reason)"))
    return {pair["values"]: pair["counts"] for pair in counts.to_pylist()}


def _of_column(column: pa.ChunkedArray) -> ColumnStatistics:
    kind, nulls = str(column.type), column.null_count
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
        kind = str(column.type)
    present = column.drop_null()
    if _is_text(kind):
        lengths = pc.binary_length(present).to_numpy()
        return ColumnStatistics(kind, nulls, 0, bucketed(lengths), _few(present, lengths))
    if pa.types.is_boolean(column.type):
        return ColumnStatistics(kind, nulls, values=_few(present.cast(pa.string()), None))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = present.to_numpy().astype(np.float64)
        finite = np.isfinite(numbers)
        return ColumnStatistics(kind, nulls, int((~finite).sum()), bucketed(numbers[finite]))
    return ColumnStatistics(kind, nulls)


def _is_text(kind: str) -> bool:
    return kind in ("string", "large_string", "string_view")


def _few(present: pa.ChunkedArray, lengths: Any | None) -> dict[str, int] | None:
    if lengths is not None and len(lengths) and int(lengths.max()) > VALUE_LIMIT:
        return None
    counts = pc.value_counts(present)
    if len(counts) > DISTINCT_LIMIT:
        return None
    return {pair["values"]: pair["counts"] for pair in counts.to_pylist()}


def _added(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> dict[str, int] | None:
    """Return the counts of both, None once there are too many: whatever the order of merging."""
    if one is None or other is None:
        return None
    both = _counted(one, other)
    return both if len(both) <= DISTINCT_LIMIT else None


def _counted(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    both = dict(one)
    for value, count in other.items():
        both[value] = both.get(value, 0) + count
    return both


def sparkline(counts: Iterable[int]) -> str:
    """Return a histogram as one line of block characters; anything above zero shows."""
    heights = list(counts)
    highest = max(heights, default=0) or 1
    return "".join(_BARS[-(-8 * height // highest)] for height in heights)


def _heading(found: Statistics, title: str = "all rows") -> Text:
    heading = Text(one_line(title, 80), style="bold")
    rest = f"  {grouped(found.rows)} rows"
    return heading.append(
        rest + (f", {size(found.text_bytes)} of text" if found.text_bytes else ""), style="not bold"
    )


def _column_table(found: Statistics) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("column", no_wrap=True)
    for name in ("nulls", "min", "5 %", "median", "95 %", "max", "mean"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("distribution", overflow="ellipsis")
    for name, column in found.columns.items():
        numbers = column.numbers
        if not (numbers.count or column.values):
            continue  # ids, and what is always null; --json lists them
        cells = [_name(name, column), _nulls(column, found.rows)]
        if numbers.count:
            shown = (
                numbers.least,
                *(numbers.quantile(q) for q in (0.05, 0.5, 0.95)),
                numbers.greatest,
                numbers.mean,
            )
            cells += [Text(plain(_short(value))) for value in shown if value is not None]
        else:
            cells += [Text("")] * 6
        table.add_row(*cells, _shape(column))
    return table


def _short(value: float) -> float | int:
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _name(name: str, column: ColumnStatistics) -> Text:
    """Return a column's name, and what its numbers are of where they are not its values."""
    shown = Text(one_line(name, 40))
    return shown.append(" (bytes)", style="dim") if _is_text(column.kind) else shown


def _group_table(found: Statistics) -> Table:
    """Return one row a group: rows, drops, text, and the medians of the last numbers there are."""
    numeric = [
        name
        for name, column in found.columns.items()
        if column.numbers.count and not _is_text(column.kind)
    ]
    shown = numeric[-MEDIANS:]
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(one_line(found.by, 40), no_wrap=True)
    for name in ("rows", "dropped", "text", *(f"median {one_line(name, 24)}" for name in shown)):
        table.add_column(name, justify="right")
    for name in sorted(found.groups):
        group = found.groups[name]
        medians = [group.columns[each].numbers.quantile(0.5) for each in shown]
        table.add_row(
            Text(one_line(name, 40)),
            grouped(group.rows),
            share(sum(group.dropped.values()), group.rows),
            size(group.text_bytes),
            *("" if value is None else plain(_short(value)) for value in medians),
        )
    return table


def _nulls(column: ColumnStatistics, rows: int) -> Text:
    if column.not_finite:
        return Text(f"{share(column.nulls, rows)} + {column.not_finite} NaN", style="yellow")
    return Text(share(column.nulls, rows) if column.nulls else "")


def _shape(column: ColumnStatistics) -> Text:
    if column.values is not None:
        leading = ", ".join(f"{one_line(value, 24)} {grouped(n)}" for value, n in column.top[:3])
        more = f" … {len(column.values)} values" if len(column.values) > 3 else ""
        return _line(leading + more)
    if not column.numbers.count:
        return Text("")
    _, counts = column.numbers.histogram(BINS)
    return _line(sparkline(counts.tolist()) + " log" * column.numbers.is_wide)


def _line(shown: str) -> Text:
    """Return text that a narrow terminal cuts short and does not wrap."""
    return Text(shown, no_wrap=True, overflow="ellipsis")


def _dropped_table(found: Statistics) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("dropped, by reason")
    table.add_column("documents", justify="right")
    table.add_column("of all", justify="right")
    for reason, count in sorted(found.dropped.items(), key=lambda pair: (-pair[1], pair[0])):
        table.add_row(Text(one_line(reason, 60)), grouped(count), share(count, found.rows))
    return table
