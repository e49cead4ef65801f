from __future__ import annotations

import pytest

from curator.errors import RecipeError
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
