"""Proxies on a mixture by themselves, and runs compared with each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from curator.errors import RecipeError
from curator.recipe import TrainSpec, suggestion
from curator.report.visible import one_line
from pipelines.handing import mixture_at
from pipelines.looking import Found
from pipelines.running import open_engine, read_run, resumable


def train_mixture(
    path: Path,
    *,
    arm: str,
    proxy: str,
    tokens: int,
    seeds: int,
    store: Path,
    workers: int | None,
    quiet: bool,
    device: str = "cpu",
) -> Found:
    """Train proxies on one mixture from the seeds 1 to `seeds`; finished ones are served.

    Raises:
        RecipeError: there is no such proxy, arm or device.
        ShardError: a run diverged.
    """
    from rich.table import Table
    from rich.text import Text

    from curator.engine.driver import Driver
    from curator.ledger import Store
    from curator.train.proxy import find_proxy
    from pipelines.registering import register_folders
    from pipelines.training import require_device, train_arms

    mixture = mixture_at(path, arm)
    find_proxy(proxy)
    require_device(device)
    spec = TrainSpec(proxy=proxy, tokens=tokens, seeds=list(range(1, seeds + 1)))
    name, place = arm or mixture.name, Store(store.absolute())
    with resumable(), open_engine("inline", None, workers) as engine, place.writing():
        driver = Driver(place, engine, quiet=quiet)
        folders = train_arms(spec, {name: mixture}, driver, device=device)[name]
        register_folders(place, [mixture, *folders])
    runs = [json.loads((folder / "run.json").read_text()) for folder in folders]
    rows = [
        {"folder": str(folder), **{key: run[key] for key in ("seed", "tokens", "final_loss")}}
        for folder, run in zip(folders, runs, strict=True)
    ]
    table = Table(title=Text(one_line(f"{proxy} on {mixture.name}", 200)))
    for heading in ("seed", "tokens", "final loss", "folder"):
        table.add_column(heading, justify="left" if heading == "folder" else "right")
    for row in rows:
        loss = f"{row['final_loss']:.4f}"
        table.add_row(str(row["seed"]), f"{row['tokens']:,}", loss, Text(row["folder"]))
    return Found({"mixture": str(mixture), "proxy": proxy, "proxies": rows}, table)


def compare_run_folders(folders: Sequence[Path], baseline: str, metric: str) -> Found:
    """Return every arm of some runs against one of them, paired by seed, on texts they share.

    Args:
        folders: of finished runs; arms of several are called RUN/ARM, where RUN is the folder's
            name, or its path as given if two have the same name.
        baseline: the arm that the others are compared with; the first run's own unless given.
        metric: only this one.

    Raises:
        RecipeError: no such arm or metric, no metric in common, or runs that may not be compared.
        BudgetError: fewer than two seeds in common.
    """
    called = _called(folders)
    runs = {called[folder]: read_run(folder) for folder in folders}
    arms = dict(_arms(runs))
    if not arms:
        names = ", ".join(str(folder) for folder in folders)
        raise RecipeError(f"{names}: no arm was trained and evaluated, so nothing can be compared")
    first = next(iter(runs.values()))
    chosen = baseline or f"{next(iter(runs))}{first['baseline']}"
    if chosen not in arms:
        raise RecipeError(f"--baseline: no trained arm {chosen!r}{suggestion(chosen, arms)}")
    measured = set.intersection(*(set(arm["evaluation"]) for arm in arms.values()))
    metrics = [name for name in arms[chosen]["evaluation"] if name in measured]
    if metric and metric not in metrics:
        raise RecipeError(f"--metric: no common metric {metric!r}{suggestion(metric, metrics)}")
    rows = [row for name in ([metric] if metric else metrics) for row in _rows(name, arms, chosen)]
    if not rows:
        raise RecipeError("nothing to compare; wanted two trained arms with a metric in common")
    return Found({"baseline": chosen, "comparison": rows}, _drawn(rows, chosen))


def _called(folders: Sequence[Path]) -> dict[Path, str]:
    """Return what the names of each run's arms begin with: nothing, its name or its path.

    Raises:
        RecipeError: a run is given twice.
    """
    if len(folders) == 1:
        return {folders[0]: ""}
    places = [folder.resolve() for folder in folders]
    twice = sorted({str(place) for place in places if places.count(place) > 1})
    if twice:
        raise RecipeError(f"{', '.join(twice)} is given more than once; give each run once")
    names = [place.name for place in places]
    unique = len(set(names)) == len(names)
    return {
        folder: f"{place.name if unique else folder}/"
        for folder, place in zip(folders, places, strict=True)
    }


def _arms(runs: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each trained arm with its numbers and what must be equal to compare."""
    for prefix, run in runs.items():
        for name, arm in run["arms"].items():
            if arm["evaluation"]:
                known = {"texts": run["texts"], "tokenizer": run["tokenizer_digest"]}
                yield f"{prefix}{name}", {**arm, **known}


def _rows(metric: str, arms: Mapping[str, Any], baseline: str) -> list[dict[str, Any]]:
    from curator.evaluate.metrics import kind_of
    from curator.evaluate.statistics import compare_all

    measured = {name: _measurements(metric, arm) for name, arm in arms.items()}
    effects = compare_all(measured, baseline, kind_of(metric))
    weak = [name for name, arm in arms.items() if metric in arm.get("at_chance", ())]
    return [
        {
            "arm": name,
            "metric": metric,
            **asdict(effect),
            "at_chance": name in weak and baseline in weak,
        }
        for name, effect in effects.items()
    ]


def _measurements(metric: str, arm: Mapping[str, Any]) -> list[Any]:
    """Return one measurement a seed of an arm, with all that must agree."""
    from curator.evaluate.statistics import Measurement
    from pipelines.comparing import window_of

    return [
        Measurement(
            seed=proxy["seed"],
            value=value,
            tokens=proxy.get("budget", proxy["tokens"]),
            tokenizer=arm["tokenizer"],
            evaluation=arm["texts"].get(metric, ""),
            precision=proxy["precision"],
            proxy=proxy["proxy"],
            status=proxy["status"],
            window=window_of(proxy),
        )
        for proxy, value in zip(arm["proxies"], arm["evaluation"][metric], strict=True)
    ]


def _drawn(rows: Sequence[Mapping[str, Any]], baseline: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    from curator.evaluate.metrics import kind_of

    def words(text: str) -> Text:
        return Text(one_line(text, 200))

    table = Table(title=words(f"each arm minus {baseline}"))
    for heading in (
        "metric",
        "unit",
        "better",
        "arm",
        "effect",
        "95 % interval",
        "seeds",
        "verdict",
    ):
        number = heading in ("effect", "95 % interval", "seeds")
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        needed, kind = row["seeds_needed"], kind_of(row["metric"])
        verdict = row["verdict"] + (f" ({needed} seeds would decide)" if needed else "")
        alone = "" if row["covers"] == "text" else ", of this text alone"
        table.add_row(
            words(row["metric"]), kind.unit, kind.better, words(row["arm"]),
            f"{row['effect']:+.4f}", f"{row['low']:+.4f} to {row['high']:+.4f}", str(row["n"]),
            verdict + alone + (", at chance" if row["at_chance"] else ""),
        )  # fmt: skip
    return table
