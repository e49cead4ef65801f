from __future__ import annotations

import unicodedata

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curator.testing import documents
from scorers.letters import Letters


def letter_share(text: str) -> float | None:
    return Letters().process(None, documents([text]))["letter_share"][0].as_py()


def test_an_empty_text_has_no_score():
    assert letter_share("") is None


def test_letters_are_counted_over_characters_not_bytes():
    assert letter_share("né!?") == 0.5


def test_the_column_says_its_unit_and_direction():
    field = Letters().writes.field("letter_share")

    assert field.metadata[b"unit"] == b"share in [0, 1]"
    assert field.metadata[b"better"] == b"higher"
    assert field.type == pa.float32()


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cn"]), min_size=1))
def test_the_share_is_that_of_the_unicode_categories(text: str):
    expected = sum(unicodedata.category(letter).startswith("L") for letter in text) / len(text)

    assert abs(letter_share(text) - expected) < 1e-6  # float32
