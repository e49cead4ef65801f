"""What models put around a text is taken off, and nothing else is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.refine.cleaning import (
    cleaned,
    refuses,
    speaks_in_turns,
    without_announcement,
    without_farewell,
    without_markdown,
    without_quotes,
    without_unfinished,
)

TEXT = "Bees visit flowers. They carry pollen home."


@pytest.mark.parametrize(
    "opening",
    [
        "Here's a paraphrase of the paragraph:\n\n",
        "Here is a paraphrased version: ",
        "Sure! Here is the text in simpler words:\n",
        "Certainly, here's a rephrased version of the passage.\n\n",
        "Below is the rewritten text.\n",
        "**Paraphrased text:** ",
        "Paraphrase:\n",
        "Rewritten version: ",
        "A clear version of the text above:\n",
        "I have rewritten the passage in plain English:\n\n",
    ],
)
def test_an_opening_that_announces_the_text_goes(opening):
    assert without_announcement(opening + TEXT) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "Of course, bees visit flowers.",
        "Here is where the bees live: in a tree.",
        "This is a bee. It has six legs.",
        "Yes. That is what the text says.",
        "The following years were hard.\nNo text survives.",
    ],
)
def test_a_text_that_announces_nothing_stays(text):
    assert without_announcement(text) == text


def test_a_goodbye_goes_only_from_the_last_line():
    assert without_farewell(f"{TEXT}\n\nI hope this helps!") == TEXT
    assert without_farewell("Let me know, said the bee.") == "Let me know, said the bee."


def test_quotation_marks_go_only_where_they_stand_around_all():
    assert without_quotes(f'"{TEXT}"') == TEXT
    assert without_quotes('"Yes," he said. "No."') == '"Yes," he said. "No."'
    assert without_quotes('"') == '"'


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("One ends. Two is cut in the", "One ends."),
        ("One ends.", "One ends."),
        ('He said "stop." Then he', 'He said "stop."'),
        ("It was Dr. Smith who", ""),
        ("They met Mr. X. Then", "They met Mr. X. Then"[:0]),
        ("Version 2.5 is new and", ""),
        ("蜜蜂飞。它们带", "蜜蜂飞。"),
        ("Nothing ends here", ""),
    ],
)
def test_an_unfinished_sentence_goes(text, left):
    assert without_unfinished(text) == left


def test_a_cut_answer_loses_its_last_sentence_and_a_whole_one_does_not():
    said = "Here is a paraphrase:\nBees fly. They carry"

    assert cleaned(said, whole=False) == "Bees fly."
    assert cleaned(said, whole=True) == "Bees fly. They carry"


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I am sorry, but as a language model I do not know.",
        "As an AI language model, I have no opinion.",
        "I cannot rewrite this text.",
        "Unfortunately, I cannot do it.",
        "Please provide the text.",
        "**I'm unable to open links.**",
        "Sure! I cannot see any text.",
    ],
)
def test_refusals_are_known_by_how_they_begin(text):
    assert refuses(text)


@pytest.mark.parametrize("text", [TEXT, "I was sorry to go.", "He said: I cannot.", "AI is old."])
def test_other_texts_are_no_refusals(text):
    assert not refuses(text)


def test_marks_of_chat_formats_are_seen():
    assert speaks_in_turns("Bees fly.<|im_end|>\n<|im_start|>user")
    assert speaks_in_turns("[INST] more [/INST]")
    assert not speaks_in_turns("a < b | c > d, <s id=1> and [IN]")


def test_marks_of_markdown_become_plain_words():
    said = "# Bees\n\n**They** *fly* to `flowers`, see [here](http://x.example/a). 2 * 3 * 4, a_b_c"

    assert without_markdown(said) == "Bees\n\nThey fly to flowers, see here. 2 * 3 * 4, a_b_c"


@given(st.text(max_size=300), st.booleans())
def test_cleaning_never_adds_a_word(text, whole):
    kept = cleaned(text, whole=whole)

    assert kept in text


@pytest.mark.parametrize(
    "text", ["here is " * 30_000, "**" * 100_000, ". " * 100_000, "Q: " * 50_000]
)
def test_hostile_answers_cost_a_linear_pass(text):
    begun = time.perf_counter()
    cleaned(text, whole=False)
    without_markdown(text)

    assert time.perf_counter() - begun < 5  # a second pass a character would take hours
