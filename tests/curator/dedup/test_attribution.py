"""Runs of words that two texts share, against a loop over all of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.dedup.attribution import asked, covered, shared_runs
from curator.errors import RecipeError
from curator.text.word_places import word_places


def naive(query: list[str], text: list[str], least: int) -> set[tuple[int, int]]:
    """Return (first word, words) of every run that neither side can make longer."""
    found = set()
    for i in range(len(query)):
        for j in range(len(text)):
            if i and j and query[i - 1] == text[j - 1]:
                continue
            n = 0
            while i + n < len(query) and j + n < len(text) and query[i + n] == text[j + n]:
                n += 1
            if n >= least:
                found.add((i, n))
    return found


WORDS = st.lists(st.sampled_from("abc"), min_size=3, max_size=25)


@given(WORDS, st.lists(WORDS, max_size=4), st.integers(1, 3))
def test_the_runs_are_those_of_a_plain_search(query, texts, least):
    column = pa.array([" ".join(text) for text in texts], pa.large_string())
    runs = shared_runs(asked(" ".join(query), least), column)
    for document, text in enumerate(texts):
        own = runs.document == document
        pairs = set(zip(runs.first[own].tolist(), runs.words[own].tolist(), strict=True))
        assert pairs == naive(query, text, least)


def test_case_accents_and_punctuation_do_not_part_a_run():
    query = asked("The Café closed, at nine o'clock; nobody came back.", 4)
    runs = shared_runs(query, pa.array(["... the cafe closed at NINE o clock. Then"]))

    assert runs.words.tolist() == [7]
    assert query.span(0, 7) == "The Café closed, at nine o'clock"


def test_what_a_document_covers_is_the_union_of_its_runs():
    query = asked("a b c d e f g h", 2)
    runs = shared_runs(query, pa.array(["a b c x f g", "h h"]))

    assert covered(runs, 0, 8).tolist() == [True, True, True, False, False, True, True, False]
    assert not covered(runs, 1, 8).any()


@pytest.mark.parametrize("text", ["", "too few words"])
def test_a_text_of_fewer_words_is_refused(text):
    with pytest.raises(RecipeError, match="wanted 8 to"):
        asked(text)


def test_words_said_over_and_over_are_refused_before_memory_runs_out():
    words = "again " * 20_000
    with pytest.raises(RecipeError, match="ask for longer runs"):
        shared_runs(asked(words, 2), pa.array([words]))


def test_words_stand_where_they_are():
    texts = pa.array(["Ünder the sea!", "", "  one"])
    offsets, starts, ends = word_places(texts)

    assert offsets.tolist() == [0, 3, 3, 4]
    cut = [texts[row].as_py().encode()[a:b].decode() for row, a, b in zip(
        np.repeat([0, 1, 2], np.diff(offsets)).tolist(), starts, ends, strict=True)]  # fmt: skip
    assert cut == ["Ünder", "the", "sea", "one"]
