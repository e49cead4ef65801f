"""Winnowed windows against every window in plain Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.text.winnowing import seeds
from tests.support import hostile
from tests.support.repeated import pieces, windows


def column(texts):
    return pa.array(texts, pa.large_string())


def few_words():
    """Texts of so few words that windows repeat, in one text and between texts."""
    word = st.sampled_from(["a", "b", "c", "日", "ก", "่"])
    return st.lists(word, max_size=40).map(" ".join) | st.lists(word, max_size=20).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(few_words(), max_size=4), st.integers(1, 9))
def test_equal_windows_have_a_seed_in_common_at_the_same_distance(texts, k):
    found = seeds(column(texts), k)
    chosen = [
        dict(zip(found.places[a:b].tolist(), found.hashes[a:b].tolist(), strict=True))
        for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)
    ]

    for places in windows(texts, k).values():
        kinds = {
            frozenset(
                (p - at, h) for p, h in chosen[n].items() if at <= p <= at + k - max(1, k // 2)
            )
            for n, at in places
        }
        assert frozenset.intersection(*kinds)


def test_about_two_in_k_half_plus_two_places_are_chosen():
    rng = np.random.default_rng(3)
    words = rng.integers(0, 10**9, 20_000)

    found = seeds(column([" ".join(map(str, words))]), 50)

    assert len(found.places) / 20_000 == pytest.approx(2 / 27, rel=0.05)


@settings(max_examples=200, deadline=None)
@given(hostile.texts())
def test_pieces_are_what_stands_between_white_space(text):
    found = seeds(column([text]), 1)

    assert len(found.places) == len(pieces(text))
    words = {}
    for hashed, (piece, _, _) in zip(found.hashes.tolist(), pieces(text), strict=True):
        assert words.setdefault(hashed, piece) == piece


def test_fewer_pieces_than_a_window_have_no_seed():
    assert len(seeds(column(["a b c", "", " \n", "one two three four"]), 4).places) == 1


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="k = 0"):
        seeds(column(["a"]), 0)
