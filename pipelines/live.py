"""Which scores of a recipe ask the run's own model, and which arms choose again by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curator.arm_spec import ArmSpec, StagedSpec
from curator.recipe import Recipe
from curator.registry import make_scorer
from pipelines.placebos import chain, placebos
from pipelines.scoring import entry_name, models_asked, needed

Entries = Sequence[Mapping[str, Any]]


def staged_specs(arms: Mapping[str, ArmSpec]) -> dict[str, StagedSpec]:
    """Return how each staged arm chooses again; a placebo does as the arm that it is of."""
    of = placebos({name: arm.select for name, arm in arms.items()})
    last = {name: arms[chain(name, of)[-1]].staged for name in arms if chain(name, of)[-1] in arms}
    return {name: spec for name, spec in last.items() if spec is not None}


def plain_arms(arms: Mapping[str, ArmSpec]) -> dict[str, ArmSpec]:
    """Return the arms that choose once, before anything is trained."""
    staged = staged_specs(arms)
    return {name: arm for name, arm in arms.items() if name not in staged}


def ranked_by(arms: Iterable[ArmSpec], entries: Entries) -> list[dict[str, Any]]:
    """Return the scores that arms select or order by, as NAME or NAME.COLUMN, and those read."""
    known = list(arms)
    values = [str(value) for arm in known for value in arm.select.values()]
    values += [arm.order.by for arm in known if arm.order]
    values += [column for arm in known for entry in arm.refine for column in _read(entry)]
    return needed(entries, [value.partition(".")[0] for value in values])


def _read(entry: Mapping[str, Any]) -> tuple[str, ...]:
    from curator.refine.finding import make_refiner

    return make_refiner(entry).reads


def asks(entry: Mapping[str, Any], model: str) -> bool:
    """Return whether a score asks a model by that name."""
    return model in models_asked(entry)


def live(entries: Entries, model: str | None) -> list[dict[str, Any]]:
    """Return the entries that ask a model, directly or through the scores that they read."""
    found: list[dict[str, Any]] = []
    names: set[str] = set()
    for entry in entries:
        if model is not None and (asks(entry, model) or names & set(make_scorer(entry).scores)):
            found.append(dict(entry))
            names.add(entry_name(entry))
    return found


def made_before(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the scores that are made once: all but those only staged arms wait for."""
    staged = staged_specs(recipe.arms)
    models = {spec.model for spec in staged.values()}
    waiting = {entry_name(e) for model in models for e in live(recipe.score, model)}
    now = {entry_name(e) for e in ranked_by(plain_arms(recipe.arms).values(), recipe.score)}
    return [dict(e) for e in recipe.score if entry_name(e) not in waiting - now]
