import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.measures import DOLMA, LANGUAGES, MEASURES, REDPAJAMA
from curator.text.segments import segments
from curator.text.spoken import NOBODYS, spoken
from curator.text.statistics import COUNTS, count_texts
from tests.support import measures_reference as reference
from tests.support.hostile import TEXTS, texts

ALL = DOLMA | REDPAJAMA | LANGUAGES
STOP_WORDS = (["der", "und", "für"], ["の", "です", "年"])


def counted(*rows, asked=ALL, languages=None):
    """The counts of each text; its language is nobody's, or the place in `STOP_WORDS`."""
    numbers = np.array([NOBODYS] * len(rows) if languages is None else languages)
    table = spoken(numbers, STOP_WORDS, [False, True])
    found = count_texts(pa.array(rows, pa.large_string()), asked, table).counts
    return [dict(zip(COUNTS, row, strict=True)) for row in found.tolist()]


def assert_as_reference(text):
    (ours,) = counted(text)
    parts = (reference.white, reference.raw, reference.lines, reference.letters)
    expected = {name: count for part in parts for name, count in part(text).items()}
    entropy = expected.pop("entropy_millionths")

    assert {name: ours[name] for name in expected} == expected
    assert ours["entropy_millionths"] == pytest.approx(entropy, abs=1)


@pytest.mark.parametrize("text", TEXTS)
def test_awkward_texts_count_as_the_plain_reference_does(text):
    assert_as_reference(text)


@settings(max_examples=150, deadline=None)
@given(texts())
def test_hostile_unicode_counts_as_the_plain_reference_does(text):
    assert_as_reference(text)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "bb", "the", "C", "…", "\n"]), max_size=120).map(" ".join))
def test_texts_full_of_repetition_count_as_the_plain_reference_does(text):
    assert_as_reference(text)


def test_texts_larger_than_the_first_room_are_counted_whole():
    assert_as_reference("\n".join(f"word{number % 700} x" for number in range(4_000)))
    assert_as_reference("\n" * 3_000)


def test_what_is_not_asked_for_is_not_counted():
    text = "The cat, the cat and the cat sat.\nの"
    nothing, dolma = counted(text, asked=0)[0], counted(text, asked=DOLMA)[0]

    assert {nothing[name] for name in MEASURES} == {0}
    assert dolma["white_top_2_gram"] > 0
    assert dolma["raw_tokens"] == dolma["different_words"] == dolma["letter_words"] == 0


def test_the_published_counts_do_not_depend_on_what_else_is_asked_for():
    rows = pa.array(TEXTS, pa.large_string())
    before = len(COUNTS) - len(MEASURES)
    both = count_texts(rows, DOLMA | REDPAJAMA).counts[:, :before]

    assert both.tolist() == count_texts(rows).counts[:, :before].tolist()


def test_stop_words_of_spaced_languages_are_whole_tokens_and_count_once_each():
    found = counted("der und und, Für der.", "und unter", "under der", languages=[0, 0, NOBODYS])

    assert [row["spoken_stop_words"] for row in found] == [2, 1, 0]


def test_stop_words_of_unspaced_languages_are_found_between_letters():
    found = counted("日本の年です。", "ですです", "", languages=[1, 1, 1])

    assert [row["spoken_stop_words"] for row in found] == [3, 1, 0]


@settings(max_examples=40, deadline=None)
@given(texts())
def test_stop_words_are_found_as_plain_searches_find_them(text):
    tokens = set(segments(text))
    spaced, unspaced = counted(text, text, languages=[0, 1])

    assert spaced["spoken_stop_words"] == sum(word in tokens for word in STOP_WORDS[0])
    assert unspaced["spoken_stop_words"] == sum(word in text for word in STOP_WORDS[1])


def test_each_letter_of_an_unspaced_script_is_a_word_with_its_marks():
    japanese, thai, mixed = counted("日本語です。", "ที่นี่", "Python は3語 ok!")

    assert japanese["letter_words"] == 5
    assert japanese["letter_tokens"] == 6
    assert thai["letter_words"] == 2
    assert (mixed["letter_words"], mixed["letter_alphabetic"]) == (5, 4)


def test_counts_by_language_need_the_languages():
    with pytest.raises(ValueError, match="language of each text"):
        count_texts(pa.array(["a"], pa.large_string()), LANGUAGES)


def test_more_stop_words_than_there_are_bits_are_refused():
    with pytest.raises(ValueError, match="at most 64"):
        spoken(np.zeros(1, np.int64), [[str(n) for n in range(65)]], [False])
