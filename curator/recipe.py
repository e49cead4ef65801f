"""A run as data: what a recipe may say, every mistake in it at once, and the text it came from.

The shape is checked here by pydantic; what only the installed plug-ins and the files on disk can
tell (readers, rules, scorers, selectors) is checked by `pipelines.check`, which merges both lists.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from curator.arm_spec import ArmSpec
from curator.corpus_spec import CorpusSpec
from curator.errors import RecipeError, shown
from curator.identity import fingerprint
from curator.section import Name, Section, Seed, is_name
from curator.strict_yaml import parse_yaml, read_text

RECIPES = Path(__file__).parents[1] / "configs" / "recipes"
CORPORA = RECIPES.parent / "corpora"
_DEFAULT_BPE = CorpusSpec().tokenizer.bpe


class TrainModelSpec(Section):
    """A reference proxy: trained on pool documents that then leave the pool.

    With `count`, a swarm: so many proxies NAME-1, NAME-2, ..., alike in all but the mixture of
    sources that each reads, on documents that no other reads.
    """

    proxy: str
    tokens: PositiveInt
    seed: Seed = 1
    learns_from: list[str] | str | None = None  # as a scorer's role; None: a share of the pool
    count: int | None = Field(default=None, ge=2, le=64)
    concentration: PositiveFloat | None = None
    state: bool = False  # its rate is held to the end, and its optimizer's state kept

    @model_validator(mode="after")
    def _mixtures_of_many(self) -> Self:
        if self.concentration is not None and self.count is None:
            raise ValueError(
                "'concentration' says how much the mixtures of a swarm differ; add 'count', the "
                "number of its models, or leave it out"
            )
        if self.learns_from is not None and self.count is not None:
            raise ValueError(
                "'count' draws a swarm's mixtures from the whole pool, 'learns_from' names one "
                "model's text; leave one of them out"
            )
        return self


class PrunedModelSpec(Section):
    """A copy of another model in which the smallest weights of the blocks' matrices are 0."""

    of: Name
    share: float = Field(default=0.5, gt=0, lt=1)


class ModelSpec(Section):
    """A causal LM to score with: trained here, on disk, or a damaged copy of another."""

    train: TrainModelSpec | None = None
    path: str | None = None
    gguf: str | None = None
    pruned: PrunedModelSpec | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        return self.one_of("train", "path", "gguf", "pruned")


class TrunkSpec(Section):
    """The runs that all arms branch from, one for each seed, at a rate that does not decay yet."""

    arm: Name
    tokens: PositiveInt


class TrainSpec(Section):
    """The proxies trained on every arm: one for each seed."""

    proxy: str
    tokens: PositiveInt
    seeds: list[Seed] = Field(default=[1, 2, 3], min_length=1)
    trunk: TrunkSpec | None = None
    start: Name | None = None  # one of `models`, with state

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.trunk is not None and self.start is not None:
            raise ValueError(
                f"proxies begin from the trunk of their seed or from the model {self.start!r}; "
                "leave one of 'trunk' and 'start' out"
            )
        return self

    @field_validator("seeds")
    @classmethod
    def _all_different(cls, seeds: list[int]) -> list[int]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(f"seeds {twice} are there twice; equal seeds are one and the same run")
        return seeds


class SamplesSpec(Section):
    """Texts that proxies write, and how much of a trait makes a stretch of them bad.

    Temperature and top_p are Korbak et al.'s (arXiv:2302.08582).
    """

    above: float = Field(ge=0)
    trait: str = "capitals"
    words: list[str] = []
    by: Literal["sentence", "line", "document"] = "sentence"
    count: PositiveInt = 512
    tokens: PositiveInt = 128
    temperature: float = Field(default=0.7, ge=0)
    top_p: float = Field(default=0.9, gt=0, le=1)
    seed: Seed = 0


class EvaluateSpec(Section):
    """What proxies are measured on: bits per byte, and answers where a benchmark asks."""

    heldout: list[str] = []
    benchmarks: list[str] = []
    items: PositiveInt | None = None
    final_target: str | None = None
    # Left out where there are none, so that recipes without keep their digests.
    samples: SamplesSpec | None = Field(default=None, exclude_if=lambda found: found is None)


class Recipe(Section):
    """A method applied to a corpus."""

    name: Name
    seed: Seed = 17
    corpus: CorpusSpec = CorpusSpec()
    models: dict[Name, ModelSpec] = {}
    score: list[dict[str, Any]] = []
    arms: dict[Name, ArmSpec] = {}
    baseline: str | None = None
    train: TrainSpec | None = None
    evaluate: EvaluateSpec | None = None

    @property
    def digest(self) -> str:
        """What names the recipe: its content with defaults filled in, not its file."""
        return fingerprint(self.model_dump(mode="json"))


