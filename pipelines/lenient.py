"""Sections of a recipe that may hold anything: looking into them must survive their mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from curator.errors import CuratorError


def refusal(attempt: Any, where: str = "") -> Iterator[str]:
    """Yield what `attempt` is refused with, if it is."""
    try:
        attempt()
    except CuratorError as error:
        place = where or error.where
        for line in error.message.splitlines():
            yield f"{place}: {line.strip()}" if place else line.strip()


def absent_models(names: Iterable[str], where: str, trained: Mapping[str, Any]) -> Iterator[str]:
    """Yield the models that are neither among those of a recipe, or of a swarm of it, nor here."""
    from curator import weights

    for name in names:
        head, _, number = name.rpartition("-")
        if name not in trained and not (number.isdigit() and head in trained):
            for fault in refusal(lambda n=name: weights.find(n), where):
                yield f"{fault}; of this recipe: {', '.join(map(str, trained)) or 'none'}"


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def words(value: Any) -> list[str]:
    """Return the strings of a list; of anything else none."""
    return [word for word in listing(value) if isinstance(word, str)]
