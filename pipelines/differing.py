"""What changed between two runs: settings, counts, selections, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curator.shards import read_shard
from pipelines.looking import Found
from pipelines.running import read_run

ABSENT = "absent"


def difference(one: Path, other: Path) -> Found:
    """Return what differs between the runs in two folders."""
    before, after = read_run(one), read_run(other)
    summary = {
        "settings": _settings(before["recipe_content"], after["recipe_content"]),
        "stages": _stages(before["stages"], after["stages"]),
        "arms": _arms(before["arms"], after["arms"]),
        "comparison": _verdicts(before["comparison"], after["comparison"]),
    }
    return Found(summary, _drawn(summary, one, other))


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the places of two recipes that hold other values, defaults filled in."""
    left, right = dict(_leaves(before)), dict(_leaves(after))
    return [
        {"name": name, "before": left.get(name, ABSENT), "after": right.get(name, ABSENT)}
        for name in dict.fromkeys([*left, *right])
        if left.get(name, ABSENT) != right.get(name, ABSENT)
    ]


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}.{number}")
    else:
        yield place, value


def _stages(before: list[Any], after: list[Any]) -> list[dict[str, Any]]:
    """Return the steps whose artifacts are not the same, with the documents they let through."""
    left, right = ({stage["name"]: stage for stage in stages} for stages in (before, after))
    return [
        {
            "name": name,
            "before": left[name]["rows_out"] if name in left else ABSENT,
            "after": right[name]["rows_out"] if name in right else ABSENT,
        }
        for name in dict.fromkeys([*left, *right])
        if left.get(name, {}).get("artifact") != right.get(name, {}).get("artifact")
    ]


def _arms(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the arms whose documents differ, with the share of tokens that both took."""
    rows = []
    for name in dict.fromkeys([*before, *after]):
        pair = [arms[name]["selection"] if name in arms else None for arms in (before, after)]
        if pair[0] and pair[1] and pair[0]["manifest_hash"] == pair[1]["manifest_hash"]:
            continue
        tokens = [chosen["tokens"] if chosen else ABSENT for chosen in pair]
        both = _shared(pair[0]["path"], pair[1]["path"]) if pair[0] and pair[1] else None
        rows.append({"name": name, "before": tokens[0], "after": tokens[1], "shared": both})
    return rows


def _shared(one: str, other: str) -> float:
    """Return the share of the first selection's tokens whose documents the second took as well."""
    import pyarrow.compute as pc

    table = read_shard(one, ("doc_id", "tokens"))
    taken = pc.is_in(table["doc_id"], read_shard(other, ("doc_id",))["doc_id"].combine_chunks())
    total = pc.sum(table["tokens"]).as_py() or 1
    return float((pc.sum(table["tokens"].filter(taken)).as_py() or 0) / total)


def _verdicts(before: list[Any], after: list[Any]) -> list[dict[str, Any]]:
    """Return the comparisons whose verdicts or effects are not the same."""
    left, right = ({(row["arm"], row["metric"]): row for row in rows} for rows in (before, after))
    return [
        {
            "name": f"{key[0]} on {key[1]}",
            "before": _verdict(left.get(key)),
            "after": _verdict(right.get(key)),
        }
        for key in dict.fromkeys([*left, *right])
        if _verdict(left.get(key)) != _verdict(right.get(key))
    ]


def _verdict(row: Mapping[str, Any] | None) -> str:
    return f"{row['verdict']} ({row['effect']:+.4f})" if row else ABSENT


def _drawn(summary: Mapping[str, list[dict[str, Any]]], one: Path, other: Path) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    titles = {
        "settings": "settings of the recipe",
        "stages": "documents after a step",
        "arms": "tokens of selections",
        "comparison": "verdicts",
    }
    tables = []
    for part, rows in summary.items():
        if not rows:
            continue
        table = Table(title=titles[part])
        for heading in ("", str(one), str(other), *(["shared"] if part == "arms" else [])):
            table.add_column(heading, overflow="fold")
        for row in rows:
            cells = [row["name"], _cell(row["before"]), _cell(row["after"])]
            if part == "arms":
                cells.append("" if row["shared"] is None else f"{row['shared']:.1%}")
            table.add_row(*(Text(cell) for cell in cells))
        tables.append(table)
    return Group(*tables) if tables else "the runs are the same, to the last digest"


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
