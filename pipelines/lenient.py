"""Sections of a recipe that may hold anything: looking into them must survive their mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: Any) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def words(value: Any) -> list[str]:
    """Return the strings of a list; of anything else none."""
    return [word for word in listing(value) if isinstance(word, str)]
