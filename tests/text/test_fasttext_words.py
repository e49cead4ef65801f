"""Words, hashes and n-grams are those of a plain reading of fastText's dictionary.cc."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curator.text.fasttext_words import vocabulary, weight_sums

WORDS = [b"</s>", b"the", b"eight-by", b"eight-by-eight", b"caf\xc3\xa9", b"\xf0\x9f\x99\x82", b"x"]
LABELS = [b"__label__a", b"__label__b"]
BUCKETS = 97
PIECES = [
    "the", "eight-by", "eight-by-eight", "eight-by-eigh", "café", "🙂", "x", "y", "</s>", "</s>x",
    "__label__", "__label__a", "__label__zzz", "__label_", "x__label__a", "中文",
    "\u00a0", "\u2028",
]  # fmt: skip
SPACES = [" ", "\n", "\t", "\r", "\v", "\f", "\x00", "  ", ""]
TEXTS = st.lists(
    st.lists(st.one_of(st.sampled_from(PIECES + SPACES), st.text(max_size=12)), max_size=12).map(
        "".join
    ),
    max_size=5,
)


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def fnv(word: bytes) -> int:
    """Return FNV-1a of signed bytes as a signed 32-bit number: what fastText keeps of a word."""
    hashed = 2166136261
    for byte in word:
        hashed = ((hashed ^ (signed(byte) % 2**32)) * 16777619) % 2**32
    return hashed - 2**32 if hashed >= 2**31 else hashed


def rows_of(text: str, ngrams: int) -> list[int]:
    """Return the rows of a text's words and n-grams, by dictionary.cc."""
    rows, hashes = [], []
    for word in [*filter(None, re.split(rb"[ \n\r\t\v\f\x00]+", text.encode())), b"</s>"]:
        if word in LABELS or (word not in WORDS and word.startswith(b"__label__")):
            continue
        hashes.append(fnv(word))
        rows += [WORDS.index(word)] if word in WORDS else []
        if word == b"</s>":
            break
    for at, first in enumerate(hashes):
        hashed = first % 2**64
        for other in hashes[at + 1 : at + ngrams]:
            hashed = (hashed * 116049371 + other) % 2**64
            rows.append(len(WORDS) + hashed % BUCKETS)
    return rows


def weights(columns: int) -> np.ndarray:
    chance = np.random.default_rng(0)
    return chance.normal(size=(len(WORDS) + BUCKETS, columns)).astype(np.float32)


@settings(deadline=None)  # the first call compiles
@given(TEXTS, st.integers(1, 4), st.integers(1, 3))
@example(["", " ", "\n", "</s>", "the </s> x x", "__label__a the", "eight-by-eight x"], 2, 2)
@example(["the " * 2000, "the x y café " * 700 + "</s> " + "x " * 600], 3, 1)
def test_sums_are_those_of_the_rows_of_a_plain_reading(texts, ngrams, columns):
    known, given_weights = vocabulary(WORDS, LABELS), weights(columns)
    column = pa.array(texts, pa.large_string())
    found = weight_sums(column, known, given_weights, buckets=BUCKETS, word_ngrams=ngrams)

    for row, text in enumerate(texts):
        expected = rows_of(text, ngrams)
        assert found.counts[row] == len(expected)
        sums = given_weights[expected].astype(float).sum(axis=0)
        np.testing.assert_allclose(found.totals[row], sums, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "words"), [("", 0), (" \n\x00", 0), ("a b", 2), ("a __label__b", 1), ("a </s> b", 1)]
)
def test_words_are_counted_without_labels_and_the_end_of_the_line(text: str, words: int):
    found = weight_sums(
        pa.array([text]), vocabulary(WORDS, LABELS), weights(1), buckets=BUCKETS, word_ngrams=2
    )

    assert found.words.tolist() == [words]


def test_a_slice_and_a_text_at_the_end_of_the_buffer_are_read_alike():
    known, texts = vocabulary(WORDS), pa.array(["skipped", "eight-by x", "x"], pa.large_string())
    whole, part = (
        weight_sums(column, known, weights(1), buckets=BUCKETS, word_ngrams=2)
        for column in (texts, pa.chunked_array([texts.slice(1, 1), texts.slice(2)]))
    )

    assert whole.totals[1:].tolist() == part.totals.tolist()


@pytest.mark.parametrize(
    ("known", "unknown"), [(b"liquid", b"costarring"), (b"zinke", b"altarage")]
)
def test_words_of_equal_hash_are_told_apart(known: bytes, unknown: bytes):
    assert fnv(known) == fnv(unknown)
    texts = pa.array([known.decode(), unknown.decode()])
    one = np.ones((1, 1), np.float32)
    two = np.array([[1], [2]], np.float32)

    alone = weight_sums(texts, vocabulary([known]), one, buckets=0, word_ngrams=1)
    both = weight_sums(texts, vocabulary([known, unknown]), two, buckets=0, word_ngrams=1)

    assert alone.totals[:, 0].tolist() == [1, 0]
    assert both.totals[:, 0].tolist() == [1, 2]


def test_weights_without_rows_for_the_buckets_are_refused():
    with pytest.raises(ValueError, match="wanted 104 rows"):
        weight_sums(pa.array(["x"]), vocabulary(WORDS), weights(1)[:50], buckets=97, word_ngrams=2)


def test_ngrams_without_buckets_are_refused():
    with pytest.raises(ValueError, match="in 0 buckets"):
        weight_sums(pa.array(["x"]), vocabulary(WORDS), weights(1), buckets=0, word_ngrams=2)
