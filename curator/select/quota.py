"""Divide a budget into whole tokens, exactly, and say by name who cannot fill its part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from curator.errors import BudgetError, RecipeError
from curator.select.pool import Pool
from curator.select.spec import REST, SelectSpec

# A selection ends at the first document that does not fit. Documents are small beside a budget, so
# one that leaves more than a twentieth of it unspent is a giant, and worth naming.
_ENOUGH = 0.95


@dataclass(frozen=True)
class Shortfall:
    """A group or source that has fewer tokens than it was asked for."""

    name: str
    wanted: int
    available: int

    def __str__(self) -> str:
        missing = self.wanted - self.available
        has = f"has {self.available:,} ({missing:,} short)"
        return f"{self.name}: wanted {self.wanted:,} tokens, {has}"


@dataclass(frozen=True)
class Blocked(Shortfall):
    """A budget that ends early: the next document in rank order is larger than what is left.

    Attributes:
        available: tokens taken before that document.
        doc_id: its id, in hex.
        tokens: its cost.
    """

    doc_id: str
    tokens: int

    def __str__(self) -> str:
        left = self.wanted - self.available
        return (
            f"{self.name}: wanted {self.wanted:,} tokens, took {self.available:,}; the next "
            f"document, {self.doc_id}, has {self.tokens:,} and only {left:,} were left"
        )


def divide(total: int, weights: Mapping[str, float | Fraction]) -> dict[str, int]:
    """Return whole parts of `total`, proportional to `weights`, that sum to it exactly.

    Largest remainder (Hamilton's method) in exact fractions: each part is its quota rounded down
    or up; the units left go to the largest remainders, ties to the name that sorts first.

    Raises:
        RecipeError: a weight is negative or not finite, or all are zero and there is a total.
    """
    wrong = {name: each for name, each in weights.items() if not 0 <= each < math.inf}
    if wrong:
        raise RecipeError(f"weights {wrong}; wanted finite numbers, 0 or more")
    exact = {name: Fraction(weights[name]) for name in sorted(weights)}
    whole = sum(exact.values(), Fraction(0))
    if not whole:
        if total:
            raise RecipeError(f"all weights are zero; {total:,} tokens cannot be divided by them")
        return dict.fromkeys(exact, 0)
    quotas = {name: total * weight / whole for name, weight in exact.items()}
    parts = {name: math.floor(quota) for name, quota in quotas.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(quotas, key=lambda name: (parts[name] - quotas[name], name))
    for name in by_remainder[:left]:
        parts[name] += 1
    return parts


def fill(
    total: int, weights: Mapping[str, float], available: Mapping[str, int]
) -> tuple[dict[str, int], list[Shortfall]]:
    """Return parts of `total` that no name exceeds, and who fell short of its first part.

    What a short name cannot take is divided again among the others by their weights, until all
    is placed or nothing is left. The parts then sum to less than `total`.
    """
    parts = divide(total, weights)
    short = _shortfalls(parts, available)
    full: dict[str, int] = {}
    while any(parts[name] > available[name] for name in parts):
        full |= {name: available[name] for name in parts if parts[name] >= available[name]}
        rest = {name: weight for name, weight in weights.items() if name not in full and weight > 0}
        if not rest:
            parts = {name: full.get(name, 0) for name in weights}
            break
        again = divide(total - sum(full.values()), rest)
        parts = {name: full.get(name, again.get(name, 0)) for name in weights}
    return parts, short


def with_quotas(spec: SelectSpec, pool: Pool) -> SelectSpec:
    """Return the spec with a quota for each group, read from the column that it names, if one.

    Raises:
        RecipeError: the column is no number at or above 0 for each group.
    """
    return replace(spec, quotas=pool.quotas()) if isinstance(spec.quotas, str) else spec


def group_of(spec: SelectSpec, groups: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return the names of the budgets, and for each group the budget it draws on (-1: none).

    Raises:
        RecipeError: a quota names no group of the pool.
    """
    quotas = _quotas(spec)
    if not quotas:
        return [REST], dict.fromkeys(groups, 0)
    absent = sorted(set(quotas) - {*groups, REST})
    if absent:
        raise RecipeError(
            f"select: quotas name {absent}, but column {spec.quota_by!r} has only {list(groups)}"
        )
    names = sorted(quotas)
    rest = names.index(REST) if REST in names else -1
    return names, {name: names.index(name) if name in names else rest for name in groups}


def budgets(
    spec: SelectSpec, names: Sequence[str], available: Sequence[int]
) -> tuple[list[int], list[Shortfall]]:
    """Return the tokens that each budget may spend, and the shortfalls that were accepted.

    Args:
        spec: whose `tokens` or `share`, `quotas` and `shortfall` apply.
        names: of the budgets, from `group_of`.
        available: eligible tokens behind each.

    Raises:
        BudgetError: naming every shortfall, if `spec.shortfall` is "error".
    """
    has = dict(zip(names, available, strict=True))
    wanted = total_wanted(spec, sum(available))
    if wanted is None:
        return list(available), []
    quotas = _quotas(spec)
    weights = {name: quotas[name] if quotas else 1 for name in names}
    parts = divide(wanted, weights)
    short = _shortfalls(parts, has)
    if short and spec.shortfall == "error":
        raise BudgetError(
            "the pool cannot fill the selection:\n"
            + "\n".join(f"  {replace(each, name=_named(each.name, spec))}" for each in short)
            + "\nask for fewer tokens, add text, or set `shortfall: redistribute` or `accept`"
        )
    if short and spec.shortfall == "redistribute":
        parts, _ = fill(wanted, weights, has)
    return [parts[name] for name in names], short


def blocked(
    spec: SelectSpec,
    names: Sequence[str],
    allowed: Sequence[int],
    spent: Sequence[int],
    following: Mapping[int, tuple[str, int]],
) -> list[Shortfall]:
    """Return the budgets that one large document keeps from being spent.

    Args:
        spec: whose `shortfall` applies.
        names: of the budgets.
        allowed: tokens that each may spend.
        spent: tokens that each did.
        following: place of a budget -> id in hex and tokens of its first document not taken.

    Raises:
        BudgetError: a budget cannot take even its first document, and `spec.shortfall` is "error"
            or the whole selection is empty.
    """
    found: list[Shortfall] = [
        Blocked(names[place], allowed[place], spent[place], *document)
        for place, document in sorted(following.items())
        if spent[place] < _ENOUGH * allowed[place]
    ]
    empty = [replace(each, name=_named(each.name, spec)) for each in found if not each.available]
    if empty and (spec.shortfall == "error" or not any(spent)):
        raise BudgetError(
            "the first document in rank order is larger than the budget, so nothing is taken:\n"
            + "\n".join(f"  {each}" for each in empty)
            + "\nask for more tokens, or drop giants by a rule in corpus.clean, such as "
            "`rules: [{gopher_quality: {max_words: 10_000}}]`"
        )
    return found


def shortfall_of(account: Mapping[str, Any]) -> Shortfall:
    """Return a shortfall from what a summary says of it (`vars` of the shortfall)."""
    return Blocked(**account) if "doc_id" in account else Shortfall(**account)


def total_wanted(spec: SelectSpec, available: int) -> int | None:
    """Return the whole budget in tokens, None if everything eligible is wanted."""
    if spec.tokens is not None:
        return spec.tokens
    if spec.share is not None:
        return math.floor(Fraction(spec.share) * available)
    quotas = _quotas(spec)
    if any(quota > 1 for quota in quotas.values()):
        return int(sum(quotas.values()))
    return None


def _quotas(spec: SelectSpec) -> Mapping[str, float | int]:
    if isinstance(spec.quotas, str):
        raise TypeError(f"the column {spec.quotas!r} has not been read: call `with_quotas` first")
    return spec.quotas


def _named(budget: str, spec: SelectSpec) -> str:
    if budget != REST:
        return budget
    return f"every {spec.quota_by} without a quota" if spec.quotas else "all that is eligible"


def _shortfalls(parts: Mapping[str, int], available: Mapping[str, int]) -> list[Shortfall]:
    return [
        Shortfall(name, part, available[name])
        for name, part in sorted(parts.items())
        if part > available[name]
    ]
