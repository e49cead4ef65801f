"""Words found 64 bytes at a time are those found one byte at a time, and hash as alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curator.text.minhash import minhash_signatures
from curator.text.ngrams import ngram_hashes
from curator.text.word_hashes import shingle_hashes

PADDING = "x" * 200  # behind it no text is near the column's end, where all go byte by byte
ALPHABET = "abzAZ019 _-.\n\t'éÉÅ\u0301\u0300\u200bßǅΩя中文กั๒ﬁ①\u0e31🙂\x00\x7f\u00ad"
TEXTS = st.lists(st.text(ALPHABET, max_size=150), min_size=1, max_size=6)


def column(texts: list[str]) -> pa.Array:
    return pa.array([*texts, PADDING], pa.large_string())


def groups(hashes: np.ndarray) -> list[int]:
    """Return for each hash the place of the first that is equal to it."""
    seen: dict[int, int] = {}
    return [seen.setdefault(value, place) for place, value in enumerate(hashes.tolist())]


@settings(deadline=None)  # the first call compiles
@given(TEXTS)
@example(["a" * 63 + " b", "a" * 64, "a" * 65 + "é", "é" + "a" * 64, "", " " * 200, "a" * 130])
@example(["Cafe cafe café CAFÉ", "abcdefgh ABCDEFGH abcdefghi", "abcdefghabcdefgh", "x" * 17])
def test_words_are_equal_exactly_where_the_other_reading_finds_them_equal(texts):
    expected = ngram_hashes(column(texts), 1)
    offsets, hashes = shingle_hashes(column(texts), 1)
    counts = np.diff(offsets)
    wordless = np.diff(expected.offsets) == 0

    assert hashes[offsets[:-1][wordless]].tolist() == [0] * int(wordless.sum())
    assert np.where(wordless, 0, counts).tolist() == np.diff(expected.offsets).tolist()
    found = np.delete(hashes, offsets[:-1][wordless])
    assert groups(found) == groups(expected.hashes)


@settings(deadline=None)  # the first call compiles
@given(TEXTS, st.integers(1, 6))
def test_a_text_hashes_the_same_wherever_it_stands(texts, n):
    offsets, hashes = shingle_hashes(column(texts), n)
    for row, text in enumerate(texts):
        _, alone = shingle_hashes(pa.array([text], pa.large_string()), n)
        assert alone.tolist() == hashes[offsets[row] : offsets[row + 1]].tolist()


@settings(deadline=None)  # the first call compiles
@given(TEXTS, st.integers(1, 6))
def test_shingles_are_equal_exactly_where_the_words_in_a_row_are(texts, n):
    expected = ngram_hashes(column(texts), n)
    offsets, hashes = shingle_hashes(column(texts), n)
    short = np.diff(expected.offsets) == 0

    assert groups(np.delete(hashes, offsets[:-1][short])) == groups(expected.hashes)


def test_more_words_than_are_hashed_at_once_make_the_same_shingles():
    words = [f"w{i * i % 977}" for i in range(5000)]
    texts = pa.array([" ".join(words), " ".join(words[1000:3000])], pa.large_string())
    offsets, hashes = shingle_hashes(texts, 5)

    assert offsets.tolist() == [0, 4996, 4996 + 1996]
    assert hashes[1000:2996].tolist() == hashes[4996:].tolist()
    assert groups(hashes) == groups(ngram_hashes(texts, 5).hashes)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sampled_from(["alpha", "Beta", "café", "中文", "x1"]), max_size=40))
def test_signatures_do_not_depend_on_case_spacing_or_neighbors(words):
    plain, odd = " ".join(words), "  ".join(words).upper() + " !"
    near = minhash_signatures(column([plain, odd]))
    alone = minhash_signatures(pa.array([odd], pa.large_string()))

    assert near[0].tolist() == near[1].tolist() == alone[0].tolist()
