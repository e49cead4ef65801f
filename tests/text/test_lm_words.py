"""Words of the n-gram model against their definition, written with `unicodedata`."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from curator.text.lm_stream import BEGIN, END, FIRST_WORD, WordStream, spelled_lines
from curator.text.lm_words import readings
from curator.text.unicode import LIMIT, SOLO, characters
from tests.support import hostile


def kind(character: str) -> str:
    if ord(character) >= LIMIT:
        return "nothing"
    if characters().classes[ord(character)] & SOLO:
        return "alone"
    if character.isalpha() or character.isnumeric():
        return "word"
    category = unicodedata.category(character)[0]
    return {"M": "mark", "P": "sign", "S": "sign"}.get(category, "nothing")


def normalized(character: str) -> str:
    code = int(readings()[ord(character)]) & 0xFFFFFF
    return chr(code) if code else ""


def words_of(line: str) -> list[str]:
    """Words by definition, a character at a time."""
    found: list[str] = []
    before = "nothing"
    for character in line:
        this = kind(character)
        read = normalized(character) if this != "nothing" else ""
        if this == "mark":
            if before in ("word", "alone"):
                found[-1] += read
                continue
            this = "nothing"
        elif (this == "word" and before == "word") or (
            this == "sign" and before == "sign" and found[-1] == read
        ):
            found[-1] += read if this == "word" else ""
        elif this != "nothing":
            found.append(read)
        before = this
    return found


def spelled(text: str) -> str:
    return spelled_lines(pa.array([text], pa.large_string()))[0].as_py()


@settings(max_examples=300, deadline=None)
@given(text=hostile.texts())
def test_words_follow_the_definition(text: str):
    lines = [words_of(line) for line in text.split("\n")]

    assert spelled(text) == "\n".join(" ".join(line) for line in lines if line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Café isn't 1,250 m²!", "the cafe isn ' t 0 , 000 m0 !"),
        ("“Quote” — dash…", '" quote " - dash .'),
        ("-------- ....", "- ."),
        ("日本語 です。", "日 本 語 で す ."),
        ("ไม่มี", "ไ ม่ มี"),
        ("a ¸ ② m²", "a ¸ 0 m0"),
        ("ABC１２３", "abc000"),
        ("a\u200bb\x00c\ufeff", "a b c"),
        ("one\r\n\r\n two\n", "one\ntwo"),
        ("Ⱥ" * 3, "ⱥ" * 3),  # two bytes become three
    ],
)
def test_normalization_is_lower_case_without_accents_digits_0_signs_apart(text: str, expected: str):
    assert spelled(text) == expected


def test_what_was_read_is_read_as_itself():
    table = readings()
    codes = table[table > 0] & 0xFFFFFF
    kept = codes > 0

    np.testing.assert_array_equal(table[codes[kept]], table[table > 0][kept])


def test_a_stream_numbers_words_by_their_bytes():
    stream = WordStream()
    stream.add(pa.array(["b a\n\nc", "a"], pa.large_string()))
    numbers, words, _ = stream.finish()
    a, b, c = range(FIRST_WORD, FIRST_WORD + 3)

    assert words.to_pylist() == ["a", "b", "c"]
    assert numbers.tolist() == [BEGIN, b, a, END, BEGIN, c, END, BEGIN, a, END]
    assert (stream.tokens, stream.lines) == (4, 3)


def test_a_stream_grows_with_its_vocabulary():
    texts = [f"word{'x' * (row % 50)}y{'z' * (row // 50)}" for row in range(5_000)]
    stream = WordStream()
    for start in range(0, len(texts), 999):
        stream.add(pa.array(texts[start : start + 999], pa.large_string()))
    numbers, words, hashes = stream.finish()

    assert words.to_pylist() == sorted(texts)
    assert [words[n - FIRST_WORD].as_py() for n in numbers[1::3].tolist()] == texts
    assert len(set(hashes.tolist())) == len(texts)
