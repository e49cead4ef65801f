"""Lines and paragraphs against a plain reading of each."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings

from curator.text.unicode import LIMIT, MARK, SYMBOL, characters
from curator.text.units import text_units
from tests.support import hostile
from tests.support.text_reference import fold, is_solo


def read(unit):
    """What a line or paragraph says, as CCNet reads it, and its words."""
    said = ""
    for character in unit:
        known = ord(character) < LIMIT
        flags = int(characters().classes[ord(character)]) if known else 0
        if not known:
            said += character
        elif character.isdecimal():
            said += "0"
        elif character.isalpha() or character.isnumeric() or flags & MARK:
            said += fold(character)
        elif character.isspace():
            said += " "
        elif flags & SYMBOL:
            said += character
    letters = sum(1 for c in unit if is_solo(c))
    spaced = "".join(c if ord(c) < LIMIT else "0" for c in unit)
    words = re.split(r"\s+", spaced)
    alone = sum(any(is_solo(c) for c in word) for word in words)
    lettered = sum(any(c.isalpha() for c in word) for word in words)
    return " ".join(said.split()), (letters, alone, lettered)


def units_of(text, *, paragraphs):
    units, held = [], []
    for line in text.split("\n"):
        if visible(line) and (paragraphs or not held):
            held.append(line)
        if held and (not paragraphs or not visible(line)):
            units.append("\n".join(held))
            held = []
    return [*units, "\n".join(held)] if held else units


def visible(line):
    return any(not (c.isspace() and ord(c) < LIMIT) for c in line)


@pytest.mark.parametrize("paragraphs", [False, True])
@settings(max_examples=200, deadline=None)
@given(hostile.texts())
def test_units_are_hashed_by_what_they_say(paragraphs, text):
    found = text_units(pa.array([text], pa.large_string()), paragraphs=paragraphs)

    wanted = [read(unit)[0] for unit in units_of(text, paragraphs=paragraphs)]
    assert len(found.words) == len(wanted)
    by_hash, by_words = {}, {}
    for pair, said in zip(map(tuple, found.hashes.tolist()), wanted, strict=True):
        assert by_hash.setdefault(pair, said) == said
        assert by_words.setdefault(said, pair) == pair


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Accept  all Cookies!", "accept all cookies"),
        ("Page 12 of 340", "page 99 of 111"),
        ("Café — ouvert", "cafe ouvert"),
        ("  indented\t", "indented\r"),
        ("don't", "dont"),
    ],
)
def test_case_digits_punctuation_accents_and_spacing_do_not_count(one, other):
    found = text_units(pa.array([one, other], pa.large_string()))

    assert found.hashes[0].tolist() == found.hashes[1].tolist()


@pytest.mark.parametrize(
    ("one", "other"), [("a b", "ab"), ("page 1", "page 12"), ("1 + 1", "1 - 1"), ("x", "x y")]
)
def test_words_and_symbols_count(one, other):
    found = text_units(pa.array([one, other], pa.large_string()))

    assert found.hashes[0].tolist() != found.hashes[1].tolist()


def test_words_are_those_with_a_letter():
    texts = pa.array(["3.14 | 2.71 x", "two words", "日本 語", "--- 12"], pa.large_string())

    assert text_units(texts).words.tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("paragraphs", [False, True])
@settings(max_examples=100, deadline=None)
@given(hostile.texts())
def test_units_span_what_is_no_white_space(paragraphs, text):
    found = text_units(pa.array([text], pa.large_string()), paragraphs=paragraphs)

    spanned = [
        text.encode()[start:end].decode()
        for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    ]
    assert spanned == [unit.strip() for unit in units_of(text, paragraphs=paragraphs)]
