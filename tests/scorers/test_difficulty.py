"""Difficulty without a model: counts held to plain Python, and easy text below hard text."""

from __future__ import annotations

import re
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.testing import documents
from curator.text.readability import measures, reading_ease
from scorers.difficulty import Difficulty

EASY = "The cat sat on the mat. The dog ran to the cat. The cat ran. " * 6
HARD = (
    "Notwithstanding considerable epistemological heterogeneity, contemporary phenomenological "
    "hermeneutics interrogates intersubjectivity, historicity, embodiment and the constitutive "
    "ambiguities underlying linguistic representation within institutionalized academic discourse."
)


def factors(words):
    """Return MTLD's stretches of a list of words, as McCarthy and Jarvis count them."""
    found, stretch = 0.0, []
    for word in words:
        stretch.append(word)
        if len(set(stretch)) < 0.72 * len(stretch):
            found, stretch = found + 1, []
    return found + ((1 - len(set(stretch)) / len(stretch)) / 0.28 if stretch else 0)


def syllables(word):
    found = len(re.findall(r"[aeiouy]+", word.lower()))
    if found > 1 and len(word) > 2 and re.search(r"[b-df-hjkmnp-tvwxz]e$", word.lower()):
        found -= 1
    return max(found, 1)


def scored(*texts):
    return Difficulty().process(None, documents(list(texts))).to_pydict()


WORDS = ["make", "table", "sea", "e", "queue", "rhythm", "be", "style"]


@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_counts_are_those_of_plain_python(words):
    text = ". ".join(words)
    found = measures(pa.array([text], pa.large_string()))[0]
    count = len(words)
    mean = np.mean([count / max(factors(way), 1) for way in (words, words[::-1])])

    assert found[:3].tolist() == [count, count - 1, sum(map(syllables, words))]
    assert found[3] == pytest.approx(mean)


def test_reading_ease_is_flesch():
    text = "The cat sat on the mat."

    found = reading_ease(measures(pa.array([text], pa.large_string())))[0]

    assert found == pytest.approx(206.835 - 1.015 * 6 - 84.6)


def test_a_document_is_scored_alone():
    both = measures(pa.array([EASY, HARD], pa.large_string()))
    alone = [measures(pa.array([text], pa.large_string()))[0] for text in (EASY, HARD)]

    assert np.array_equal(both, np.stack(alone))


def test_every_column_rises_with_difficulty():
    found = scored(EASY, HARD)

    for name in ("compression", "mtld", "reading"):
        assert found[name][0] < found[name][1]
    assert found["length"] == [len(EASY), len(HARD)]


def test_compression_is_zlibs():
    assert scored(EASY)["compression"][0] == pytest.approx(
        len(zlib.compress(EASY.encode(), 6)) / len(EASY), abs=1e-4
    )


def test_a_text_without_words_has_no_difficulty():
    assert {
        name: values for name, values in scored("", "...").items() if values != [None, None]
    } == {}
