"""Scores become sidecars: settings from recipes, corpora for roles, models from the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from curator.engine.driver import Driver
from curator.errors import RecipeError
from curator.recipe import suggestion
from curator.registry import make_scorer
from curator.stage import Corpus, FittedScorer, Site
from pipelines.pool import Pool
from pipelines.splitting import Benchmark


def score(
    entries: list[dict[str, Any]],
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
    models: Mapping[str, Path],
    driver: Driver,
) -> Pool:
    """Return the pool with a sidecar beside it for every entry of a recipe's `score`."""
    scored = [score_one(entry, pool, benchmarks, models, driver) for entry in entries]
    return pool.beside(*scored)


def score_one(
    entry: Mapping[str, Any],
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
    models: Mapping[str, Path],
    driver: Driver,
) -> Any:
    """Return one scorer's sidecar. Its first column is called as the recipe's `as:` says."""
    name = entry_name(entry)
    settings = dict(entry)
    if isinstance(settings.get("model"), str) and settings["model"] in models:
        settings["model"] = str(models[settings["model"]])
    scorer = make_scorer(settings)
    site = Site()
    if isinstance(scorer, FittedScorer):
        corpora = roles(entry, scorer.learns_from, pool, benchmarks)
        site = Site(fitted=driver.fit(scorer, corpora, step=name, site=site))
    columns = scorer.writes.names
    names = {columns[0]: name} | {column: f"{name}.{column}" for column in columns[1:]}
    return driver.map_stage(
        scorer, pool.corpus, step=f"score.{name}", alive=pool.alive, site=site, rename=names
    )


def entry_name(entry: Mapping[str, Any]) -> str:
    """Return what a score is called: `as`, or the scorer's own name."""
    return str(entry.get("as") or str(entry["use"]).split(":")[-1].lower())


def roles(
    entry: Mapping[str, Any],
    wanted: tuple[str, ...],
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
) -> dict[str, Corpus]:
    """Return the corpus for each role that a scorer learns from; `raw` is the pool unless told.

    Raises:
        RecipeError: a role is not filled, or by something that does not exist.
    """
    told = dict(entry.get("learns_from") or {})
    if "raw" in wanted:
        told.setdefault("raw", "pool")
    if set(told) != set(wanted):
        raise RecipeError(
            f"{entry_name(entry)} learns from {list(wanted)}; learns_from has {sorted(told)}",
            where="score",
        )
    return {role: corpus_called(str(told[role]), pool, benchmarks) for role in wanted}


def corpus_called(what: str, pool: Pool, benchmarks: Mapping[str, Benchmark]) -> Corpus:
    """Return the corpus that a recipe calls "pool", "source:NAME" or "BENCHMARK/SPLIT"."""
    if what == "pool":
        return pool.learning()
    if what.startswith("source:"):
        return pool.learning((what.removeprefix("source:"),))
    if what in benchmarks:
        return Corpus((benchmarks[what].items,))
    raise RecipeError(
        f"learns_from {what!r} is neither 'pool', 'source:NAME' nor a benchmark's split"
        f"{suggestion(what, benchmarks)}",
        where="score",
    )


def reads_benchmarks(entry: Mapping[str, Any]) -> list[str]:
    """Return the BENCHMARK/SPLIT names whose text decides an entry's scores."""
    told = dict(entry.get("learns_from") or {}).values()
    return [str(what) for what in told if "/" in str(what)]
