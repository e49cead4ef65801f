"""Settings of a recipe's corpus part that would do nothing: told, not ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curator.corpus_spec import CleanSpec, MinhashSpec
from curator.section import Section
from pipelines.lenient import mapping


def idle_settings(corpus: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every setting without effect, and what it needs to have one."""
    clean, dedup = mapping(corpus.get("clean")), mapping(corpus.get("dedup"))
    yield from _clean(clean)
    yield from _words(mapping(clean.get("words")))
    yield from _dedup(dedup)


def _clean(clean: Mapping[str, Any]) -> Iterator[str]:
    where = "corpus.clean"
    if clean.get("language", "en") is None and _given(clean, "min_language_probability", CleanSpec):
        yield f"{where}.min_language_probability: no language is asked for; name one in `language`"
    licenses = mapping(clean.get("licenses"))
    if licenses.get("unknown") == "drop" and not licenses.get("keep"):
        yield f"{where}.licenses.unknown: nothing is dropped without `keep`; name the tiers to keep"
    if mapping(clean.get("urls")).get("categories") == []:
        yield f"{where}.urls.categories: names none; name some, or leave it out for all"


def _words(words: Mapping[str, Any]) -> Iterator[str]:
    unlimited = words.get("max_words", 0) is None and words.get("max_share") is None
    if unlimited and words.get("action", "drop") == "drop":
        yield (
            "corpus.clean.words: any number of words passes; give `max_words` or `max_share`, or "
            "the action 'annotate'"
        )


def _dedup(dedup: Mapping[str, Any]) -> Iterator[str]:
    where = "corpus.dedup"
    compared = dedup.get("exact", True) or dedup.get("minhash") is not None
    if dedup.get("against") and not compared:
        yield f"{where}.against: is looked at by `exact` and `minhash` only; ask for one of them"
    minhash = mapping(dedup.get("minhash"))
    if minhash.get("verify") is False and _given(minhash, "containment", MinhashSpec):
        yield f"{where}.minhash.containment: is measured by `verify`; turn it on, or leave this out"
    for step in ("paragraphs", "substring"):
        if mapping(dedup.get(step)).get("sources") == []:
            yield f"{where}.{step}.sources: names none; name some, or leave it out for all"


def _given(section: Mapping[str, Any], name: str, spec: type[Section]) -> bool:
    """Return whether a setting is asked for: a recipe that was written out has every default."""
    default = spec.model_fields[name].default
    return bool(section.get(name, default) != default)
