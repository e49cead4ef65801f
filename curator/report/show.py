"""Documents in the terminal: where each is from, its numbers, its text with nothing hidden.

Text goes to the terminal only as `rich.text.Text` of its visible form: no markup is read from
it and no escape sequence in it reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from curator.errors import RecipeError
from curator.report.figures import plain
from curator.report.visible import one_line, shortened, visible

TEXT_LIMIT = 1200  # characters
LINE_LIMIT = 24
_NOT_SHOWN = frozenset({"doc_id", "source", "origin", "text", "parent_id", "extra"})


def documents(
    table: pa.Table, *, columns: Sequence[str] | None = None, limit: int = TEXT_LIMIT
) -> RenderableType:
    """Return the rows of `table` to read: one block a document, in the table's order.

    Beside doc_id, source, origin and text, the named `columns` are shown (default: all others
    that hold a number, a boolean or a short text). Callers sort, filter and cut the table.

    Raises:
        RecipeError: a named column is not in the table.
    """
    unknown = [name for name in columns or () if name not in table.column_names]
    if unknown:
        raise RecipeError(
            f"there are no columns {unknown}; choose from {sorted(table.column_names)}"
        )
    if not table.num_rows:
        return Text("No documents.", style="dim")
    names = columns if columns is not None else [n for n in table.column_names if _simple(table, n)]
    # One document at a time: this is for a screenful, not for a corpus.
    return Group(*(document(row, names, limit=limit) for row in table.to_pylist()))


def document(
    row: Mapping[str, object], columns: Sequence[str], *, limit: int = TEXT_LIMIT
) -> RenderableType:
    """Return one document: a title line, its numbers, its text shortened."""
    parts: list[RenderableType] = [title(row)]
    numbers = {name: row[name] for name in columns if row.get(name) is not None}
    if numbers:
        parts.append(Text("  " + numbers_line(numbers), style="cyan"))
    if row.get("text") is not None:
        body = Text(readable(str(row["text"]), limit=limit))
        parts.append(Padding(body, (0, 0, 1, 2), expand=False))
    return Group(*parts)


def title(row: Mapping[str, object]) -> Text:
    """Return the line that names a document: id (12 hex digits), source, origin, verdict."""
    line = Text(hex_id(row.get("doc_id")), style="bold")
    line.append(f"  {one_line(str(row.get('source') or ''), 40)}", style="not bold green")
    line.append(f"  {one_line(str(row.get('origin') or ''), 100)}", style="not bold dim")
    if row.get("keep") is False:
        reason = one_line(str(row.get("reason") or "no reason given"), 60)
        line.append(f"  dropped: {reason}", style="not bold red")
    return line


def readable(text: str, *, limit: int = TEXT_LIMIT, lines: int = LINE_LIMIT) -> str:
    """Return text safe to print: controls visible, at most so many characters and lines."""
    kept = visible(shortened(text, limit), lines=True).split("\n")
    if len(kept) <= lines:
        return "\n".join(kept)
    return "\n".join([*kept[:lines], f"… [{len(kept) - lines:,} more lines]"])


def numbers_line(numbers: Mapping[str, object]) -> str:
    """Return named values on one line: `sim = 0.61 · words = 122`."""
    return " · ".join(f"{one_line(name, 40)} = {_value(value)}" for name, value in numbers.items())


def hex_id(value: object, digits: int = 12) -> str:
    """Return the first hex digits of a doc_id given as bytes or as hex."""
    return (value.hex() if isinstance(value, bytes) else one_line(str(value or "?"), 32))[:digits]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return plain(value)
    return one_line(str(value), 60)


def _simple(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_label = pa.types.is_boolean(kind) or pa.types.is_string(kind)
    return name not in _NOT_SHOWN and (is_number or is_label)
