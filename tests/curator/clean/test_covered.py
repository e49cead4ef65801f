from __future__ import annotations

import pyarrow as pa
import pytest

from curator.clean.covered import covered, natural
from curator.errors import RecipeError


def column(*languages: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(languages, pa.string())])


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("en", "en"),
        ("pt-br", "pt"),
        ("eng_Latn", "eng"),
        ("python", ""),
        ("und", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_only_natural_languages_have_a_code(language, code):
    assert natural(language) == code


def test_documents_of_other_languages_are_named_and_counted():
    languages = column("en", "de", None, "python", "en-GB", "de", "fr", "en", "en")

    mask, others = covered(languages, ["en"])

    assert mask.tolist() == [True, False, True, True, True, False, False, True, True]
    assert others == {"de": 2, "fr": 1}


def test_a_corpus_of_one_language_needs_no_telling():
    mask, others = covered(column(*["en"] * 99, "fr"), [])

    assert mask.sum() == 99
    assert others == {"fr": 1}


def test_where_nothing_is_known_everything_is_covered():
    mask, others = covered(column(None, "python", None), [])

    assert mask.all()
    assert others == {}


def test_a_mixed_corpus_with_examples_of_unknown_language_is_refused():
    with pytest.raises(RecipeError, match=r"several languages \(en 9, de 1\).*languages: \[en\]"):
        covered(column(*["en"] * 9, "de"), [])


def test_a_corpus_mostly_of_other_languages_is_refused():
    with pytest.raises(RecipeError, match=r"3 of 5 documents .*\(de 3; examples: \['en'\]\)"):
        covered(column("en", "de", "de", "de", None), ["en"])
