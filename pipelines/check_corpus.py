"""Every mistake in the corpus part of a recipe that its shape does not tell.

One function a section; each looks at the raw mapping and survives the mistakes of the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from curator.corpus_spec import BenchmarkSpec, PiiSpec
from curator.recipe import suggestion
from pipelines.idle import idle_settings
from pipelines.lenient import listing, mapping, refusal, words

if TYPE_CHECKING:
    from curator.ingest.reader import Reader


def corpus_problems(corpus: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for every name, file and setting of the corpus that leads nowhere."""
    yield from _ingest(corpus)
    yield from _optout(corpus)
    yield from _clean(corpus)
    yield from _dedup(corpus)
    yield from _benchmarks(corpus)
    yield from _tokenizer(corpus)
    yield from idle_settings(corpus)


def splits(corpus: Mapping[str, Any]) -> list[str]:
    """Return the NAME/SPLIT of every benchmark that a corpus section declares."""
    found = []
    for name, spec in mapping(corpus.get("benchmarks")).items():
        from_source = bool(mapping(spec).get("source"))
        found += [f"{name}/{s}" for s in ("train", "test") if from_source or mapping(spec).get(s)]
    return found


def guarded(corpus: Mapping[str, Any]) -> list[Any]:
    """Return the splits of which the pool holds no copies: none where they are only reported."""
    section = mapping(corpus.get("decontaminate"))
    return [] if section.get("action") == "report" else listing(section.get("against"))


def how_to_guard(what: str, corpus: Mapping[str, Any]) -> str:
    """Return what to change in a recipe so that a split is guarded."""
    if mapping(corpus.get("decontaminate")).get("action") == "report":
        return "corpus.decontaminate only reports: give it the action 'document' or 'span'"
    return f"add {what!r} to corpus.decontaminate.against"


def _ingest(corpus: Mapping[str, Any]) -> Iterator[str]:
    from curator.ingest.reader import make_reader

    for number, entry in enumerate(listing(corpus.get("ingest"))):
        where = f"corpus.ingest.{number}"
        faults = list(refusal(lambda e=entry, w=where: make_reader(e, where=w)))
        yield from faults
        if not faults:
            yield from refusal(lambda e=entry: _find(make_reader(e)), where)


def _optout(corpus: Mapping[str, Any]) -> Iterator[str]:
    path = corpus.get("optout")
    if isinstance(path, str):
        from curator.optout.requests import read_requests

        yield from refusal(lambda: read_requests(Path(path)), "corpus.optout")


def _find(reader: Reader) -> None:
    """Look for a reader's files, so that a misspelled path stops a run before it begins."""
    from curator.ingest.files import find_files

    if reader.files and reader.name != "hub":  # the hub's are folders of its own format
        find_files(reader.files, reader.base)


def _clean(corpus: Mapping[str, Any]) -> Iterator[str]:
    from curator.clean.language import KNOWN
    from curator.clean.rules import parse_rules

    clean = mapping(corpus.get("clean"))
    rules = listing(clean.get("rules"))
    language = clean.get("language", "en")
    spoken = language if isinstance(language, str) else None  # another type is told elsewhere
    yield from refusal(lambda: parse_rules(rules, spoken), "corpus.clean.rules")
    if spoken is not None and spoken not in KNOWN:
        yield (
            f"corpus.clean.language: lid.176 knows no {spoken!r}; wanted a code as it has them, "
            "such as 'en' or 'zh', or null for all"
        )
    yield from _lists(clean)
    yield from _pii(clean)


def _pii(clean: Mapping[str, Any]) -> Iterator[str]:
    """Yield placeholders that could be found again, and settings of a policy that no kind has."""
    from curator.clean.pii import MaskPii

    try:
        spec = PiiSpec.model_validate(dict(mapping(clean.get("pii"))))
    except ValidationError:
        return  # told with the other mistakes of shape
    where = "corpus.clean.pii"
    placeholders = tuple(spec.placeholders.items())
    yield from refusal(lambda: MaskPii(placeholders), where)
    policies = spec.policies()
    idle = [kind for kind in spec.placeholders if policies.get(kind) != "mask"]
    if idle:
        yield f"{where}.placeholders: {idle} are not masked; give their policy, or leave them out"
    if spec.max_spans and "drop" not in policies.values():
        yield f"{where}.max_spans: no kind has the policy 'drop' that it is for"
    if spec.private_ips and "ip" not in policies:
        yield f"{where}.private_ips: IP addresses are not looked for; give `ip` a policy"


