"""Mistakes in what a recipe says of tags, told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curator.arm_spec import SOURCE
from curator.errors import CuratorError
from pipelines.lenient import listing, mapping, refusal, words


def tag_problems(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every tag that is written or asked for and that the tokenizer lacks."""
    known = words(mapping(mapping(content.get("corpus")).get("tokenizer")).get("tags"))
    evaluate = mapping(content.get("evaluate"))
    for name, arm in mapping(content.get("arms")).items():
        where = f"arms.{name}"
        for number, entry in enumerate(listing(mapping(arm).get("refine"))):
            lacking = [tag for tag in _written(entry) if tag not in known]
            if lacking:
                yield (
                    f"{where}.refine.{number}: writes the tags {lacking}, and the tokenizer keeps "
                    f"{known}; add them to `tags` of the recipe"
                )
        yield from _prefix(where, words(mapping(arm).get("prefix")), known, evaluate)
        by, asked = mapping(arm).get("prefix_by", "document"), mapping(arm).get("prefix")
        if by != "document" and len(words(asked)) != 1:
            yield f"{where}.prefix_by: before every {by} stands one tag; name one in `prefix`"
    samples = evaluate.get("samples")
    if isinstance(samples, Mapping):
        yield from refusal(lambda: _trait(samples), "evaluate.samples")


def _written(entry: Any) -> tuple[str, ...]:
    """Return the tags that one entry of `refine` writes; none if it is broken otherwise."""
    from curator.refine.finding import make_refiner

    if not isinstance(entry, Mapping) or not isinstance(entry.get("use"), str):
        return ()
    try:
        return tuple(getattr(make_refiner(entry), "tags", ()))
    except CuratorError:
        return ()  # told by the check of refiners


def _prefix(
    where: str, prefix: list[str], known: list[str], evaluate: Mapping[str, Any]
) -> Iterator[str]:
    sources = words(evaluate.get("heldout"))
    for name in prefix:
        asked = [name.replace(SOURCE, source) for source in sources] if SOURCE in name else [name]
        lacking = [tag for tag in asked if tag not in known]
        if lacking:
            yield f"{where}.prefix: no tags {lacking}; the tokenizer keeps {known}"
        if SOURCE in name and (evaluate.get("samples") or evaluate.get("benchmarks")):
            yield (
                f"{where}.prefix: {name!r} is another tag for every held-out source, which neither "
                "`samples` nor benchmarks have; leave one of them out"
            )
    if prefix and not (sources or evaluate.get("samples")):
        yield f"{where}.prefix: there is no held-out text and no `samples` to put it before"


def _trait(samples: Mapping[str, Any]) -> None:
    """Refuse a trait that cannot be measured.

    Raises:
        RecipeError: naming it.
    """
    from curator.text.stretches import Trait

    Trait(samples.get("trait", "capitals"), tuple(words(samples.get("words"))))
