"""`curator design`: a factorial study of what text is made of, written out as an ordinary recipe.

A design names attributes of documents (when they were written, how good or how toxic a score calls
them, which source they are of) and levels of each. Every level is an arm, every arm takes as many
tokens, and all are trained from the same seeds, so that what differs is the attribute.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from itertools import product, takewhile
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, PositiveInt, ValidationError, model_validator
from ruamel.yaml import YAML

from curator.errors import RecipeError, shown
from curator.recipe import read_yaml
from curator.section import Name, Section
from curator.shards import write_atomically
from pipelines.check import load_recipe
from pipelines.looking import Found

ERA: Final = "era"
BASELINE: Final = "random"
_PERCENT: Final = 100
PLACEBO: Final = "placebo"
_SEEDS: Final = [1, 2, 3]  # of `train`, unless it says others
_SIGN: Final = "# Written by `curator design"
Factor = Literal["age", "quality", "toxicity", "leave_out"]
Level = tuple[str, dict[str, Any]]  # an arm's name, and what its selection says besides the budget


class AgeSpec(Section):
    """Eras by bins of years; the keys besides are the scorer's (`curator scorers era`)."""

    bins: dict[Name, list[int]] = Field(min_length=2)
    dates: Literal["authorship", "crawl", "unknown"] = "unknown"
    field: str = "date"
    pattern: str = ""
    sources: list[str] = Field(default_factory=list)
    missing: Literal["refuse", "null"] = "refuse"


class FilterSpec(Section):
    """Shares of the pool that a score keeps: the better ones, and `inverse` the worse ones.

    Shares are of tokens. A mapping calls arms by name, a list calls them FACTOR_keepPERCENT.
    """

    by: str
    keep: list[float] | dict[Name, float] = Field(default_factory=list)
    inverse: list[float] | dict[Name, float] = Field(default_factory=list)
    better: Literal["higher", "lower"] | None = None

    @model_validator(mode="after")
    def _some_shares(self) -> Self:
        shares = [*_shares(self.keep), *_shares(self.inverse)]
        if not shares or any(not 0 < share < 1 for share in shares):
            raise ValueError(f"keeps {shares} of the pool; wanted shares inside (0, 1)")
        return self


class DesignSpec(Section):
    """What is varied, and how much text every arm gets.

    `cross` names two factors of which every pair of levels is an arm too. `repeats` is how often a
    proxy may read its arm's text: above 1 all arms repeat theirs equally often.
    """

    tokens: PositiveInt
    repeats: PositiveInt = 1
    age: AgeSpec | None = None
    quality: FilterSpec | None = None
    toxicity: FilterSpec | None = None
    leave_out: list[str] = Field(default_factory=list)
    cross: list[Factor] = Field(default_factory=list)
    placebo: Name | None = None


def design_recipe(path: Path, out: Path | None) -> Found:
    """Return the recipe that a design comes to, written beside it unless told where.

    Raises:
        RecipeError: the design, or the recipe that it comes to, has mistakes; nothing is written.
    """
    content = read_yaml(path)
    place = out or path.with_name(f"{path.name.removesuffix('.yaml').removesuffix('.design')}.yaml")
    if place.resolve() == path.resolve():
        raise RecipeError(f"--out {place} is the design itself; name another file", where=str(path))
    before = place.read_bytes() if place.is_file() else None
    if before is not None and _SIGN.encode() not in before:
        raise RecipeError(
            f"{place} is there already and was not written by this command; name another file "
            "by --out, or move it away",
            where=str(path),
        )
    recipe = expanded(content, where=str(path))
    corpus = recipe.get("corpus")
    if isinstance(corpus, str) and (path.parent / corpus).exists():
        near = (path.parent / corpus).resolve()
        recipe["corpus"] = os.path.relpath(near, place.resolve().parent)
    text = _written(recipe, path)
    write_atomically(place, text.encode())
    try:
        load_recipe(place)
    except RecipeError:
        place.unlink()
        if before is not None:
            write_atomically(place, before)
        raise
    arms = list(recipe["arms"])
    runs = len(arms) * len(recipe["train"].get("seeds", _SEEDS))
    told = f"{place}: {len(arms)} arms, {runs} proxies; read it, then: curator run {place}"
    return Found({"recipe": str(place), "arms": arms, "proxies": runs}, told)


