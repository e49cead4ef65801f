from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.generate.asking import LONGEST_ANSWER, Request, whole_text
from tests.support.judges import request


def test_a_prompt_without_a_version_digest_is_refused():
    with pytest.raises(RecipeError, match="without a version digest"):
        request("a text", version="")


@pytest.mark.parametrize("lacking", [{"documents": ()}, {"shown": ""}])
def test_a_question_says_what_it_shows(lacking: dict):
    with pytest.raises(RecipeError, match="wanted both"):
        request("a text", **lacking)


@pytest.mark.parametrize("asked", [{"forms": ()}, {"max_tokens": 5}])
def test_a_question_wants_one_kind_of_answer(asked: dict):
    with pytest.raises(RecipeError, match="one kind of answer"):
        request("a text", **asked)


@pytest.mark.parametrize(
    "changed",
    [{"version": "w"}, {"shown": "s"}, {"forms": ("yes",)}, {"chat": False}],
)
def test_whatever_changes_an_answer_changes_its_key(changed: dict):
    assert request("a text", **changed).key("m") != request("a text").key("m")
    assert request("a text").key("m") != request("a text").key("n")


def test_what_does_not_change_an_answer_does_not_change_its_key():
    other = request("a text", documents=("other",), opening=3, piece=1)

    assert other.key("m") == request("a text").key("m")


@pytest.mark.parametrize(
    "changed", [{"temperature": 0.5}, {"top_p": 0.9}, {"seed": 3}, {"stop": ("\n",)}]
)
def test_another_way_of_drawing_is_another_question(changed: dict):
    asked = {"forms": (), "max_tokens": 5}

    assert request("a text", **asked, **changed).key("m") != request("a text", **asked).key("m")
    assert list(request("a text", **asked, **changed).sampling) == list(changed)


def test_a_question_drawn_as_ever_has_the_key_that_it_always_had():
    # Of an answer that was kept before tokens could be drawn: it must still be found.
    asked = Request("Good?", "v", ("a",), "s", forms=("yes",))

    assert asked.key("m") == "c5b9b5df06233db9ea59b47b90237547"


@pytest.mark.parametrize(
    "drawn",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"stop": ("",)},
    ],
)
def test_ways_of_drawing_that_are_none_are_refused(drawn: dict):
    with pytest.raises(RecipeError, match=r"wanted"):
        request("a text", forms=(), max_tokens=5, **drawn)


@given(st.text(alphabet=st.characters(codec=None), max_size=30))
def test_whatever_a_server_sends_becomes_text_that_can_be_written(text: str):
    whole, cut = whole_text(text)

    assert not cut
    assert isinstance(whole.encode(), bytes)
    assert whole == text or any("\ud800" <= letter <= "\udfff" for letter in text)


def test_a_gigantic_answer_is_cut():
    assert whole_text("a" * (LONGEST_ANSWER + 5)) == ("a" * LONGEST_ANSWER, True)
