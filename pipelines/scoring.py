"""Scores become sidecars: settings from recipes, corpora for roles, models from the store.

A scorer may read what other stages make of the text (vectors, losses of models) and what earlier
scores of the recipe say; each such sidecar is made once, whoever asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curator.dedup.target_overlap import refuse_overlap
from curator.engine.driver import Driver
from curator.engine.shuffle import rows_in_shard
from curator.errors import PluginError, RecipeError, shown
from curator.generate.targets import ROLE as FINAL_TARGET
from curator.ledger import Artifact
from curator.recipe import Recipe, suggestion
from curator.registry import AnyScorer, make_scorer
from curator.schema import conform, places_of
from curator.shards import Shard, read_shard
from curator.stage import Corpus, FittedScorer, Site, Stage, WideScorer
from pipelines.lenient import words
from pipelines.pool import Pool
from pipelines.splitting import Benchmark

DEFAULT_ROLES: Final = {"raw": "pool", "bad": "pool"}  # what is learned from unless told
ANSWERS: Final = "answers"  # folder of the store for what costs much to ask again


@dataclass(frozen=True)
class Teachers:
    """What scorers learn from besides the pool: benchmarks, models, and the roles of a corpus."""

    benchmarks: Mapping[str, Benchmark] = field(default_factory=dict)
    models: Mapping[str, Path] = field(default_factory=dict)
    roles: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    final: str | None = None  # the split that the result will be judged by, "arc_easy/test"
    pool: Pool | None = None  # what "pool" means to those who learn, where that is not all of it


def teachers_of(
    recipe: Recipe,
    benchmarks: Mapping[str, Benchmark],
    models: Mapping[str, Path] = MappingProxyType({}),
) -> Teachers:
    """Return what a recipe's scorers learn from besides the pool."""
    final = recipe.evaluate.final_target if recipe.evaluate else None
    return Teachers(benchmarks, models, recipe.corpus.roles, final)


def score(
    entries: Sequence[Mapping[str, Any]], pool: Pool, teachers: Teachers, driver: Driver
) -> Pool:
    """Return the pool with a sidecar beside it for every entry of a recipe's `score`, in order."""
    for entry in entries:
        pool = pool.beside(score_one(entry, pool, teachers, driver))
    return pool


def score_one(entry: Mapping[str, Any], pool: Pool, teachers: Teachers, driver: Driver) -> Artifact:
    """Return one scorer's sidecar. Its first column is called as the recipe's `as:` says."""
    name = entry_name(entry)
    scorer = made_scorer(entry, teachers)
    names = column_names(name, scorer.writes)
    return _sidecar(scorer, f"score.{name}", entry, pool, teachers, driver, names)


def column_names(name: str, writes: pa.Schema) -> dict[str, str]:
    """Return what the columns of a score are called in a run: NAME, and NAME.COLUMN for others."""
    first, *others = writes.names
    return {first: name} | {column: f"{name}.{column}" for column in others}


def made_scorer(entry: Mapping[str, Any], teachers: Teachers) -> AnyScorer:
    """Return the scorer of an entry, with the recipe's models in place of their names."""
    return make_scorer(with_models(entry, teachers.models))


def with_models(entry: Mapping[str, Any], models: Mapping[str, Path]) -> dict[str, Any]:
    """Return an entry of `score` or `refine` with folders in place of the recipe's models."""
    settings = dict(entry)
    if isinstance(settings.get("model"), str) and settings["model"] in models:
        settings["model"] = str(models[settings["model"]])
    if isinstance(settings.get("models"), list):
        found = [folders_of(str(one), models) for one in settings["models"]]
        settings["models"] = [str(folder) for folders in found for folder in folders]
    return settings


