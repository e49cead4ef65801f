from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.refine.pieces import pieces

TEXTS = st.text(alphabet="ab .!?\n\u3002\"'\u2026", max_size=120)
WAYS = ("line", "sentence", "paragraph")


@given(TEXTS, st.integers(1, 30), st.sampled_from(WAYS))
def test_pieces_one_after_the_other_are_the_text(text: str, budget: int, by: str):
    found = pieces(text, budget, len, by=by)

    assert "".join(text[one.start : one.end] for one in found) == text
    assert [one.index for one in found] == list(range(len(found)))
    assert all(one.start < one.end for one in found)


@given(TEXTS, st.integers(1, 30), st.sampled_from(WAYS))
def test_only_a_single_unit_is_ever_longer_than_the_budget(text: str, budget: int, by: str):
    for one in pieces(text, budget, len, by=by):
        assert one.over == (one.end - one.start > budget)
        if one.over:
            assert len(pieces(text[one.start : one.end], 1_000, len, by=by)) == 1


@given(TEXTS, st.integers(1, 30))
def test_a_piece_knows_the_line_it_begins_in(text: str, budget: int):
    for one in pieces(text, budget, len, by="sentence"):
        assert one.first_line == text[: one.start].count("\n")


@given(TEXTS, st.integers(1, 30))
def test_pieces_are_filled_as_far_as_whole_lines_go(text: str, budget: int):
    found = pieces(text, budget, len)

    for one, following in itertools.pairwise(found):
        line_end = text.find("\n", following.start) + 1 or len(text)
        assert line_end - one.start > budget


def test_a_piece_is_held_to_what_it_counts_as_a_whole():
    def superadditive(text: str) -> int:
        return len(text) + 3 * text.count("\n") ** 2

    for one in pieces("ab\n" * 12, 20, superadditive):
        assert superadditive("ab\n" * ((one.end - one.start) // 3)) <= 20


def test_sentences_end_where_they_are_closed():
    text = 'He said "Go!" and left. Then (as ever?) rain. 3.14 is no end\u3002\u7d42'
    found = pieces(text, 1, len, by="sentence")

    assert [text[one.start : one.end] for one in found] == [
        'He said "Go!" ', "and left. ", "Then (as ever?) ", "rain. ", "3.14 is no end\u3002",
        "\u7d42",
    ]  # fmt: skip


@pytest.mark.parametrize(("budget", "by"), [(0, "line"), (5, "word")])
def test_a_budget_or_unit_that_cuts_nothing_is_refused(budget: int, by: str):
    with pytest.raises(RecipeError, match="wanted 1 or more, one of"):
        pieces("a text", budget, len, by=by)
