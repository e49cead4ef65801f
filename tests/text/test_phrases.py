import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.phrases import count_phrases, phrases
from curator.text.unicode import SOLO, characters


def found(entries, *texts):
    """How often any of the entries begins in each text."""
    wanted = phrases(entries, [0] * len(entries))
    return count_phrases(pa.array(texts, pa.large_string()), wanted, 1)[:, 0].tolist()


@pytest.mark.parametrize(
    ("entry", "text", "times"),
    [
        ("foo", "Foo, foo! FOOD food_foo", 3),
        ("foo bar", "foo\n bar foo-bar foo_bar foo, bar foobar", 3),
        ("g-spot", "g spot gspot", 1),
        ("don't", "don’t don't don t dont", 2),
        ("s&m", "S&M s & m S. M. Smith", 1),
        ("año", "año AÑO ano an\u0303o", 2),
        ("性交", "他们性交了 性 交 性交", 2),
        ("ก็", "ก็ก็ ก", 2),
        ("а", "а a", 1),
        ("!!!", "!!!", 0),
        ("foo", "", 0),
    ],
)
def test_a_phrase_is_found_as_words_and_not_inside_them(entry, text, times):
    assert found([entry], text) == [times]


def test_a_word_counts_once_however_many_phrases_begin_there():
    assert found(["foo", "foo bar", "bar"], "foo bar foo") == [3]


def test_lists_are_counted_apart_and_words_last():
    wanted = phrases(["foo", "bar", "foo"], [0, 1, 2])

    counts = count_phrases(pa.array(["foo bar baz", None]), wanted, 3)

    assert counts.tolist() == [[1, 1, 1, 3], [0, 0, 0, 0]]


def test_no_phrases_find_nothing():
    assert found([], "foo") == [0]


def slow_words(text):
    """Words and the gaps before them, one character after the other."""
    classes = characters().classes
    made, gap, solo = [], "", False
    inside = False
    for letter in text:
        code = ord(letter)
        kind = classes[code] if code < len(classes) else 0
        mark = unicodedata.category(letter)[0] == "M"
        solid = letter.isalpha() or letter.isnumeric()
        if inside and (mark or (solid and not solo and not kind & SOLO)):
            made[-1][1] += letter.lower()[0]
        elif solid:
            made.append([gap, letter.lower()[0]])
            gap, inside, solo = "", True, bool(kind & SOLO)
        else:
            gap, inside = gap + letter, False
    return [(like(gap), word) for gap, word in made]


def like(gap):
    if gap and re.fullmatch("[\\s_\\-\u00ad\u2010\u2011]+", gap):
        return " "
    return gap.replace("’", "'")


def slow_count(entry, text):
    wanted, words = slow_words(entry), slow_words(text)
    if not wanted:
        return 0
    return sum(
        words[at][1] == wanted[0][1] and words[at + 1 : at + len(wanted)] == wanted[1:]
        for at in range(len(words))
    )


SHORT = st.text(st.sampled_from("aAñn\u0303 -_'’&.性交กิิ１Ⅳ\u00ad\n"), max_size=12)


@settings(max_examples=200)
@given(SHORT.filter(lambda entry: slow_words(entry)), st.lists(SHORT, min_size=1, max_size=4))
def test_counts_are_those_of_a_slow_search(entry, texts):
    assert found([entry], *texts) == [slow_count(entry, text) for text in texts]