def folders_of(name: str, models: Mapping[str, Path]) -> list[Path | str]:
    """Return the folders that a name stands for: a model's, all of a swarm's, or itself."""
    if name in models:
        return [models[name]]
    swarm = [one for one in models if one.rpartition("-")[0] == name]
    numbered = [one for one in swarm if one.rpartition("-")[2].isdigit()]
    return [models[one] for one in sorted(numbered, key=_number)] or [name]


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _sidecar(
    stage: Stage | WideScorer,
    step: str,
    entry: Mapping[str, Any],
    pool: Pool,
    teachers: Teachers,
    driver: Driver,
    names: Mapping[str, str],
) -> Artifact:
    """Return what a stage makes of the pool, having made what it reads beside it."""
    beside = [
        _sidecar(one, one.name, {"use": one.name}, pool, teachers, driver, {})
        for one in stage.beside
    ]
    beside += [_earlier(name, pool) for name in stage.scores]
    site = Site(cache=driver.store.root / ANSWERS)
    wanted = getattr(stage, "learns_from", ())
    if wanted and isinstance(stage, FittedScorer | WideScorer):
        corpora = corpora_of(stage, entry, pool, teachers, beside)
        fitted = driver.fit(stage, corpora, step=step.removeprefix("score."), site=site)
        site = replace(site, fitted=fitted)
    if isinstance(stage, WideScorer):
        reduced = driver.shuffle_stage(
            stage, pool.corpus, step=step, sidecars=beside, alive=pool.alive, site=site
        )
        home = Home(stage.writes)
        return driver.route(home, reduced, pool.corpus, step=step, alive=pool.alive, rename=names)
    return driver.map_stage(
        stage, pool.corpus, step=step, sidecars=beside, alive=pool.alive, site=site, rename=names
    )


def _earlier(name: str, pool: Pool) -> Artifact:
    found = pool.sidecar(f"score.{name}")
    if found is None:
        known = [s.name.removeprefix("score.") for s in pool.sidecars if s.name[:6] == "score."]
        raise RecipeError(
            f"there is no earlier score {name!r}{suggestion(name, known)}", where="score"
        )
    return found


@dataclass(frozen=True)
class Home:
    """Puts the rows that a wide scorer returned back beside the documents of one shard."""

    schema: pa.Schema

    def __call__(self, n_rows: int, reduced: pa.Table) -> pa.Table:
        """Return one row a document of the shard; null where the scorer said nothing."""
        rows = rows_in_shard(reduced["row"])
        if len(rows) and (rows.max() >= n_rows or len(np.unique(rows)) < len(rows)):
            raise PluginError(f"a wide scorer returned rows {rows} of {n_rows}; wanted each once")
        told = reduced.select(self.schema.names).take(places_of(rows, n_rows))
        return conform(told, self.schema, where="wide scorer")


def entry_name(entry: Mapping[str, Any]) -> str:
    """Return what a score is called: `as`, or the scorer's own name."""
    return str(entry.get("as") or str(entry["use"]).split(":")[-1].lower())


def models_asked(entry: Mapping[str, Any]) -> list[str]:
    """Return the names, or the places, of the models that an entry of `score` asks."""
    return words([entry.get("model"), *words(entry.get("models"))])


