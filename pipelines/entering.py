"""Recipes enter a leaderboard: one pool, one training budget, and each arm under one name.

What must be equal for arms to be compared is checked on what the recipes say, so that whatever is
wrong with any of them is told at once and before anything runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

from curator.arm_spec import ArmSpec
from curator.errors import RecipeError, shown
from curator.identity import fingerprint
from curator.ledger import Store
from curator.recipe import ModelSpec, Recipe, TrainSpec, suggestion
from pipelines.check import load_recipe
from pipelines.conducting import conducts_of
from pipelines.live import ranked_by, staged_specs
from pipelines.placebos import chain, placebos
from pipelines.scoring import models_asked
from pipelines.training import TrainJob, jobs_of

RANDOM = "random"  # the baseline where recipes name none
_OF_TRAIN = ("proxy", "tokens", "seeds")  # what stands in for a recipe's own
_SET_ASIDE = ("train.trunk=null", "train.start=null")  # beginnings that other recipes lack
_REMEDIES = {
    "corpus": "run with --corpus FILE, or let the recipes name one `corpus: FILE`",
    "seed": "run with --set seed=17",
    "evaluate": "make the `evaluate` sections alike, or run with --set evaluate.KEY=VALUE",
    "models": "give one of the two another name",
}


@dataclass(frozen=True)
class Entry:
    """One arm under its name on the board.

    `recipe` is what it takes to make it: that arm (and the one that a placebo is of), the scores
    that it ranks by, and what all entries share (corpus, reference models, training, evaluation).
    """

    name: str
    arm: str
    recipe: Recipe
    origins: tuple[str, ...]  # the names of the recipes that have it

    @property
    def origin(self) -> str:
        """Which recipe it is of, in words."""
        return self.origins[0] if len(self.origins) == 1 else f"{len(self.origins)} recipes"

    @property
    def spec(self) -> ArmSpec:
        """How it selects and mixes."""
        return self.recipe.arms[self.arm]

    @property
    def staged(self) -> bool:
        """Whether it chooses again while it trains."""
        return self.arm in staged_specs(self.recipe.arms)


@dataclass(frozen=True)
class Contest:
    """All that is to be compared, and with what."""

    recipes: tuple[Recipe, ...]
    entries: tuple[Entry, ...]  # the baseline first
    train: TrainSpec
    notes: tuple[str, ...] = ()
    device: str = "cpu"  # what proxies are trained on

    def jobs(
        self,
        mixtures: Mapping[str, Path],
        tokens: int,
        store: Store,
        models: Mapping[str, Path],
    ) -> list[TrainJob]:
        """Return a job for every seed and mixture, of so many tokens; `models` are references."""
        spec = self.train.model_copy(update={"tokens": tokens})
        arms = {entry.name: entry.spec for entry in self.entries if entry.name in mixtures}
        return jobs_of(spec, mixtures, store, conducts_of(arms, models), device=self.device)

    @property
    def baseline(self) -> Entry:
        """The arm that the others are compared with."""
        return self.entries[0]

    @property
    def shared(self) -> Recipe:
        """What the entries have in common, as a recipe that has only the baseline."""
        return self.baseline.recipe


def enter(
    paths: Sequence[Path],
    train: TrainSpec,
    *,
    corpus: Path | None = None,
    assignments: Sequence[str] = (),
    baseline: str = "",
    device: str = "cpu",
) -> Contest:
    """Return the contest of every arm of some recipes, all trained alike.

    Args:
        paths: of the recipes.
        train: stands in for each recipe's own `train`.
        corpus: a corpus file that stands in for each recipe's own.
        assignments: overrides of every recipe: `evaluate.final_target=arc_easy/test`.
        baseline: the arm to compare with, by its name on the board; "": the one that the recipes
            name, or the arm called "random".
        device: what to train on, "cpu" or "cuda".

    Raises:
        RecipeError: every mistake of every recipe, or all that makes them incomparable.
    """
    recipes = _loaded(paths, corpus, [*assignments, *_trained(train, assignments)])
    faults = [line for recipe in recipes[1:] for line in _mismatches(recipes[0], recipe)]
    faults += [line for pair in combinations(recipes, 2) for line in _namesakes(*pair)]
    wanted = recipes[0].evaluate
    if not (wanted and (wanted.heldout or wanted.benchmarks or wanted.final_target)):
        faults.append("evaluate: the recipes measure nothing; say on what to evaluate")
    if faults:
        lines = "\n".join(f"  {number}. {line}" for number, line in enumerate(faults, 1))
        raise RecipeError(f"these recipes cannot be compared; nothing ran\n{lines}")
    models = {name: spec for recipe in recipes for name, spec in _asked(recipe).items()}
    entries = _entries(recipes, dict(sorted(models.items())))
    first = _baseline(baseline, recipes, entries)
    if first.staged:
        raise RecipeError(
            f"the baseline {first.name!r} chooses again while it trains, and multipliers need it "
            "at other budgets; choose a plain arm with --baseline"
        )
    ordered = (first, *(entry for entry in entries if entry is not first))
    return Contest(tuple(recipes), ordered, train, tuple(_notes(recipes, models)), device)


def _trained(train: TrainSpec, assignments: Sequence[str]) -> list[str]:
    """Return the overrides that make recipes train alike.

    Raises:
        RecipeError: `assignments` have others, which would do nothing.
    """
    theirs = [each for each in assignments if re.match(r"train\b", each) and each not in _SET_ASIDE]
    if theirs:
        raise RecipeError(
            f"--set {theirs[0]}: all arms are trained alike; say how by --proxy, --tokens, --seeds"
        )
    return [f"train.{key}={json.dumps(getattr(train, key))}" for key in _OF_TRAIN]


def _loaded(paths: Sequence[Path], corpus: Path | None, assignments: Sequence[str]) -> list[Recipe]:
    """Return the recipes, each checked; the mistakes of all are told together."""
    recipes, faults = [], []
    for path in dict.fromkeys(paths):
        try:
            recipes.append(load_recipe(path, corpus=corpus, assignments=assignments))
        except RecipeError as error:
            faults.append(str(error))
    bare = [recipe.name for recipe in recipes if not recipe.arms]
    faults += [f"{name}: has no arms; add `arms`, or `select`" for name in bare]
    # A trunk is on one arm of one recipe, and whoever adds a recipe would have to train all anew.
    faults += [
        f"{recipe.name}: has train.{key}, and a leaderboard trains every run from its first "
        f"weights; run with --set train.{key}=null"
        for recipe in recipes
        for key in ("trunk", "start")
        if recipe.train and getattr(recipe.train, key)
    ]
    if faults:
        raise RecipeError("\n".join(faults))
    return recipes


def _mismatches(one: Recipe, other: Recipe) -> Iterator[str]:
    """Yield a line for everything in which two recipes may not differ and do."""
    ours, theirs = one.model_dump(mode="json"), other.model_dump(mode="json")
    for part in ("corpus", "seed", "evaluate"):
        for place, a, b in _differences(part, ours[part], theirs[part]):
            yield _told(place, one.name, a, other.name, b, _REMEDIES[part])


def _namesakes(one: Recipe, other: Recipe) -> Iterator[str]:
    """Yield a line for everything in which models of one name differ between two recipes."""
    ours, theirs = (
        {name: spec.model_dump(mode="json") for name, spec in _asked(recipe).items()}
        for recipe in (one, other)
    )
    for name in sorted(ours.keys() & theirs.keys()):
        for place, a, b in _differences(f"models.{name}", ours[name], theirs[name]):
            yield _told(place, one.name, a, other.name, b, _REMEDIES["models"])


def _asked(recipe: Recipe) -> dict[str, ModelSpec]:
    """Return the models that scores, refiners and picks read, and those that these are of.

    One that proxies only start from is not there: a leaderboard trains from first weights.
    """
    named: list[str | None] = [name for entry in recipe.score for name in models_asked(entry)]
    named += [arm.pick.reference for arm in recipe.arms.values() if arm.pick]
    refining = [entry for arm in recipe.arms.values() for entry in arm.refine]
    named += [name for entry in refining for name in models_asked(entry)]
    found: dict[str, ModelSpec] = {}
    while named:
        name = named.pop()
        spec = recipe.models.get(str(name))
        if spec is not None:
            found[str(name)] = spec
            named += [spec.pruned.of] if spec.pruned else []
    return found


def _told(place: str, one: str, a: Any, other: str, b: Any, remedy: str) -> str:
    return f"{place}: {shown(a)} in {one}, {shown(b)} in {other}; {remedy}"


def _differences(place: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (where, one's, other's) for the smallest parts of two JSON values that differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _differences(f"{place}.{key}", one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(f"{place}.{number}", *pair)
    elif one != other:
        yield place, one, other


def _entries(recipes: Sequence[Recipe], models: Mapping[str, ModelSpec]) -> list[Entry]:
    """Return each different arm once: as ARM where the name is one arm's, else as RECIPE/ARM."""
    found: dict[tuple[str, str], Entry] = {}
    for recipe in recipes:
        for arm in recipe.arms:
            arms = _with_whom(arm, recipe)
            scores = ranked_by(arms.values(), recipe.score)
            content = {"arms": arms, "score": scores, "models": models, "baseline": arm}
            alone = recipe.model_copy(update=content)
            specs = [each.model_dump(mode="json") for each in arms.values()]
            key = (arm, fingerprint([*specs, scores]))
            same = found.get(key)
            names = (*same.origins, recipe.name) if same else (recipe.name,)
            found[key] = Entry(arm, arm, same.recipe if same else alone, names)
    named = []
    for arm, group in groupby(sorted(found, key=lambda key: key[0]), key=lambda key: key[0]):
        alike = [found[key] for key in group]
        origins = [entry.origins[0] for entry in alike]
        twice = sorted({name for name in origins if origins.count(name) > 1})
        if twice:
            raise RecipeError(
                f"two recipes are called {twice[0]!r}, and both have an arm {arm!r} of their own; "
                "give one of them another name"
            )
        named += [
            replace(e, name=f"{e.origins[0]}/{arm}" if len(alike) > 1 else arm) for e in alike
        ]
    place = {id(entry.recipe): number for number, entry in enumerate(found.values())}
    return sorted(named, key=lambda entry: place[id(entry.recipe)])


