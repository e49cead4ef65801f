from __future__ import annotations

import time

import pytest

from curator.refine.options import phrased
from curator.refine.question_pairs import Pair

LISTED = "Which metal rusts?\nOptions:\n- gold\n- iron\n- silver"
LABELED = "Which metal rusts?\nOptions:\n(A) gold\n(B) iron\n(C) silver"


def bits(style: int = 0, heading: int = 0, phrase: int = 0) -> int:
    return style << 40 | heading << 48 | phrase << 56


@pytest.mark.parametrize("question", [LISTED, LABELED])
@pytest.mark.parametrize(("style", "label"), [(0, "(B) "), (1, "B. "), (2, "2) "), (3, "b) ")])
def test_options_get_labels_and_the_answer_names_the_same_one(
    question: str, style: int, label: str
):
    pair = phrased(Pair(question, "iron"), bits(style))

    assert pair.answer == f"{label}iron"
    assert f"\n{label}iron\n" in pair.question
    assert pair.question.startswith("Which metal rusts?\n")


@pytest.mark.parametrize("answer", ["B", "(B)", "b.", "B) iron", "Iron"])
def test_an_answer_may_name_its_option_by_label_or_text(answer: str):
    assert phrased(Pair(LABELED, answer), bits(2)).answer == "2) iron"


def test_an_answer_that_names_no_option_stays():
    assert phrased(Pair(LABELED, "None of them."), bits(2)).answer == "None of them."


def test_headings_come_from_a_pool():
    assert "Possible answers:" in phrased(Pair(LISTED, "iron"), bits(heading=2)).question


@pytest.mark.parametrize(
    "question", ["What rusts?", "Options:\n- one only", "Q?\nOptions:\n- a\nand more\n- b"]
)
def test_a_question_without_a_plain_list_of_options_stays(question: str):
    assert phrased(Pair(question, "a"), bits(1)) == Pair(question, "a")


def test_a_call_for_reasoning_is_put_in_other_words():
    asked = phrased(Pair("How many?", "Let's think step by step. Two and two. Four."), bits())

    assert asked == Pair("How many? Reason before you answer.", "Two and two. Four.")
    assert phrased(Pair("How many? Let's think step by step.", "Four."), bits(phrase=1)) == Pair(
        "How many? Show how you get there.", "Four."
    )
    begun = time.perf_counter()
    phrased(Pair(f"How{' ' * 40_000}many?", "Four."), bits())
    assert time.perf_counter() - begun < 2.0  # of white space, each place is looked at once
    bare = Pair("How many?", "Let's think step by step.")
    assert phrased(bare, bits()) == bare
