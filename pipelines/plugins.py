"""What is installed: scorers and refiners with their settings, and what this machine has."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path
from typing import Any

import pyarrow as pa

from curator.errors import CuratorError
from curator.refine.finding import REFINERS
from curator.registry import SCORERS, Plugins
from curator.schema import field_note
from curator.stage import library_versions
from pipelines.looking import Found

_LIBRARIES = (
    "curator-lm", "numpy", "pyarrow", "polars", "numba", "torch", "ray", "fasttext-community",
    "faiss-cpu", "sentence-transformers", "transformers", "tokenizers", "datasets",
)  # fmt: skip


def describe_scorers(name: str | None) -> Found:
    """Return all scorers, or one with its settings."""
    rows = [scorer_row(one) for one in ([name] if name else SCORERS.names())]
    return Found({"scorers": rows}, _described(rows[0]) if name else _listed(rows, "writes"))


def describe_refiners(name: str | None) -> Found:
    """Return all refiners, or one with its settings."""
    rows = [_row(REFINERS, one) for one in ([name] if name else REFINERS.names())]
    return Found({"refiners": rows}, _described(rows[0]) if name else _listed(rows, "kind"))


def _listed(rows: list[dict[str, Any]], second: str) -> Any:
    """Return a line a plug-in; a broken one says why."""
    from rich.table import Table
    from rich.text import Text

    from curator.report.visible import one_line

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("use", no_wrap=True)
    for heading in ("learns from", second, "what it says"):
        table.add_column(heading)
    for row in rows:
        broken = "error" in row
        said = Text(one_line(row["error" if broken else "about"], 400), style="red" * broken)
        shown = row.get("kind", "") if second == "kind" else _column(row)
        table.add_row(row["use"], ", ".join(row.get("learns_from", [])), shown, said)
    return table


def _column(row: dict[str, Any]) -> str:
    """Return a score's column with its unit and direction."""
    if not row.get("column"):
        return ""
    return f"{row['column']} ({row['unit']}; {row['better']} is better)"


def _described(row: dict[str, Any]) -> Any:
    """Return one plug-in as lines: what it says, needs, writes, and its settings with defaults."""
    from rich.table import Table
    from rich.text import Text

    from curator.report.visible import one_line

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("use", row["use"])
    table.add_row("from", row["package"])
    if "error" in row:
        table.add_row("error", Text(one_line(row["error"], 400), style="red"))
        return table
    table.add_row("says", Text(one_line(row["about"], 400)))
    table.add_row("learns from", ", ".join(row["learns_from"]) or "nothing")
    table.add_row(
        *(("makes", f"{row['kind']} text") if "kind" in row else ("writes", _column(row)))
    )
    for setting, default in row["settings"].items():
        table.add_row(Text(f"  {setting}"), Text(default))
    return table


def scorer_row(name: str) -> dict[str, Any]:
    """Return what is to be known of one scorer; a broken plug-in is a row that says so."""
    row = _row(SCORERS, name)
    if "error" in row:
        return row
    row |= {"column": "", "unit": "", "better": ""}
    kind = SCORERS.find(name)
    try:
        declared: Any = kind.writes  # a schema, or a property where it depends on settings
        field = (declared if isinstance(declared, pa.Schema) else kind().writes).field(0)
    except (TypeError, CuratorError):
        return row  # it needs a setting before it can say more
    return row | {
        "column": field.name,
        "unit": field_note(field, "unit"),
        "better": field_note(field, "better"),
    }


def _row(plugins: Plugins, name: str) -> dict[str, Any]:
    """Return what every kind of plug-in has; a broken one says why."""
    try:
        kind = plugins.find(name)
    except CuratorError as error:
        if name not in plugins.names():
            raise
        return {"use": name, "package": plugins.package(name), "error": str(error)}
    row = {
        "use": name,
        "package": plugins.package(name),
        "about": (kind.__doc__ or "").strip().splitlines()[0],
        "learns_from": list(getattr(kind, "learns_from", ())),
        "settings": {f.name: _default(f) for f in dataclasses.fields(kind)},
    }
    return row | ({"kind": kind.kind} if plugins is REFINERS else {})


def examine() -> Found:
    """Return versions, weights, cores, memory and disk, with what to do about what is missing."""
    import psutil
    from rich.table import Table

    from curator.weights import describe

    versions = library_versions(_LIBRARIES)
    disk = psutil.disk_usage(str(Path.cwd()))
    facts = {
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "disk_free_gib": round(disk.free / 2**30, 1),
    }
    weights = describe()
    table = Table(title="this machine", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in {**facts, **versions}.items():
        table.add_row(what, f"[red]{value}" if value == "absent" else str(value))
    for row in weights:
        found = row.get("path") or f"[yellow]absent: {row.get('install', '')}"
        table.add_row(f"weights: {row.get('name', '')}", str(found))
    return Found({**facts, "versions": versions, "weights": weights}, table)


def _default(setting: dataclasses.Field[Any]) -> str:
    if setting.default is not dataclasses.MISSING:
        return repr(setting.default)
    return "required" if setting.default_factory is dataclasses.MISSING else "()"