def expanded(content: Mapping[str, Any], *, where: str = "design") -> dict[str, Any]:
    """Return the recipe of a design: its own sections, the scores it needs, an arm a cell.

    Raises:
        RecipeError: naming every mistake.
    """
    rest = {key: value for key, value in content.items() if key != "design"}
    try:
        spec = DesignSpec.model_validate(content.get("design") or {})
    except ValidationError as error:
        faults = [
            f"design.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        ]
        raise RecipeError("; ".join(faults), where=where) from None
    faults = list(_faults(spec, rest))
    if faults:
        raise RecipeError("; ".join(faults), where=where)
    scores = list(rest.get("score") or [])
    if spec.age is not None:
        scores.append({"use": "era", "as": ERA, **_set(spec.age)})
    arms = [(name, {"select": select}) for name, select in _arms(spec)]
    if spec.placebo is not None:
        known = [name for name, _ in arms]
        if spec.placebo not in known:
            raise RecipeError(
                f"design.placebo: no arm {spec.placebo!r}; there are {', '.join(known)}",
                where=where,
            )
        arms.append((PLACEBO, {"select": {"method": "placebo", "of": spec.placebo}}))
    arms += (rest.get("arms") or {}).items()
    names = [name for name, _ in arms]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecipeError(
            f"design has several arms called {twice}; give shares by other names, each once",
            where=where,
        )
    made = {**rest, **({"score": scores} if scores else {}), "arms": dict(arms)}
    made.setdefault("baseline", BASELINE)
    return made


def _faults(spec: DesignSpec, rest: Mapping[str, Any]) -> Iterator[str]:
    """Yield what would make the arms of a study differ in more than what is varied."""
    if not (spec.age or spec.quality or spec.toxicity or spec.leave_out):
        yield "design varies nothing; give age, quality, toxicity or leave_out"
    for key, kind, wanted in (("score", list, "a list"), ("arms", Mapping, "a mapping")):
        if rest.get(key) and not isinstance(rest[key], kind):
            yield f"{key} is {shown(rest[key])}; wanted {wanted}"
    train = rest.get("train")
    if not isinstance(train, Mapping):
        yield "train: missing; a study compares proxies: give proxy, tokens and seeds"
        return
    seeds = train.get("seeds", _SEEDS)
    if not isinstance(seeds, list) or len(seeds) < 2:
        yield f"train.seeds is {shown(seeds)}; wanted two or more, the same for every arm"
    tokens, most = train.get("tokens"), spec.tokens * spec.repeats
    if isinstance(tokens, int) and tokens > most:
        yield (
            f"train.tokens is {tokens:,} and every arm has {spec.tokens:,} tokens of text, read "
            f"{spec.repeats} times at most: wanted {most:,} or fewer, or more `repeats`"
        )
    if spec.cross:
        yield from _cross_faults(spec)


def _cross_faults(spec: DesignSpec) -> Iterator[str]:
    absent = [name for name in spec.cross if not getattr(spec, name)]
    if len(set(spec.cross)) != 2 or absent:
        yield f"design.cross is {spec.cross}; wanted two of the factors that are given"
    filters = {"quality", "toxicity"} & set(spec.cross)
    if len(filters) != 1:
        yield (
            f"design.cross is {spec.cross}; wanted one that filters by a score (quality, toxicity) "
            "and one that names groups (age, leave_out): a selection has one score and one grouping"
        )


def _arms(spec: DesignSpec) -> Iterator[Level]:
    """Yield the selection of every cell, by the name of its arm; the baseline first."""
    budget = {"tokens": spec.tokens}
    factors = _factors(spec)
    yield BASELINE, {"method": "random", **budget}
    for levels in factors.values():
        yield from ((name, {"method": "random", **level, **budget}) for name, level in levels)
    if spec.cross:
        one, other = spec.cross
        for (a, first), (b, second) in product(factors[one], factors[other]):
            cell = {"method": "random", **first, **second, **budget}
            if "age" in spec.cross:
                cell["within"] = ERA  # the better half of each era, not the era of the better half
            cell["method"] = "band"
            yield f"{a}_{b}", cell


def _factors(spec: DesignSpec) -> dict[Factor, list[Level]]:
    """Return the levels of every factor; two may have one name."""
    return {
        "age": list(_eras(spec.age)),
        "quality": list(_filters("quality", spec.quality)),
        "toxicity": list(_filters("toxicity", spec.toxicity)),
        "leave_out": list(_without(spec.leave_out)),
    }


def _eras(spec: AgeSpec | None) -> Iterator[Level]:
    for name in spec.bins if spec else ():
        yield f"age_{name}", {"quota_by": ERA, "quotas": {name: 1.0}}


def _filters(factor: str, spec: FilterSpec | None) -> Iterator[Level]:
    """Yield bands of quantiles by tokens: 0 is the worst document, 1 the best."""
    if spec is None:
        return
    base: dict[str, Any] = {"method": "band", "by": spec.by}
    if spec.better:
        base["better"] = spec.better
    for name, share in _named(spec.keep, f"{factor}_keep"):
        yield name, {**base, "band": [round(1 - share, 9), 1.0]}
    for name, share in _named(spec.inverse, f"{factor}_inverse"):
        yield name, {**base, "band": [0.0, share]}


def _without(sources: list[str]) -> Iterator[Level]:
    for name in sources:
        yield f"without_{name}", {"quotas": {name: 0.0, "*": 1.0}}


def _named(shares: list[float] | dict[str, float], prefix: str) -> Iterator[tuple[str, float]]:
    if isinstance(shares, dict):
        yield from shares.items()
        return
    for share in shares:
        yield f"{prefix}{share * _PERCENT:g}".replace(".", "p"), share


def _shares(shares: list[float] | dict[str, float]) -> list[float]:
    return list(shares.values() if isinstance(shares, dict) else shares)


def _set(spec: AgeSpec) -> dict[str, Any]:
    """Return the settings that a design gives; `dates` always, for it is the one to read."""
    return {"dates": spec.dates, **spec.model_dump(exclude_unset=True)}


def _written(recipe: Mapping[str, Any], path: Path) -> str:
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 4096
    stream = io.StringIO()
    writer.dump(dict(recipe), stream)
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [f"{line}\n" for line in takewhile(lambda line: line.startswith("#"), lines)]
    head = f"{_SIGN} {path.name}`: change that file, or this one by hand.\n"
    return "".join([*told, head]) + stream.getvalue()
