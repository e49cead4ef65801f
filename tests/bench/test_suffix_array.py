"""The reference by a suffix array against a search of every window."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.suffix_array import repeated, suffix_array, tokens_of
from tests.support import hostile
from tests.support.repeated import pieces, repeated_pieces, spans


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_suffixes_stand_in_the_order_of_what_they_say(ids):
    found = suffix_array(np.array(ids)).tolist()

    assert found == sorted(range(len(ids)), key=lambda at: ids[at:])


@settings(max_examples=100, deadline=None)
@given(hostile.texts())
def test_pieces_are_those_of_the_definition(text):
    assert tokens_of([text]).bytes[0] == [(start, end) for _, start, end in pieces(text)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "日", "e"]), max_size=30).map(" ".join), max_size=5
    ),
    st.integers(1, 6),
)
def test_spans_and_cuts_are_those_of_every_window(texts, k):
    texts = [*texts, "a last text that is long enough"]
    ranks = np.arange(len(texts))
    covered, lost = repeated_pieces(texts, k, ranks.tolist())

    tokens = tokens_of(texts)
    found, cut = repeated(tokens, k, ranks)

    assert found == [spans(text, one) for text, one in zip(texts, covered, strict=True)]
    for number, one in enumerate(lost):
        here = tokens.documents == number
        assert set(tokens.places[here & cut].tolist()) == one
