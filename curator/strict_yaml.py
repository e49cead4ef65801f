"""YAML 1.2 as plain words, numbers, lists and mappings, whoever wrote it.

What a small text can blow up to is known from its events, before anything is built: aliases
multiply (a "billion laughs" is one kilobyte), nesting overflows the stack. Tags, which name
types, are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curator.errors import RecipeError, shown

# Far beyond any recipe: the largest in configs/ has 200 values, four levels deep, in 2 kB.
MOST_CHARACTERS = 1 << 18
MOST_VALUES = 100_000
MOST_LEVELS = 50
MOST_WHOLE = 1 << 63  # whole numbers are counted in eight bytes everywhere


def parse_yaml(text: str, where: str = "") -> Any:
    """Return what a YAML text says: None, true, false, numbers, words, lists and mappings.

    `no` is a word and 1e-3 a number. Aliases become copies.

    Args:
        text: one document.
        where: what an error calls it.

    Raises:
        RecipeError: it is no YAML, has a key twice, a key that is no word, or another value
            (a date, an infinity, a whole number beyond eight bytes); or is longer, larger (aliases
            written out) or deeper than any recipe.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        if len(text) > MOST_CHARACTERS:
            raise RecipeError(f"is longer than {MOST_CHARACTERS:,} characters")
        _check_size(YAML(typ="safe", pure=True).parse(text))
        return _plain(YAML(typ="safe", pure=True).load(text))
    except RecipeError as error:
        raise RecipeError(error.message, where=_placed(where, error.where)) from None
    except MarkedYAMLError as error:
        at = _line(error.problem_mark)
        raise RecipeError(f"not YAML: {error.problem}", where=_placed(where, at)) from None
    except (YAMLError, ValueError) as error:  # control characters; a date or number out of range
        reason = str(error).partition("\n")[0]
        raise RecipeError(f"not YAML: {reason}", where=where) from None


def read_text(path: Path) -> str:
    """Return a file's text, at most one character more than `parse_yaml` accepts.

    Raises:
        RecipeError: it cannot be read, or is not UTF-8.
        FileNotFoundError: there is none.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(MOST_CHARACTERS + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # not UTF-8, or a path with a zero byte
        raise RecipeError(f"{shown(str(path))} cannot be read: {error}") from None


def _check_size(events: Iterable[Any]) -> None:
    """Raise if a document is too large with its aliases written out, too deep, or has tags."""
    from ruamel.yaml import events as kinds

    sizes: dict[str, int] = {}  # anchor -> values of what it names
    open_: list[tuple[str | None, int]] = []  # anchors of what is not closed yet, values before it
    values = 0
    for event in events:
        if getattr(event, "tag", None) is not None:
            told = f"has the tag {shown(str(event.tag))}; write plain values, words in quotes"
            raise RecipeError(told, where=_line(event.start_mark))
        before = values
        if isinstance(event, kinds.CollectionStartEvent):
            open_.append((event.anchor, before))
            sizes.pop(event.anchor or "", None)  # inside, an older anchor of this name is hidden
        values += isinstance(event, kinds.CollectionStartEvent | kinds.ScalarEvent)
        if isinstance(event, kinds.AliasEvent):
            values += sizes.get(event.anchor, MOST_VALUES)  # unknown, or inside of what it names
        elif isinstance(event, kinds.CollectionEndEvent):
            anchor, before = open_.pop()
            sizes[anchor or ""] = values - before
        elif isinstance(event, kinds.ScalarEvent):
            sizes[event.anchor or ""] = 1
        if values > MOST_VALUES or len(open_) > MOST_LEVELS:
            raise RecipeError(
                f"has more than {MOST_VALUES:,} values with its aliases written out, or more than "
                f"{MOST_LEVELS} levels, or an alias to nothing or to itself",
                where=_line(event.start_mark),
            )


def _plain(value: Any) -> Any:
    """Return a copy that shares nothing; dates, endless numbers and other keys are refused."""
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise RecipeError(f"has the key {shown(wrong[0])}, which is no word; put it in quotes")
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int) and abs(value) >= MOST_WHOLE:
        raise RecipeError(f"has the number {shown(value)}; whole numbers end before 2**63")
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"has the number {value}; wanted a finite one")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise RecipeError(f"has the {type(value).__name__} {value}; put it in quotes")


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _placed(*places: str) -> str:
    return ", ".join(place for place in places if place)