def _lists(clean: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lists of URLs and words that lead to no file."""
    from curator.clean.blocklists import find_lists
    from curator.clean.wordlists import find_words

    urls = mapping(clean.get("urls"))
    categories = words(urls.get("categories")) or None
    if words(urls.get("lists")):
        lists = words(urls.get("lists"))
        yield from refusal(lambda: find_lists(lists, categories), "corpus.clean.urls")
    files = mapping(mapping(clean.get("words")).get("lists"))
    named = {name: path for name, path in files.items() if isinstance(path, str)}
    yield from refusal(lambda: find_words(named), "corpus.clean.words")


def _dedup(corpus: Mapping[str, Any]) -> Iterator[str]:
    from pipelines.references import open_references

    section = mapping(corpus.get("dedup"))
    for path in words(section.get("against")):
        yield from refusal(lambda p=path: open_references([p]))
    minhash = mapping(section.get("minhash"))
    if minhash:
        yield from _minhash(minhash)
    encoder = mapping(section.get("semantic")).get("encoder")
    if isinstance(encoder, str):
        from curator.weights import find

        yield from refusal(lambda: find(encoder), "corpus.dedup.semantic.encoder")


def _minhash(minhash: Mapping[str, Any]) -> Iterator[str]:
    from curator.corpus_spec import MinhashSpec
    from curator.dedup.survivors import Survivors
    from pipelines.deduplicating import near_settings

    try:
        spec = MinhashSpec.model_validate(dict(minhash))
    except ValidationError:
        return  # its shape is told elsewhere
    yield from refusal(lambda: near_settings(spec, Survivors()), "corpus.dedup.minhash")


def _benchmarks(corpus: Mapping[str, Any]) -> Iterator[str]:
    known = splits(corpus)
    taken: dict[str, str] = {}
    for name, spec in mapping(corpus.get("benchmarks")).items():
        spec = mapping(spec)
        if not (spec.get("source") or spec.get("train") or spec.get("test")):
            yield f"corpus.benchmarks.{name}: gives neither `train`, `test` nor `source`; name one"
        if spec.get("source") and (spec.get("train") or spec.get("test")):
            yield f"corpus.benchmarks.{name}: gives a `source` and files; items come from one"
        source = spec.get("source")
        if isinstance(source, str) and source in taken:
            other = taken[source]
            yield f"corpus.benchmarks.{name}: {other!r} has all documents of {source!r}"
        taken |= {source: name} if isinstance(source, str) else {}
        for split in ("train", "test"):
            path = spec.get(split)
            if isinstance(path, str) and not os.path.exists(path):  # noqa: PTH110 - any length
                yield f"corpus.benchmarks.{name}.{split}: there is no file {path!r}"
            elif isinstance(path, str):
                yield from _questions(f"corpus.benchmarks.{name}.{split}", path, spec)
    for what in listing(mapping(corpus.get("decontaminate")).get("against")):
        if what not in known:
            told = f"no benchmark split {what!r}{suggestion(what, known)}"
            yield f"corpus.decontaminate.against: {told}"


def _questions(where: str, path: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with questions or pairs: cheap to read, and first needed hours later."""
    if not (spec.get("choices") or spec.get("pairs")):
        return
    from curator.evaluate.questions import read_choices, read_pairs

    try:
        asked = BenchmarkSpec.model_validate(dict(spec))
    except ValidationError:
        return  # told with the other mistakes of shape
    field = asked.id or "id"
    if asked.choices is not None:
        choices = asked.choices
        yield from refusal(lambda: read_choices(where, path, choices, id_field=field), where)
    if asked.pairs is not None:
        pairs = asked.pairs
        yield from refusal(lambda: read_pairs(where, path, pairs, id_field=field), where)


def _tokenizer(corpus: Mapping[str, Any]) -> Iterator[str]:
    path = mapping(corpus.get("tokenizer")).get("path")
    if isinstance(path, str):
        from curator.train.tokenizer import load_tokenizer

        yield from refusal(lambda: load_tokenizer(path), "corpus.tokenizer.path")
