"""A rewriting is told from what is none; shares agree with sets of words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.refine.faithfulness import (
    Checks,
    copied_share,
    echoes,
    has_new_figures,
    repeated_share,
)

PASSAGE = (
    "The old mill at the bend of the river ground wheat for nine villages until a flood took its "
    "wheel in the spring, and nobody had the money to build another one."
)
REWRITING = (
    "For many years nine villages brought their wheat to a mill standing where the stream turns. "
    "One spring high water carried the wheel away; there was no money for a new one."
)
INSTRUCTION = (
    "Please rewrite the following passage in clear and careful English as an encyclopedia would."
)
GERMAN = (
    "Die alte Mühle an der Biegung des Flusses mahlte den Weizen von neun Dörfern, bis ein "
    "Hochwasser im Frühling das Rad mitnahm und niemand Geld für ein neues hatte."
)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        (REWRITING, None),
        ("", "empty"),
        ("!?", "empty"),
        (
            "I'm sorry, but I cannot rewrite this passage for you today, whatever it may say.",
            "refusal",
        ),
        (f"{REWRITING}<|im_end|>", "turns"),
        (f"{INSTRUCTION} {REWRITING}", "echo"),
        ("A mill stood there.", "short"),
        (f"The passage describes a mill. {REWRITING}", "about"),
        (f"{REWRITING} It was built in 1731.", "figures"),
        (REWRITING.replace("nine", "9"), None),
        (f"1. {REWRITING}", None),
        (" ".join(f"{REWRITING} {number}" for number in range(5)), "long"),
        (PASSAGE, "copy"),
        ("There was a mill, and it was good. " * 4, "loop"),
        (GERMAN, "language"),
    ],
)
def test_what_is_no_rewriting_is_told_by_one_word(written, fault):
    assert Checks().faults([PASSAGE], [written], INSTRUCTION) == [fault]


def test_a_passage_that_reads_as_a_refusal_may_be_rewritten_as_one():
    said = "I'm sorry, but I cannot come to the wedding in June, since the ferry does not run then."
    made = "I am sorry that I cannot be at the June wedding: no ferry goes at that time of year."

    assert Checks().faults([said], [made]) == [None]


def test_a_verse_that_repeats_itself_may_be_rewritten_with_its_refrain():
    verse = "Row the boat gently down the stream tonight. " * 4
    made = "Gently row your little boat down the stream now. " * 4

    assert Checks().faults([verse], [made]) == [None]


@pytest.mark.parametrize(
    ("said", "made", "new"),
    [
        ("It cost 12,500 dollars.", "12500 dollars.", False),
        ("It cost 12500.5 dollars.", "12,500.5 dollars.", False),
        ("A thousand came.", "1,000 came.", False),
        ("It cost 12,500 dollars.", "12.500 dollars.", True),  # twelve and a half
        ("In rows 1,2 and 3.", "In row 12.", True),
    ],
)
def test_commas_between_thousands_make_no_other_number(said, made, new):
    assert has_new_figures(said, made) == new


@pytest.mark.parametrize(
    "settings", [{"shortest": 3.0}, {"shortest": -1}, {"most_copied": 1.5}, {"most_repeated": -0.1}]
)
def test_bounds_that_let_nothing_through_are_refused(settings):
    with pytest.raises(RecipeError, match="wanted"):
        Checks(**settings)


WORDS = st.lists(st.sampled_from("abcdefg"), max_size=30).map(" ".join)


@given(WORDS, WORDS, st.integers(1, 4))
def test_the_copied_share_is_that_of_lists_of_words(written, passage, n):
    def grams(text):
        words = text.split()
        return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]

    own, other = grams(written), set(grams(passage))
    expected = np.mean([gram in other for gram in own]) if own else 0.0
    repeated = 1 - len(set(own)) / len(own) if own else 0.0
    made, given_ = pa.array([written], pa.large_string()), pa.array([passage], pa.large_string())

    assert copied_share(made, given_, n)[0] == pytest.approx(expected)
    assert repeated_share(made, n)[0] == pytest.approx(repeated)


def test_an_echo_that_the_passage_has_itself_is_none():
    both = pa.array([INSTRUCTION], pa.large_string())

    assert not echoes(both, both, INSTRUCTION).any()
