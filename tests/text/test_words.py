import hashlib
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from curator.text.buckets import bucket_counts, bucket_sums, bucket_totals
from curator.text.ngrams import ngram_hashes
from curator.text.normalized import normalized_hash
from curator.text.words import word_counts
from tests.support.hostile import TEXTS, texts
from tests.support.text_reference import normalized_words


def column(*rows):
    return pa.array(rows, pa.large_string())


def found_words(text):
    raw, grams = text.encode(), ngram_hashes(column(text), 1)
    spans = zip(grams.byte_starts.tolist(), grams.byte_ends.tolist(), strict=True)
    return [raw[a:b].decode() for a, b in spans], grams.hashes.tolist()


def assert_words_as_reference(text):
    expected = normalized_words(text)
    written, hashes = found_words(text)

    assert written == [text.encode()[a:b].decode() for _, a, b in expected]
    names = [word for word, _, _ in expected]
    assert len(set(hashes)) == len(set(names))
    assert len(set(zip(names, hashes, strict=True))) == len(set(names))


@pytest.mark.parametrize("text", TEXTS)
def test_words_of_awkward_texts_are_those_of_the_plain_reference(text):
    assert_words_as_reference(text)


@settings(max_examples=150, deadline=None)
@given(texts())
def test_words_of_hostile_unicode_are_those_of_the_plain_reference(text):
    assert_words_as_reference(text)


def test_ngrams_are_equal_exactly_where_their_words_are():
    text = "A b, c d. a B c? E"
    words = [word for word, _, _ in normalized_words(text)]
    grams = ngram_hashes(column(text), 3)
    expected = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]

    pairs = set(zip(expected, grams.hashes.tolist(), strict=True))
    assert len(pairs) == len(set(expected)) == len(set(grams.hashes.tolist()))
    assert text.encode()[grams.byte_starts[0] : grams.byte_ends[0]] == b"A b, c"


def test_a_text_shorter_than_n_has_no_ngram():
    assert ngram_hashes(column("one two", "one two three"), 3).offsets.tolist() == [0, 0, 1]


def test_ngrams_of_fewer_than_one_word_are_refused():
    with pytest.raises(ValueError, match="one word or more"):
        ngram_hashes(column("a"), 0)


def test_ngram_hashes_do_not_depend_on_how_rows_are_cut():
    rows = column(*TEXTS, "the end of it")
    whole = ngram_hashes(rows, 2)
    cut = ngram_hashes(pa.chunked_array([rows.slice(0, 4), rows.slice(4)]), 2)

    assert all(np.array_equal(a, b) for a, b in zip(whole, cut, strict=True))


def test_normalized_hash_sees_past_case_accents_spacing_and_punctuation():
    hashes = normalized_hash(column("Hello, Wörld!", "hello  world", "he\u0301llo\nWORLD", "hello"))

    assert len({tuple(row) for row in hashes[:3].tolist()}) == 1
    assert tuple(hashes[3]) != tuple(hashes[0])


def test_normalized_hash_keeps_symbols_numbers_and_order():
    rows = column("1 + 2", "1 < 2", "2 + 1", "1 2", "12", "!!", "?", "")

    assert len({tuple(row) for row in normalized_hash(rows).tolist()}) == len(rows)


@settings(max_examples=50, deadline=None)
@given(texts(), texts())
def test_normalized_hash_is_of_each_text_alone(left, right):
    both = normalized_hash(column(left, right))

    assert both[1].tolist() == normalized_hash(column(right))[0].tolist()


def reference_counts(text):
    """Counts of lower-cased word and non-word runs and their pairs, as DSIR takes them."""
    tokens = re.findall(r"\w+|[^\w\s]+", text.lower())
    return Counter(tokens) + Counter(pairwise(tokens))


def test_bucket_counts_are_those_of_the_regular_expression():
    rows = ["Hello, hello world!! it's 3.14_a", "", "one", "a a a a", "Ünï ça... 日本 x"]
    counts = bucket_counts(column(*rows), 1 << 22)

    for row, text in enumerate(rows):
        mine = counts.counts[counts.indptr[row] : counts.indptr[row + 1]]
        assert sorted(mine.tolist()) == sorted(reference_counts(text).values())


@settings(max_examples=60, deadline=None)
@given(texts())
def test_few_buckets_share_all_ngrams_in_rising_order(text):
    counts = bucket_counts(column("before it", text), 7, max_n=3)
    index = counts.indices[counts.indptr[1] :]
    tokens = bucket_counts(column(text), 1 << 20, max_n=1).counts.sum()

    assert np.all(np.diff(index) > 0)
    assert counts.counts[counts.indptr[1] :].sum() == sum(max(0, tokens - n) for n in range(3))


def sha_counts(text, buckets):
    tokens = re.findall(r"\w+|[^\w\s]+", text.lower())
    grams = [*tokens, *(" ".join(pair) for pair in pairwise(tokens))]
    numbers = [int(hashlib.sha256(gram.encode()).hexdigest(), 16) % buckets for gram in grams]
    return np.bincount(np.array(numbers, np.int64), minlength=buckets).tolist()


@settings(max_examples=60, deadline=None)
@given(texts(), st.sampled_from([1, 3, 10_000, 1 << 20]))
def test_buckets_named_by_sha256_are_those_of_the_papers_code(text, buckets):
    rows = column("ΟΔΥΣΣΕΥΣ İstanbul ẞ " + "long" * 30, text, text)

    totals = bucket_totals(rows, buckets, 2, "sha256")
    again = bucket_totals(rows, buckets, 2, "sha256")  # now remembered

    expected = np.sum([sha_counts(row, buckets) for row in rows.to_pylist()], axis=0)
    assert totals.tolist() == again.tolist() == expected.tolist()


def test_every_letter_in_lower_case_is_that_of_python():
    capitals = [chr(code) for code in range(0x1E944) if chr(code).lower() != chr(code)]
    rows = ["".join(capitals), " ".join(c for c in capitals if c not in "ΣİK"), "K Å Ⱥ"]

    for row in rows:
        assert bucket_totals(column(row), 9_999, 2, "sha256").tolist() == sha_counts(row, 9_999)


@settings(max_examples=60, deadline=None)
@given(texts())
def test_totals_and_sums_are_those_of_the_counts(text):
    rows = column("before it", text, "", "after it, after it")
    weights = np.random.default_rng(0).normal(size=50)
    counts = bucket_counts(rows, 50, 3)
    dense = csr_matrix((counts.counts, counts.indices, counts.indptr), shape=(4, 50)).toarray()

    sums, ngrams = bucket_sums(rows, weights, 3)

    np.testing.assert_allclose(sums, dense @ weights, rtol=1e-9, atol=1e-9)
    assert ngrams.tolist() == dense.sum(1).tolist()
    assert bucket_totals(rows, 50, 3).tolist() == dense.sum(0).tolist()


def test_a_message_of_any_length_has_its_sha256():
    for size in [*range(130), 1000]:
        text = "ab"[: size % 3] + "x" * size or "x"
        assert bucket_totals(column(text), 10_000, 1, "sha256").tolist() == sha_counts(text, 10_000)


def test_too_many_buckets_for_sha256_are_refused():
    with pytest.raises(ValueError, match="at most 1048576"):
        bucket_totals(column("a"), 1 << 21, 2, "sha256")


def test_buckets_below_one_are_refused():
    with pytest.raises(ValueError, match="both start at 1"):
        bucket_counts(column("a"), 0)


def test_words_are_counted():
    assert word_counts(column("", "a b-c", "漢字 x")).tolist() == [0, 3, 3]
