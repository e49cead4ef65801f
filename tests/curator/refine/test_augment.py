"""Disturbed copies: chance by document, words only, shares as asked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.refine.augment import Augment, disturbed
from curator.testing import documents

TEXTS = [" ".join(f"w{n}" for n in range(200)), "one", "", "two words\nthree  more here."]


def made(texts=TEXTS, **settings):
    return Augment(**settings).refine(None, documents(texts))


def test_a_text_of_fewer_than_two_words_has_no_copy_and_says_why():
    found = made()

    assert found.children["row"].to_pylist() == [0, 3]
    assert found.outcome["reason"].to_pylist() == [None, "augment.short", "augment.short", None]
    assert found.outcome["keep"].to_pylist() == [True] * 4


def test_what_a_document_becomes_does_not_depend_on_what_stands_beside_it():
    alone = made(TEXTS[3:]).children["text"].to_pylist()

    assert made().children["text"].to_pylist()[1:] == alone


def test_other_seeds_disturb_otherwise():
    assert made(seed=1).children["text"] != made(seed=2).children["text"]


def test_shares_are_as_asked():
    words = [f"w{n}" for n in range(20_000)]
    kept = disturbed(" ".join(words), np.random.default_rng(1), delete=0.2, swap=0.0).split()
    order = disturbed(" ".join(words), np.random.default_rng(1), delete=0.0, swap=0.1).split()
    moved = np.mean([a != b for a, b in zip(words, order, strict=True)])

    assert abs(len(kept) / len(words) - 0.8) < 0.02  # 7 standard errors
    assert abs(moved - 2 * 0.1 / 1.1) < 0.02  # a swap moves two, and who has moved does not again
    assert sorted(order) == sorted(words)


@given(st.text(max_size=200), st.integers(0, 100))
def test_words_are_the_texts_own_and_the_first_place_is_filled(text, seed):
    found = disturbed(text, np.random.default_rng(seed), delete=0.5, swap=0.5)

    assert (found is None) == (len(text.split()) < 2)
    if found is not None:
        assert found.split()
        assert not set(found.split()) - set(text.split())


@pytest.mark.parametrize("settings", [{"delete": 1.0}, {"swap": -0.1}, {"delete": 0, "swap": 0}])
def test_shares_that_leave_nothing_or_change_nothing_are_refused(settings):
    with pytest.raises(RecipeError, match="wanted shares"):
        Augment(**settings)


def test_an_empty_table_has_no_copies():
    empty = documents([])

    assert Augment().refine(None, empty).children.num_rows == 0
    assert isinstance(empty, pa.Table)
