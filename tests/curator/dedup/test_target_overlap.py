from __future__ import annotations

import pyarrow as pa
import pytest

from curator.dedup.target_overlap import overlapping, refuse_overlap
from curator.errors import RecipeError

LONG = "the quick brown fox jumps over the lazy dog while seven wise owls watch from above"
OTHER = "a slow green turtle swims under one busy bridge as nine old herons sleep in the reeds"


def table(*texts: str, source: str = "exam") -> pa.Table:
    return pa.table({"source": [source] * len(texts), "text": pa.array(texts, pa.large_string())})


def test_a_run_of_thirteen_words_is_found_whatever_its_case_and_marks():
    examples = table(
        "First, unrelated.",
        "Well: THE quick, brown fox jumps over the lazy dog " + ("while seven wise owls -- indeed"),
    )

    pairs = overlapping(examples, table(OTHER, LONG))

    assert pairs.to_pylist() == [{"example": 1, "item": 1, "matched_ngrams": 1}]


def test_twelve_words_in_common_are_none():
    examples = table("the quick brown fox jumps over the lazy dog while seven wise cats")

    assert overlapping(examples, table(LONG)).num_rows == 0


def test_a_prompt_that_all_items_share_does_not_count():
    prompt = "Which of the following answers is the best one for the question asked below today? "
    final = table(*(f"{prompt} {name} {OTHER[at:]}" for at, name in enumerate("abcdefghijkl")))

    assert overlapping(table(prompt + "Something of its own."), final).num_rows == 0


def test_a_short_item_counts_as_a_whole():
    final = table("nine old herons sleep in the quiet reeds")

    found = overlapping(table("Tonight nine old herons sleep in the quiet reeds again."), final)

    assert found["item"].to_pylist() == [0]


def test_nothing_overlaps_with_nothing():
    assert overlapping(table(), table(LONG)).num_rows == 0
    refuse_overlap(table(LONG), table())


def test_examples_that_repeat_the_final_target_are_refused():
    examples = table(OTHER, LONG, "Something else.")

    with pytest.raises(RecipeError, match=r"1 of 3 examples share 13 words .*exam: 'the quick"):
        refuse_overlap(examples, table(LONG, source="final"))


def test_examples_of_their_own_pass():
    refuse_overlap(table(OTHER), table(LONG))
