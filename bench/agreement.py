"""Do small proxies order recipes as a larger one does?

    python -m bench.agreement RUN_SMALL RUN_MEDIUM RUN_LARGE --out agreement.json

Each folder is a run or a leaderboard of the same recipes with another proxy or budget; the one
that took most arithmetic is the truth. Printed for every metric that all have: the share of pairs
of recipes ordered alike (decision accuracy) with a 95 % interval over recipes and seeds, Kendall's
tau-b, Spearman's rho with p by permutation, and the spread over recipes over the noise over seeds.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curator.errors import RecipeError
from curator.evaluate.agreement import Agreement, Spread, agreement, spread_of
from curator.evaluate.metrics import kind_of
from curator.shards import write_atomically


@dataclass(frozen=True)
class Scale:
    """One folder's numbers: metric -> recipe -> one a seed."""

    name: str
    size: tuple[int, int]  # weights of the blocks, tokens
    texts: dict[str, str]
    values: dict[str, dict[str, list[float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="of finished runs or leaderboards")
    parser.add_argument("--out", type=Path, help="a JSON file")
    parser.add_argument("--metric", action="append", help="only this one; may be repeated")
    asked = parser.parse_args()
    scales = sorted((scale_of(folder) for folder in asked.folders), key=lambda each: each.size)
    if len(scales) < 2:
        raise RecipeError("one folder; wanted at least two, of the same recipes")
    *small, large = scales
    rows = [
        {"metric": metric, "scale": each.name, "against": large.name, **row(each, large, metric)}
        for metric in asked.metric or sorted(set.intersection(*(set(s.values) for s in scales)))
        for each in small
    ]
    print(f"against {large.name}; {len(common(small[0], large, rows[0]['metric']))} recipes")
    for found in rows:
        print(line(found))
    if asked.out:
        content: dict[str, Any] = {"scales": [asdict(each) for each in scales], "rows": rows}
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(asked.out, json.dumps(content, indent=1).encode())


def scale_of(folder: Path) -> Scale:
    """Return the numbers of a finished run or leaderboard."""
    run = json.loads((folder / "run.json").read_text())
    arms = {name: arm for name, arm in run["arms"].items() if arm["evaluation"]}
    if not arms:
        raise RecipeError("no arm was trained and evaluated", where=str(folder))
    first = next(iter(arms.values()))["proxies"][0]
    values: dict[str, dict[str, list[float]]] = {}
    for name, arm in arms.items():
        for metric, numbers in arm["evaluation"].items():
            values.setdefault(metric, {})[name] = numbers
    size = (int(first["parameters"]["blocks"]), int(first["tokens"]))
    return Scale(f"{size[0] / 1e6:.2f}M x {size[1]:,} tokens", size, run["texts"], values)


def common(small: Scale, large: Scale, metric: str) -> list[str]:
    """Return the recipes that both measured."""
    if small.texts.get(metric) != large.texts.get(metric):
        raise RecipeError(f"{metric}: measured on other texts; run both on one corpus")
    return [name for name in small.values[metric] if name in large.values[metric]]


def row(small: Scale, large: Scale, metric: str) -> dict[str, Any]:
    """Return agreement and spread of one metric at one scale, as plain JSON types."""
    recipes = common(small, large, metric)
    few, many = ([scale.values[metric][name] for name in recipes] for scale in (small, large))
    seeds = min(map(len, few))
    spread = None if seeds < 2 else spread_of(np.array([each[:seeds] for each in few]))
    return {
        **asdict(agreement(few, many)),
        "spread": None if spread is None else asdict(spread),
        "unit": kind_of(metric).unit,
    }


def line(found: dict[str, Any]) -> str:
    """Return a row as text."""
    names = Agreement.__dataclass_fields__
    each = Agreement(**{name: found[name] for name in names})
    spread = Spread(**found["spread"]) if found["spread"] else None
    ratio = f"spread/noise {spread.ratio:.1f}" if spread else ""
    return (
        f"{found['metric']:28} {found['scale']:24} pairs ordered alike {each.accuracy:.2f} "
        f"({each.low:.2f} to {each.high:.2f})  tau {each.tau:+.2f}  rho {each.spearman:+.2f} "
        f"(p {each.p:.3f})  {ratio}"
    )


if __name__ == "__main__":
    main()
