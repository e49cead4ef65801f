"""Which arm a placebo stands beside: named in a recipe, and made before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from curator.recipe import suggestion


def placebos(selects: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return each placebo with the arm that it is of, from what `select` says of each arm."""
    named = {name: select.get("of") for name, select in selects.items()}
    return {name: other for name, other in named.items() if isinstance(other, str) and other}


def chain(name: str, of: Mapping[str, str]) -> list[str]:
    """Return an arm, the arm that it is of, the arm that this one is of, and so on.

    Args:
        name: of an arm.
        of: placebo -> the arm that it is of; where names go round, each comes once.
    """
    found = [name]
    while found[-1] in of and of[found[-1]] not in found:
        found.append(of[found[-1]])
    return found


def made_in_turn(arms: Sequence[str], of: Mapping[str, str]) -> list[str]:
    """Return the arms in an order in which each comes after the one that it is of."""
    return list(dict.fromkeys(one for name in arms for one in reversed(chain(name, of))))


def placebo_problems(of: Mapping[str, str], arms: Iterable[str]) -> Iterator[str]:
    """Yield a line for every placebo of no arm, and for every arm that is of itself.

    Args:
        of: placebo -> the arm that it is of.
        arms: the names of all arms.
    """
    known = sorted(arms)
    for name, other in of.items():
        found = chain(name, of)
        if of.get(found[-1]) == name:
            told = " of ".join(map(repr, [*found, name]))
            yield f"arms.{name}.select.of: {told}; wanted an arm that some score or chance selects"
        elif other not in known:
            yield f"arms.{name}.select.of: no arm {other!r}{suggestion(other, known)}"
