"""What a recipe asks for is done or refused, never passed over."""

from __future__ import annotations

import pytest

from curator.corpus_spec import CorpusSpec
from pipelines.check_corpus import corpus_problems


@pytest.mark.parametrize(
    ("corpus", "told"),
    [
        ({"clean": {"licenses": {"unknown": "drop"}}}, "licenses.unknown: nothing is dropped"),
        (
            {"clean": {"language": None, "min_language_probability": 0.9}},
            "min_language_probability: no language is asked for",
        ),
        ({"clean": {"language": "english"}}, "language: lid.176 knows no 'english'"),
        ({"clean": {"urls": {"categories": []}}}, "urls.categories: names none"),
        ({"clean": {"words": {"max_words": None}}}, "words: any number of words passes"),
        ({"clean": {"pii": {"email": "mask", "private_ips": True}}}, "give `ip` a policy"),
        ({"dedup": {"exact": False, "against": [7]}}, "against: is looked at by `exact`"),
        ({"dedup": {"minhash": {"verify": False, "containment": 0.9}}}, "measured by `verify`"),
        ({"dedup": {"paragraphs": {"sources": []}}}, "paragraphs.sources: names none"),
    ],
)
def test_a_setting_that_would_do_nothing_is_told(corpus, told):
    assert [line for line in corpus_problems(corpus) if told in line]


@pytest.mark.parametrize(
    "corpus",
    [
        {"clean": {"licenses": {"unknown": "drop", "keep": ["permissive"]}}},
        {"clean": {"language": None, "rules": ["ccnet"]}},
        {"clean": {"pii": {"private_ips": True}}},
        {"dedup": {"exact": False, "minhash": {"verify": False}}},
        {"dedup": {"paragraphs": {"unit": "line"}, "substring": {"sources": None}}},
    ],
)
def test_settings_that_do_something_are_let_through(corpus):
    assert list(corpus_problems(corpus)) == []


def test_near_copies_with_every_default_are_compared_with_earlier_runs():
    corpus = {"dedup": {"exact": False, "minhash": {}, "against": [7]}}
    assert not [line for line in corpus_problems(corpus) if "is looked at by" in line]


def test_a_whole_corpus_with_every_default_is_let_through():
    minhash = {"verify": False}
    settings = {"clean": {"language": None}, "dedup": {"minhash": minhash}}
    corpus = CorpusSpec.model_validate(settings).model_dump()
    assert list(corpus_problems(corpus)) == []