def find_recipe(path: Path, folder: Path = RECIPES) -> Path:
    """Return the file that a command names: a path, or the name of a recipe in configs/recipes."""
    named = folder / f"{path}.yaml"
    bare = is_name(str(path)) and not os.path.exists(path)  # noqa: PTH110 - any text goes
    return named if bare and named.is_file() else path


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a YAML 1.2 file's mapping (`no` is a word, 1e-3 a number).

    Raises:
        RecipeError: unreadable, not YAML, a key twice, or not a mapping; with line and column.
    """
    try:
        content = parse_yaml(read_text(path), str(path))
    except FileNotFoundError:
        raise RecipeError(f"there is no file {str(path)!r}; {_nearby(path)}") from None
    if not isinstance(content, dict):
        raise RecipeError(f"holds {type(content).__name__}; wanted a mapping", where=str(path))
    return content


def arrange(content: Mapping[str, Any], folder: Path, corpus: Path | None = None) -> dict[str, Any]:
    """Return a recipe's mapping with its corpus in place and a single arm under `arms`.

    `corpus: FILE` (relative to the recipe) or `corpus` (a path given beside it) stand for the
    content of that file. What it says under `evaluate` holds where the recipe says nothing.
    `tags` and `samples` of the recipe are further keys of that corpus's tokenizer and of
    `evaluate`, so that a method which needs them can be applied to any corpus.
    """
    arranged = dict(content)
    beside = corpus or arranged.get("corpus")
    if isinstance(beside, str):
        near = folder / beside
        beside = near if os.path.exists(near) else Path(beside)  # noqa: PTH110 - any text goes
    if isinstance(beside, Path):
        found = read_yaml(find_recipe(beside, CORPORA))
        evaluate = found.pop("evaluate", None)
        if evaluate is not None:
            arranged.setdefault("evaluate", evaluate)
        arranged["corpus"] = found
    _put(arranged, "tags", ("corpus", "tokenizer"), {"bpe": _DEFAULT_BPE})
    _put(arranged, "samples", ("evaluate",), {})
    alone = {key: arranged.pop(key) for key in ("select", "mix") if key in arranged}
    arms = arranged.get("arms") or {}
    if alone and isinstance(arms, Mapping):  # anything else is told as a mistake of its shape
        arranged["arms"] = {**arms, "main": alone}
    return arranged


def _put(
    arranged: dict[str, Any], key: str, path: Sequence[str], default: Mapping[str, Any]
) -> None:
    """Move a key of a recipe's mapping into one of its sections, which may not be there yet.

    A section that is no mapping keeps the key out, to be told as unknown beside that mistake.
    """
    if key not in arranged:
        return
    place = arranged
    for name in path:
        inner = place.get(name)
        if inner is not None and not isinstance(inner, Mapping):
            return
        place[name] = dict(default if inner is None and name == path[-1] else inner or {})
        place = place[name]
    place[key] = arranged.pop(key)


def override(content: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a mapping with `a.b.c=VALUE` assignments made; values are YAML.

    A number in a path is a place in a list, from 0: `score.0.use=letters`.

    Raises:
        RecipeError: an assignment has no `=`, is not YAML, or leads through something that is
            neither a mapping nor a list that long.
    """
    for assignment in assignments:
        path, found, text = assignment.partition("=")
        what = f"--set {shown(assignment)}"
        if not found:
            raise RecipeError(f"{what} has no '='; write --set train.tokens=100000")
        *parents, last = path.split(".")
        place: Any = content
        for parent in parents:
            if isinstance(place, dict) and place.get(parent) is None:
                place[parent] = {}
            place = place[_step(place, parent, what)]
        place[_step(place, last, what)] = parse_yaml(text, what)
    return content


def _step(place: Any, name: str, what: str) -> Any:
    """Return the key or the index that one part of an assignment's path names."""
    if isinstance(place, dict):
        return name
    if not isinstance(place, list):
        raise RecipeError(f"{what}: {name!r} leads into {shown(place)}, which is no mapping")
    if not re.fullmatch("[0-9]{1,6}", name) or int(name) >= len(place):
        raise RecipeError(
            f"{what}: {name!r} is no place of a list of {len(place)}; count from 0, or set the "
            "whole list"
        )
    return int(name)


def shape_problems(content: Mapping[str, Any]) -> tuple[Recipe | None, list[str]]:
    """Return the recipe, or None with a line for every mistake in its shape."""
    for reserved in ("refine", "rephrase"):
        if reserved in content:
            return None, [f"{reserved}: arms are refined one by one; write arms.NAME.refine"]
    try:
        return Recipe.model_validate(dict(content)), []
    except ValidationError as error:
        return None, [_explained(fault) for fault in error.errors()]


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" or the list of what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names) or 'none'}"


def _explained(fault: Any) -> str:
    """Return one of pydantic's faults as place, what was found, what was wanted, suggestion."""
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = _fields_at(fault["loc"][:-1])
        return f"{place}: unknown key{suggestion(str(fault['loc'][-1]), known)}"
    if fault["type"] == "missing":
        return f"{place}: missing; a value is required"
    if fault["type"] == "value_error":  # of our own validators, already in words
        return f"{place}: {fault['ctx']['error']}"
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    return f"{place}: found {shown(fault.get('input'))}; {message}"


def _fields_at(path: Sequence[Any]) -> list[str]:
    """Return the keys that may stand at a place of a recipe."""
    model: Any = Recipe
    for part in path:
        fields = getattr(model, "model_fields", None)
        if fields is None or (part not in fields):
            continue  # the name of an arm, a benchmark, a source; or an index
        model = _section_in(fields[part].annotation)
    return list(getattr(model, "model_fields", {}))


def _section_in(annotation: Any) -> Any:
    """Return the section class inside an annotation such as `dict[str, ArmSpec] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [_section_in(part) for part in getattr(annotation, "__args__", ())]
    return next((part for part in inner if part is not None), None)


def _nearby(path: Path) -> str:
    folder = CORPORA if "corpora" in path.parts else RECIPES
    return suggestion(path.stem, [found.stem for found in folder.glob("*.yaml")]).lstrip("; ")
