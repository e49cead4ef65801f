import numpy as np
import pyarrow as pa
import pytest

from curator.text.minhash import band_keys, has_words, minhash_signatures
from tests.support.hostile import TEXTS


def column(*rows):
    return pa.array(rows, pa.large_string())


def pair_of(shared, apart, seed):
    """Two texts of single words that share `shared` of `shared + 2 * apart` words."""
    numbers = np.random.default_rng(seed).permutation(10**6)[: shared + 2 * apart]
    words = [f"w{number}" for number in numbers]
    return " ".join(words[: shared + apart]), " ".join(words[:shared] + words[shared + apart :])


@pytest.mark.parametrize(("shared", "apart"), [(20, 90), (60, 20), (90, 5)])
def test_signatures_estimate_jaccard_without_bias_and_with_the_known_spread(shared, apart):
    jaccard = shared / (shared + 2 * apart)
    pairs = [text for seed in range(150) for text in pair_of(shared, apart, seed)]
    signatures = minhash_signatures(column(*pairs), ngram=1)
    estimates = (signatures[0::2] == signatures[1::2]).mean(axis=1)
    spread = np.sqrt(jaccard * (1 - jaccard) / 112)

    # Of 150 estimates the mean strays by spread / sqrt(150); five of those are one in a million.
    assert abs(estimates.mean() - jaccard) < 5 * spread / np.sqrt(150)
    assert 0.8 < estimates.std() / spread < 1.2


def test_the_signature_of_a_union_is_the_least_of_both():
    union, left, right = minhash_signatures(column("a b c d", "a b", "c d"), ngram=1)

    assert np.array_equal(union, np.minimum(left, right))


def test_a_short_text_has_one_shingle_of_all_its_words():
    short, other, longer = minhash_signatures(column("one two", "Two, one", "one two three"))

    assert not np.array_equal(short, other)
    assert not np.array_equal(short, longer)
    assert np.array_equal(short, minhash_signatures(column("One two!"))[0])


def test_texts_without_words_say_so():
    assert has_words(minhash_signatures(column("", "?!", None, "a"))).tolist() == [
        False,
        False,
        False,
        True,
    ]


def test_signatures_do_not_depend_on_how_rows_are_cut():
    rows = column(*TEXTS, "the end of it all")
    cut = pa.chunked_array([rows.slice(0, 7), rows.slice(7)])

    assert np.array_equal(minhash_signatures(rows), minhash_signatures(cut))
    assert np.array_equal(minhash_signatures(rows)[3:], minhash_signatures(rows.slice(3)))


def test_another_seed_gives_other_permutations():
    assert np.all(
        minhash_signatures(column("a b"), seed=0) != minhash_signatures(column("a b"), seed=1)
    )


def test_band_keys_meet_exactly_where_their_rows_agree():
    signatures = np.arange(2 * 12, dtype=np.uint32).reshape(2, 12)
    signatures[1, 4:8] = signatures[0, 4:8]
    keys = band_keys(signatures, bands=3, rows=4)

    assert (keys[0] == keys[1]).tolist() == [False, True, False]


def test_equal_rows_in_different_bands_do_not_meet():
    keys = band_keys(np.zeros((1, 8), np.uint32), bands=2, rows=4)

    assert keys[0, 0] != keys[0, 1]


def test_too_narrow_signatures_are_refused():
    with pytest.raises(ValueError, match="more permutations"):
        band_keys(np.zeros((1, 100), np.uint32))