def needed(entries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entries that some scores take: themselves and those that they read, in order."""
    wanted = set(names)
    kept = []
    for entry in reversed(entries):
        if entry_name(entry) in wanted:
            wanted |= set(make_scorer(entry).scores)
            kept.append(dict(entry))
    return kept[::-1]


def roles(
    entry: Mapping[str, Any],
    wanted: Sequence[str],
    pool: Pool,
    teachers: Teachers,
    beside: Sequence[Artifact] = (),
) -> dict[str, Corpus]:
    """Return the corpus for each role that a scorer learns from.

    Raises:
        RecipeError: a role is not filled, or by something that does not exist.
    """
    told = learned_from(entry, wanted, teachers.roles)
    keep_from_final([one for _, what in told for one in what], teachers)
    known = pool if teachers.pool is None else teachers.pool
    return {role: corpus_called(what, known, teachers.benchmarks, beside) for role, what in told}


def corpora_of(
    stage: Any,
    entry: Mapping[str, Any],
    pool: Pool,
    teachers: Teachers,
    beside: Sequence[Artifact] = (),
) -> dict[str, Corpus]:
    """Return what a stage learns from: its roles, and the final target's items if it shuns them."""
    corpora = roles(entry, stage.learns_from, pool, teachers, beside)
    final = _final(teachers)
    if final is not None and getattr(stage, "shuns_final_target", False):
        corpora[FINAL_TARGET] = Corpus((final.items,))
    return corpora


def keep_from_final(learned: Sequence[str], teachers: Teachers, *, where: str = "score") -> None:
    """Return only if no benchmark items that are learned from repeat those of the final target.

    Raises:
        RecipeError: some do.
    """
    final = _final(teachers)
    if final is None:
        return
    for name in dict.fromkeys(one for one in learned if one in teachers.benchmarks):
        _require_apart(teachers.benchmarks[name].items, final.items, f"{where}, learns_from {name}")


@lru_cache  # a leaderboard asks for every arm, before it runs and after
def _require_apart(examples: Shard, final: Shard, where: str) -> None:
    """Raise where benchmark items repeat those of the final target."""
    told = [read_shard(one, ("source", "text")) for one in (examples, final)]
    refuse_overlap(*told, where=where)


def _final(teachers: Teachers) -> Benchmark | None:
    """Return the split that the result will be judged by; None if there is none."""
    return teachers.benchmarks.get((teachers.final or "").partition("#")[0])


def learned_from(
    entry: Mapping[str, Any], wanted: Sequence[str], known: Mapping[str, Any]
) -> list[tuple[str, tuple[str, ...]]]:
    """Return (role, what fills it) for every role that a scorer learns from.

    A role that the entry leaves out is that of the corpus, else "pool" if that is its default; a
    value may be the name of one of the corpus's roles.

    Args:
        entry: of a recipe's `score`.
        wanted: the scorer's roles.
        known: the corpus's roles: "pool", "source:NAME", "BENCHMARK/SPLIT", or a list of such.

    Raises:
        RecipeError: a role that the scorer has not, or one that nothing fills.
    """
    told = entry.get("learns_from") or {}
    if not isinstance(told, Mapping):
        raise RecipeError(
            f"{entry_name(entry)}: learns_from is {shown(told)}; wanted a mapping of "
            f"{list(wanted)}",
            where="score",
        )
    missing = [r for r in wanted if r not in told and r not in known and r not in DEFAULT_ROLES]
    if missing or set(told) - set(wanted):
        raise RecipeError(
            f"{entry_name(entry)}: learns_from has roles {sorted(map(str, told))}, corpus.roles "
            f"has {sorted(known)}; wanted {list(wanted)}",
            where="score",
        )
    found = []
    for role in wanted:
        what = told.get(role, known.get(role, DEFAULT_ROLES.get(role)))
        what = known.get(what, what) if isinstance(what, str) else what
        found.append((role, texts_named(what)))
    return found


def texts_named(what: Any) -> tuple[str, ...]:
    """Return the one name or the several that a role, or a `learns_from`, stands for.

    Raises:
        RecipeError: these are no names.
    """
    named = (what,) if isinstance(what, str) else what or ()
    if not isinstance(named, list | tuple) or not all(isinstance(one, str) for one in named):
        raise RecipeError(
            f"learns from {shown(what)}; wanted 'pool', 'source:NAME', 'BENCHMARK/SPLIT', or a "
            "list of such names",
            where="score",
        )
    return tuple(named)


def corpus_called(
    what: Sequence[str],
    pool: Pool,
    benchmarks: Mapping[str, Benchmark],
    beside: Sequence[Artifact] = (),
) -> Corpus:
    """Return the corpus that a recipe calls "pool", "source:NAME" or "BENCHMARK/SPLIT".

    Several sources, or several splits, are one corpus.
    """
    if list(what) == ["pool"]:
        return pool.learning(beside=beside)
    sources = tuple(one.removeprefix("source:") for one in what if one.startswith("source:"))
    if sources and len(sources) == len(what):
        return pool.learning(sources, beside)
    if what and all(one in benchmarks for one in what):
        return Corpus(tuple(benchmarks[one].items for one in what))
    strange = next((one for one in what if one not in benchmarks), what)
    raise RecipeError(
        f"learns_from {strange!r} is neither 'pool', 'source:NAME' nor a benchmark's split, or "
        f"mixes them{suggestion(str(strange), benchmarks)}",
        where="score",
    )
