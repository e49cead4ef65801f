"""Pairs are found however they are marked, and half a pair is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.refine.question_pairs import Pair, question_pairs

PAIRS = [Pair("Who flies?", "Bees."), Pair("Where?", "To flowers\nand home.")]


@pytest.mark.parametrize(
    "text",
    [
        "Question: Who flies?\nAnswer: Bees.\n\nQuestion: Where?\nAnswer: To flowers\nand home.",
        "- Question: Who flies? Answer: Bees.\n- Question: Where? Answer: To flowers\nand home.",
        "Hi:\n**Question 1:** Who flies?\n**Answer 1:** Bees.\nQ: Where?\nA: To flowers\nand home.",
        "- Question: Who flies?\n-\nAnswer: Bees.\n2. Q: Where?\nAnswer: To flowers\nand home.",
    ],
)
def test_pairs_are_read_however_they_are_marked(text):
    assert question_pairs(text) == PAIRS


@pytest.mark.parametrize("text", ["", "Bees fly.", "Question: Who?", "Answer: Bees.", "Q: \nA: "])
def test_half_a_pair_is_none(text):
    assert question_pairs(text) == []


def test_choices_and_initials_are_no_answers():
    text = "Question: Which flies?\na) a bee\nb) a mole\nA. Milne knew.\nAnswer: The bee."

    assert question_pairs(text)[0].answer == "The bee."


def test_a_cut_answer_loses_its_unfinished_sentence_or_its_pair():
    text = "Question: Who?\nAnswer: Bees. They\n"

    assert question_pairs(text, whole=False) == [Pair("Who?", "Bees.")]
    assert question_pairs("Question: Who?\nAnswer: Bees and", whole=False) == []
    two = "Q: Who?\nA: Bees and wasps\nQ: Whe"
    assert question_pairs(two, whole=False) == [Pair("Who?", "Bees and wasps")]


LINES = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n:-*\u2022"), min_size=1, max_size=20
)


@given(st.lists(st.tuples(LINES, LINES), max_size=5))
def test_what_is_written_as_pairs_is_read_as_pairs(pairs):
    wanted = [
        Pair(q.strip(), a.strip())
        for q, a in pairs
        if q.strip() and a.strip() and not any(mark in q + a for mark in "\x0b\x0c\x1c\x1d\x1e\x85")
    ]

    assert question_pairs("\n\n".join(map(str, wanted))) == wanted


@pytest.mark.parametrize("text", ["Q: " * 50_000, "Q: a\n" * 50_000, " " * 200_000, "x " * 100_000])
def test_hostile_answers_cost_a_linear_pass(text):
    begun = time.perf_counter()
    question_pairs(text, whole=False)

    assert time.perf_counter() - begun < 5  # a second pass a character would take hours
