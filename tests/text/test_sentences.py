"""Words in their sentences: all are in one, and sentences end where a reader would end them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.text.sentences import CAPITAL, FIRST, LETTERS, LOUD, sentences, word_hashes
from curator.text.words import word_counts


def parts(text: str) -> list[str]:
    found = sentences(pa.array([text]))
    raw = text.encode()
    return [raw[a:b].decode() for a, b in zip(found.begins, found.stops, strict=True)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said: "Go!" Then left.', ['He said: "Go!"', "Then left."]),
        ("Mr. Fox met J. R. Owl. They ate.", ["Mr. Fox met J. R. Owl.", "They ate."]),
        ("It is 3.5 miles, e.g. far.", ["It is 3.5 miles, e.g. far."]),
        ("a heading\n\nthe text", ["a heading", "the text"]),
        ("wrapped\nline\nNew line", ["wrapped\nline", "New line"]),
        ("(One.) [Two] three", ["(One.)", "[Two] three"]),
        ("", []),
        ("... !", []),
    ],
)
def test_a_sentence_ends_where_a_reader_would_end_it(text, wanted):
    assert parts(text) == wanted


@given(st.lists(st.text(max_size=60), max_size=5))
def test_sentences_of_any_text_are_apart_and_hold_all_its_words(texts):
    found = sentences(pa.array(texts, pa.large_string()))

    assert (found.offsets[1:] - found.offsets[:-1]).tolist() == word_counts(
        pa.array(texts, pa.large_string())
    ).tolist()
    for row, text in enumerate(texts):
        mine = found.texts == row
        begins, stops = found.begins[mine], found.stops[mine]
        assert (begins < stops).all()
        assert (stops[:-1] <= begins[1:]).all()
        raw = text.encode()
        assert all(raw[a:b].decode().strip() for a, b in zip(begins, stops, strict=True))
        words = slice(found.offsets[row], found.offsets[row + 1])
        of = found.sentence[words]
        assert (found.starts[words] >= found.begins[of]).all()
        assert (found.ends[words] <= found.stops[of]).all()


def test_flags_tell_letters_capitals_first_words_and_loud_ones():
    found = sentences(pa.array(["The NASA has 12 rockets. go"]))

    assert [int(f) for f in found.flags] == [
        LETTERS | CAPITAL | FIRST,
        LETTERS | CAPITAL | LOUD,
        LETTERS,
        0,
        LETTERS,
        LETTERS,
    ]


def test_words_are_equal_whatever_their_case_and_accents():
    one, other, none = word_hashes(["Café", "CAFE", "..."])

    assert one == other != none == 0
