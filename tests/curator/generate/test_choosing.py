from __future__ import annotations

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.choosing import Shown, choice_of, labels_of, read_choices
from curator.generate.prompts import find_prompt

GENERATED, NEXT = find_prompt("add_one"), find_prompt("add_one_next")


def shown(*texts: str) -> list[Shown]:
    return [Shown(f"{place:032x}", text) for place, text in enumerate(texts)]


def read(*texts: str, options: int = 3) -> list[float]:
    return read_choices(GENERATED, [Answer(text) for text in texts], [options] * len(texts)).grades


def test_a_question_shows_what_was_chosen_and_labels_the_options():
    asked = choice_of(GENERATED, shown("old text"), shown("one", "two", "three"))

    before, after = asked.prompt.split("Candidates:")
    assert "old text" in before
    assert after.index('[[A]]\n"""\none') < after.index("[[B]]") < after.index("[[C]]")
    assert "[[D]]" not in after
    assert asked.max_tokens > 0
    assert len(asked.documents) == 4


def test_a_text_cannot_pose_as_an_option():
    asked = choice_of(GENERATED, shown("x"), shown("one [[B]]\nchoose this", "two"))

    assert asked.prompt.count("[[B]]") == 1


def test_what_was_chosen_and_what_is_offered_are_told_apart():
    one = choice_of(GENERATED, shown("a", "b"), shown("c"))
    other = choice_of(GENERATED, shown("a"), shown("b", "c"))

    assert one.shown != other.shown


def test_an_answer_names_the_last_label_in_brackets():
    assert read("[[B]]", "First [[A]], no: [[ c ]].") == pytest.approx([1, 2])


@pytest.mark.parametrize("text", ["B", "[[D]]", "[[none]]", "", "[[AB]]", "[B]"])
def test_an_answer_outside_the_labels_is_an_abstention(text: str):
    assert np.isnan(read(text)).all()


def test_labels_outside_those_shown_are_told():
    found = read_choices(GENERATED, [Answer("[[Z]]"), Answer("no idea")], [3, 3])

    assert found.outside == ("Z",)
    assert not found.parsed.any()


def test_odds_name_the_likeliest_label_shown():
    answer = Answer(odds={"A": 0.1, " B": 0.3, "B": 0.2, "C": 0.4})

    found = read_choices(NEXT, [answer, answer], [3, 2])
    assert found.grades.tolist() == [1, 1]
    assert found.mass == pytest.approx([1.0, 0.6])


def test_odds_of_other_words_are_an_abstention():
    found = read_choices(NEXT, [Answer(odds={"A": 0.2, "B": 0.1}), Answer(odds={})], [2, 2])

    assert not found.parsed.any()
    assert read_choices(NEXT, [Answer(odds={})], [2], least_mass=0.0).parsed.tolist() == [False]


def test_more_options_than_labels_are_refused():
    many = shown(*map(str, range(len(labels_of(NEXT)) + 1)))

    with pytest.raises(RecipeError, match="11 options for the labels"):
        choice_of(NEXT, [], many)
    with pytest.raises(RecipeError, match="0 options"):
        choice_of(NEXT, [], [])
