"""Doses of junk are met to the token, larger ones replace what smaller ones do, draws are whole."""

from __future__ import annotations

import numpy as np
import pytest

from bench.draws import Documents, dose, joined, pieces, portion, shuffled
from curator.errors import BudgetError
from curator.train.tokenizer import load_tokenizer, train_bpe


def documents(n=20, seed=0, first=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 60, n)
    return Documents(
        np.random.default_rng(seed + 1).integers(0, 256, (n, 16), dtype=np.uint8),
        np.full(n, "a", dtype=object),
        np.cumsum(lengths) - lengths,
        lengths.astype(np.int64),
        np.arange(first, first + lengths.sum()),
    )


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    import pyarrow as pa

    return train_bpe([pa.array(TEXTS)], 300, tmp_path_factory.mktemp("bpe"))


TEXTS = ["the cat sat on the mat and the dog ran off " * 40, "one two three four five " * 90]


def test_a_dose_takes_out_as_many_tokens_as_it_says():
    clean = documents()

    kept, taken = dose(clean, 100, seed=1)

    assert taken.n_tokens == 100
    assert kept.n_tokens + taken.n_tokens == clean.n_tokens
    assert sorted([*kept.tokens, *taken.tokens]) == sorted(clean.tokens)


def test_a_larger_dose_takes_what_a_smaller_one_does():
    clean = documents()

    small, large = (set(dose(clean, size, seed=1)[1].tokens) for size in (60, 200))

    assert small < large


def test_joined_documents_keep_their_tokens():
    one, other = documents(5), documents(7, seed=3, first=10_000)

    found = joined([one, other]).whole()

    assert found.tokens.tolist() == [*one.tokens, *other.tokens]
    assert found.n_tokens == one.n_tokens + other.n_tokens


def test_junk_is_cut_into_small_pieces_and_each_kept_once(tokenizer):
    found = pieces([*TEXTS, TEXTS[0]], tokenizer, "junk")

    assert found.lengths.max() <= 256
    assert len({piece.tobytes() for piece in found.doc_ids}) == len(found.lengths)
    assert found.n_tokens < 2 * len(load_tokenizer(tokenizer).encode("".join(TEXTS)).ids)


def test_turns_get_other_junk_and_enough_of_it(tokenizer):
    junk = documents(40)

    parts = [portion(junk, 100, turn, 4) for turn in range(4)]

    assert all(part.n_tokens >= 100 for part in parts)
    assert not set(parts[0].tokens) & set(parts[2].tokens)
    with pytest.raises(BudgetError, match="of junk, wanted"):
        portion(junk, 10**6, 0, 4)


def test_shuffled_text_has_the_same_words_in_another_order(tokenizer):
    clean = pieces([TEXTS[1]], tokenizer, "a").take(np.arange(1)).whole()
    model = load_tokenizer(tokenizer)

    found = shuffled(clean, tokenizer, seed=0)

    words = [model.decode(each.tokens.tolist()).split() for each in (clean, found)]
    assert sorted("".join(words[0])) == sorted("".join(words[1]))
    assert words[0] != words[1]
