"""Find a plug-in by its name and make it from a recipe's settings.

Built-in plug-ins and third-party ones come through one door: an entry point of a group, such as
`curator.scorers`. Names are read from package metadata; a plug-in's module is imported only when
it is asked for. `my_module:MyScorer` names a class directly and needs no registration.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from curator.errors import CuratorError, PluginError, RecipeError
from curator.recipe import suggestion
from curator.stage import Scorer, WideScorer

AnyScorer = Scorer | WideScorer


@dataclass(frozen=True)
class Plugins:
    """One kind of plug-in.

    Attributes:
        group: of entry points.
        word: what one is called in messages, such as "scorer".
        bases: a plug-in is a subclass of one of these.
        reserved: what a recipe's entry says about a plug-in beside its settings.
    """

    group: str
    word: str
    bases: tuple[type, ...]
    reserved: tuple[str, ...] = ("use", "as", "learns_from")

    def names(self) -> list[str]:
        """Return the names of all that are installed, sorted, without importing any."""
        return sorted(self._offers())

    def package(self, name: str) -> str:
        """Return the distribution that offers a plug-in, such as "curator-lm"; "" if unknown."""
        offers = self._offers().get(name, [])
        return offers[0].dist.name if offers and offers[0].dist else ""

    def find(self, use: str) -> type[Any]:
        """Return the class that `use` names: an installed name or `module:Class`.

        Raises:
            RecipeError: there is none.
            PluginError: it is there but cannot be imported or is of another kind; names its
                package.
        """
        if ":" in use:
            return self._checked(_imported(use, self.word), use)
        offers = self._offers().get(use)
        if not offers:
            raise RecipeError(f"no {self.word} {use!r}{suggestion(use, self.names())}")
        if len(offers) > 1:
            packages = ", ".join(sorted(_package(offer) for offer in offers))
            classes = " or ".join(sorted(offer.value for offer in offers))
            raise PluginError(
                f"{self.word} {use!r} is offered by several packages ({packages}); uninstall all "
                f"but one, or name the class: {classes}"
            )
        return self._checked(_loaded(offers[0], self.word), use)

    def make(self, spec: Mapping[str, Any], section: str) -> Any:
        """Return the plug-in that one entry of a recipe describes.

        Args:
            spec: `use` and the settings; what is `reserved` is the pipeline's.
            section: of the recipe, for messages.

        Raises:
            RecipeError: no `use`, no such plug-in, or settings that it does not take: all at once.
            PluginError: it cannot be imported or is of another kind.
        """
        if not isinstance(spec.get("use"), str):
            raise RecipeError(
                f"{section} entry {dict(spec)!r} does not name its {self.word}; write `use: NAME`"
                f"{suggestion('', self.names())}"
            )
        use = spec["use"]
        kind = self.find(use)
        settings = {key: value for key, value in spec.items() if key not in self.reserved}
        problems = setting_problems(kind, settings)
        if problems:
            raise RecipeError("; ".join(problems), where=f"{self.word} {use}")
        try:
            return kind(**_converted(kind, settings))
        except CuratorError as error:
            # With the place in a file that it is about, if there is one.
            raise RecipeError(str(error), where=f"{self.word} {use}") from error

    def _offers(self) -> dict[str, list[EntryPoint]]:
        """Return the entry points of each name; a package seen twice on the path counts once."""
        offers: dict[str, dict[str, EntryPoint]] = {}
        for offer in entry_points(group=self.group):
            offers.setdefault(offer.name, {}).setdefault(offer.value, offer)
        return {name: list(by_value.values()) for name, by_value in offers.items()}

    def _checked(self, found: object, use: str) -> type[Any]:
        where = f"{self.word} {use}"
        if not isinstance(found, type) or not issubclass(found, self.bases):
            base = f"{self.bases[0].__module__}.{self.bases[0].__name__}"
            raise PluginError(f"{found!r} is not a subclass of {base}", where=where)
        if inspect.isabstract(found):
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
            raise PluginError(f"{found.__name__} does not define {missing}", where=where)
        if not dataclasses.is_dataclass(found):
            raise PluginError(
                f"{found.__name__} is not a frozen dataclass; its settings are its fields",
                where=where,
            )
        return found


SCORERS: Final = Plugins("curator.scorers", "scorer", (Scorer, WideScorer))


def scorer_names() -> list[str]:
    """Return the names of all installed scorers, sorted, without importing any."""
    return SCORERS.names()


def scorer_package(name: str) -> str:
    """Return the distribution that offers a scorer, such as "curator-lm"; "" if unknown."""
    return SCORERS.package(name)


def find_scorer(use: str) -> type[AnyScorer]:
    """Return the scorer class that `use` names; raises as `Plugins.find`."""
    return SCORERS.find(use)


def make_scorer(spec: Mapping[str, Any]) -> AnyScorer:
    """Return the scorer that one entry of a recipe's `score` describes.

    Raises as `Plugins.make`.
    """
    scorer: AnyScorer = SCORERS.make(spec, "score")
    return scorer


def setting_problems(kind: type[Any], settings: Mapping[str, Any]) -> list[str]:
    """Return a line for every setting that is unknown, missing or of the wrong type."""
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    hints = typing.get_type_hints(kind)
    problems = [
        f"{key}: unknown setting{suggestion(key, fields)}" for key in settings if key not in fields
    ]
    problems += [
        f"{name}: missing; a value is required"
        for name, field in fields.items()
        if name not in settings and _is_required(field)
    ]
    for name in fields.keys() & settings.keys():
        fault = _type_fault(hints[name], settings[name])
        if fault:
            problems.append(f"{name}: found {settings[name]!r}; {fault}")
    return sorted(problems)


def _loaded(offer: EntryPoint, word: str) -> object:
    try:
        return offer.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise PluginError(
            f"{word} {offer.name!r} ({offer.value}) of package {_package(offer)} cannot be "
            f"imported: {error}; install what it needs or uninstall {_package(offer)}"
        ) from error


def _imported(use: str, word: str) -> object:
    """Return what `module:Class` names; a module in the working folder is found too."""
    module, _, name = use.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: nothing installed can be shadowed by a file lying about
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and module.split(".")[0] == error.name.split(".")[0]:
            raise RecipeError(
                f"no module {error.name!r} for {word} {use!r}; write `module:Class` of a module "
                f"that is installed or lies in {here}"
            ) from None
        raise PluginError(f"{word} {use!r} cannot be imported: {error}; install it") from error
    except AttributeError:
        raise RecipeError(f"module {module!r} has no class {name!r} for {word} {use!r}") from None
    except (ImportError, SyntaxError) as error:
        raise PluginError(f"{word} {use!r} cannot be imported: {error}; fix its module") from error


def _package(offer: EntryPoint) -> str:
    return offer.dist.name if offer.dist else offer.value


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _type_fault(hint: Any, value: object) -> str:
    """Return what was wanted instead of `value`, "" if it fits.

    Read as JSON under pydantic's strict rules: a list does for a tuple, an integer for a float,
    but "5" is no number and 1 is no boolean.
    """
    try:
        _read_as(hint, value)
    except ValidationError as error:
        return "; ".join(dict.fromkeys(_sentence(fault["msg"]) for fault in error.errors()))
    except (TypeError, ValueError) as error:
        return f"wanted numbers, strings, lists or mappings ({error})"
    return ""


def _converted(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {name: _read_as(hints[name], value) for name, value in settings.items()}


def _read_as(hint: Any, value: object) -> Any:
    return TypeAdapter(hint).validate_json(json.dumps(value), strict=True)


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:].replace("Input should", "it should")
