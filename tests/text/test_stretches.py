"""Stretches are the text; traits are what a plain count in Python gives."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.text.stretches import Trait, cut
from curator.train.tokenizer import encode, load_tokenizer, tag_ids, tag_text, train_bpe

AWKWARD = st.text(st.sampled_from("aB.!?'’\"”)…。 \t\n\r\x1c\xa0é語1🦊"), max_size=40)


def large(texts):
    return pa.array(texts, pa.large_string())


@pytest.fixture(scope="module")
def tagging(tmp_path_factory):
    texts = ['He said. "No!" And?\n\nThen  a’s B. 1 語。é\n'] * 20
    path = train_bpe([large(texts)], 340, tmp_path_factory.mktemp("bpe"), ["good"])
    tokenizer = load_tokenizer(path)
    return tokenizer, tag_ids(tokenizer)["good"]


@pytest.mark.parametrize("by", ["sentence", "line", "document"])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(AWKWARD, max_size=5))
@example(texts=["\x1c\n1", "1\n\x1c\n\x1c\n1"])
def test_stretches_one_after_the_other_are_the_text(by, texts):
    found = cut(large(texts), by)
    parts = list(zip(found.rows, found.texts.to_pylist(), strict=True))

    for row, text in enumerate(texts):
        mine = [part for at, part in parts if at == row]
        assert "".join(mine) == (text if text.strip() else "")
        assert all(part.strip() for part in mine)


def test_sentences_are_cut_in_front_of_white_space():
    found = cut(large(['He said "no." Then what? 3.5 left\n\n  A title\nEnd. ']), "sentence")

    assert found.texts.to_pylist() == [
        'He said "no."', " Then what?", " 3.5 left", "\n\n  A title", "\nEnd. ",
    ]  # fmt: skip


def test_lines_and_documents():
    text = "One. Two.\n\nThree\n"

    assert cut(large([text, ""]), "line").texts.to_pylist() == ["One. Two.", "\n\nThree\n"]
    assert cut(large([text, " "]), "document").texts.to_pylist() == [text]


@settings(max_examples=100, deadline=None)
@given(text=AWKWARD, by=st.sampled_from(["sentence", "line"]))
def test_tags_before_stretches_change_no_token_of_the_text(tagging, text, by):
    tokenizer, good = tagging
    parts = cut(large([text]), by).texts.to_pylist()
    tagged = "".join(tag_text("good") + part for part in parts)

    plain, found = (encode(tokenizer, large([one]))[1].tolist() for one in (text, tagged))

    assert [one for one in found if one != good] == (plain if parts else plain[:1])


@settings(max_examples=60, deadline=None)
@given(st.lists(AWKWARD, min_size=1, max_size=5))
def test_traits_are_what_python_counts(texts):
    cased = [[c for c in text if c.isupper() or c.islower()] for text in texts]
    capitals = [sum(map(str.isupper, some)) / max(1, len(some)) for some in cased]
    figures = [sum(map(str.isdecimal, text)) / max(1, len(text)) for text in texts]

    np.testing.assert_allclose(Trait("capitals").scores(large(texts)), capitals)
    np.testing.assert_allclose(Trait("figures").scores(large(texts)), figures)


def test_links_count_by_their_characters():
    text = "see https://a.b/c1 or 22"

    assert Trait("figures").scores(large([text])) == pytest.approx((14 + 2) / len(text))


def test_listed_words_count_whatever_their_case():
    text = "Damn it, damned shell: HELL."
    found = Trait("words", ("damn", "hell")).scores(large([text, ""]))

    assert found.tolist() == [2 / len(re.findall(r"\w+", text)), 0]


def test_personal_data_count_by_the_character():
    text = "write to jane.doe@posteo.net today"

    assert Trait("pii").scores(large([text, "nobody"])).tolist() == [1 / len(text), 0]


@pytest.mark.parametrize(
    ("name", "words"), [("charm", ()), ("words", ()), ("capitals", ("a",)), ("words", (" ",))]
)
def test_what_measures_nothing_is_refused(name, words):
    with pytest.raises(RecipeError, match=repr(name)):
        Trait(name, words)
