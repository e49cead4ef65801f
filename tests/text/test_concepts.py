from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curator.text.concepts import LONGEST, STOP_WORDS, concepts_of

ABSTRACT = (
    "Compatibility of systems of linear constraints over the set of natural numbers. Criteria of "
    "compatibility of a system of linear Diophantine equations, strict inequations, and nonstrict "
    "inequations are considered."
)


def test_phrases_of_the_published_example_lead():
    found = concepts_of(ABSTRACT, 4)

    # Rose et al. 2010, table 1.1: linear diophantine equations 8.5, linear constraints 4.5,
    # natural numbers 4, strict inequations 4, nonstrict inequations 4.
    assert found == (
        "linear diophantine equations", "linear constraints", "natural numbers",
        "strict inequations",
    )  # fmt: skip


def test_stop_words_numbers_and_punctuation_part_phrases():
    assert set(concepts_of("red apples, green pears and 3 plums")) == {
        "red apples", "green pears", "plums",
    }  # fmt: skip
    assert concepts_of("the of and 12 !") == ()


@given(st.text(max_size=300), st.integers(1, 8))
def test_a_text_has_few_short_phrases_of_content_words(text: str, most: int):
    found = concepts_of(text, most)

    assert len(found) == len(set(found)) <= most
    for phrase in found:
        assert 1 <= len(phrase.split(" ")) <= LONGEST
        assert not set(phrase.split(" ")) & STOP_WORDS
