"""Mistakes in arms' `refine` sections, told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curator.errors import shown
from curator.recipe import suggestion
from curator.schema import DOCUMENT
from curator.section import is_name
from pipelines.lenient import absent_models, listing, mapping, refusal, words


def refine_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every mistake in an arm's `refine`."""
    for name, arm in mapping(content.get("arms")).items():
        entries = listing(mapping(arm).get("refine"))
        where = f"arms.{name}.refine"
        seen: set[str] = set()
        for number, entry in enumerate(entries):
            place = f"{where}.{number}"
            if not isinstance(entry, Mapping) or not isinstance(entry.get("use"), str):
                yield f"{place}: {shown(entry)} does not say which refiner to `use`"
                continue
            yield from _entry(place, entry, seen, content, first=number == 0)
        if entries:
            yield from _beside(where, mapping(arm))


def _entry(
    where: str, entry: Mapping[str, Any], seen: set[str], content: Mapping[str, Any], *, first: bool
) -> Iterator[str]:
    from curator.refine.finding import make_refiner, refiner_name, stands_beside

    name = refiner_name(entry)
    if name in seen:
        yield f"{where}: two entries are called {name!r}; name one with `as:`"
    seen.add(name)
    if not is_name(name):
        yield f"{where}.as: found {name!r}; wanted letters, digits, '_' and '-'"
    yield from _numbers(where, entry)
    faults = list(refusal(lambda: make_refiner(entry), where))
    yield from faults
    if faults:
        return
    refiner = make_refiner(entry)
    beside = stands_beside(entry, refiner)
    if misplaced := refiner.misplaced(beside=beside):
        yield f"{where}.beside: {misplaced}"
    if entry.get("share") is not None and not beside:
        yield f"{where}.share: what replaces its originals has no share; say `beside: true`"
    yield from _read(where, refiner.reads, content, first=first)
    yield from _models(where, entry, mapping(content.get("models")))
    roles = mapping(mapping(content.get("corpus")).get("roles"))
    if refiner.learns_from or entry.get("learns_from"):
        from pipelines.scoring import learned_from

        told = {"as": name, **entry}
        yield from refusal(lambda: learned_from(told, refiner.learns_from, roles), where)


def _numbers(where: str, entry: Mapping[str, Any]) -> Iterator[str]:
    share, cap, beside = (entry.get(key) for key in ("share", "max_epochs", "beside"))
    if share is not None and not (_is_number(share) and 0 < share < 1):
        yield f"{where}.share: found {shown(share)}; wanted a number between 0 and 1"
    if cap is not None and not (_is_number(cap) and cap > 0):
        yield f"{where}.max_epochs: found {shown(cap)}; wanted a number above 0"
    if beside is not None and not isinstance(beside, bool):
        yield f"{where}.beside: found {shown(beside)}; wanted true or false"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read(
    where: str, reads: tuple[str, ...], content: Mapping[str, Any], *, first: bool
) -> Iterator[str]:
    """Yield what is wrong with the columns that a refiner reads."""
    from pipelines.scoring import entry_name

    scores = {
        entry_name(entry)
        for entry in listing(content.get("score"))
        if isinstance(entry, Mapping) and "use" in entry
    }
    for column in reads:
        if column in DOCUMENT.names:
            continue
        if not first:
            yield f"{where}: {column!r} is a score, and only the first entry may read scores"
        elif column.partition(".")[0] not in scores:
            yield f"{where}: no score {column!r}{suggestion(column, scores)}"


def _models(where: str, entry: Mapping[str, Any], trained: Mapping[str, Any]) -> Iterator[str]:
    """Yield the models that an entry asks for and that are neither the recipe's nor here."""
    if not entry.get("url"):
        yield from absent_models(words([entry.get("model")]), f"{where}.model", trained)
    yield from absent_models(words(entry.get("models")), f"{where}.models", trained)


def _beside(where: str, arm: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else of an arm does not go with refined documents."""
    if arm.get("staged"):
        yield f"{where}: an arm that chooses again while it trains is not refined; drop `staged`"
    if arm.get("order"):
        yield f"{where}: `order` reads scores of documents, and new ones have none; drop one"
    if mapping(arm.get("select")).get("method") == "poisson":
        yield f"{where}: weights of a poisson selection are not passed on; use another method"
    shares = [e.get("share") for e in listing(arm.get("refine")) if isinstance(e, Mapping)]
    given = [float(share) for share in shares if share is not None and _is_number(share)]
    if sum(given) >= 1:
        yield f"{where}: shares add up to {sum(given):g}; leave something to the originals"
    mix = arm.get("mix")
    weighed = isinstance(mix, list) or mapping(mix).get("sources") or mapping(mix).get("scheme")
    if given and weighed:
        yield f"{where}: both `mix` and `share` weigh sources; leave one of them out"