def _with_whom(arm: str, recipe: Recipe) -> dict[str, ArmSpec]:
    """Return an arm and, for a placebo, the arms without which it cannot be drawn."""
    of = placebos({name: spec.select for name, spec in recipe.arms.items()})
    return {name: recipe.arms[name] for name in chain(arm, of)}


def _baseline(wanted: str, recipes: Sequence[Recipe], entries: Sequence[Entry]) -> Entry:
    """Return the entry that the others are compared with.

    Raises:
        RecipeError: none is named, or several, or there is nothing to compare with it.
    """
    names = {entry.name: entry for entry in entries}
    if wanted and wanted not in names:
        raise RecipeError(f"--baseline: no arm {wanted!r}{suggestion(wanted, names)}")
    told = [(r, r.baseline) for r in recipes if r.baseline is not None]
    found = {
        name if name in names else f"{recipe.name}/{name}" for recipe, name in told
    }  # an arm of the same name elsewhere makes it RECIPE/ARM
    chosen = [wanted] if wanted else sorted(found) or [n for n in names if n == RANDOM]
    if len(chosen) != 1 or chosen[0] not in names:
        what = f"name several: {', '.join(chosen)}" if chosen else "name none"
        raise RecipeError(
            f"a leaderboard has one baseline, and the recipes {what}; choose with --baseline one "
            f"of {', '.join(names)}"
        )
    if len(entries) < 2:
        raise RecipeError(f"{chosen[0]!r} is the only arm; give a recipe to compare it with")
    return names[chosen[0]]


def _notes(recipes: Sequence[Recipe], models: Mapping[str, ModelSpec]) -> Iterator[str]:
    trained = [
        name
        for name, spec in sorted(models.items())
        if spec.train and spec.train.learns_from is None
    ]
    if trained and any(set(trained) - set(recipe.models) for recipe in recipes):
        yield (
            f"the text that {', '.join(trained)} is trained on leaves the pool for every arm, so "
            "that all choose from the same documents"
        )
