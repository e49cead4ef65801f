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


WORDS = [f"w{n}" for n in range(60)]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=2, max_size=4),
    st.integers(1, 12),
)
def test_equal_windows_have_a_seed_in_common_at_the_same_distance(parts, k):
    texts = [" ".join(WORDS[start:stop]) for start, stop in parts]
    found = seeds(column(texts), k)
    chosen = [
        dict(zip(found.places[a:b].tolist(), found.hashes[a:b].tolist(), strict=True))
        for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)
    ]

    for places in windows(texts, k).values():
        last = k - max(1, k // 2)
        kinds = [
            {(p - at, h) for p, h in chosen[n].items() if at <= p <= at + last} for n, at in places
        ]
        assert set.intersection(*kinds)


def test_of_a_text_that_says_the_same_over_and_over_few_places_are_chosen():
    found = seeds(column(["x y z " * 10_000, "a " * 10_000]), 50)

    assert np.diff(found.offsets).tolist() == [2, 2]


def test_about_two_in_k_half_plus_two_places_are_chosen():
    rng = np.random.default_rng(3)
    words = rng.integers(0, 10**9, 20_000)

    found = seeds(column([" ".join(map(str, words))]), 50)

    assert len(found.places) / 20_000 == pytest.approx(2 / 27, rel=0.05)


@settings(max_examples=200, deadline=None)
@given(hostile.texts())
def test_pieces_are_what_stands_between_white_space(text):
    found = seeds(column([text]), 1)

    words, known = [piece for piece, _, _ in pieces(text)], {}
    chosen = [n for n, word in enumerate(words) if words[max(0, n - 2) : n] != [word] * 2]
    assert found.places.tolist() == chosen
    for hashed, place in zip(found.hashes.tolist(), chosen, strict=True):
        assert known.setdefault(hashed, words[place]) == words[place]


def test_fewer_pieces_than_a_window_have_no_seed():
    assert len(seeds(column(["a b c", "", " \n", "one two three four"]), 4).places) == 1


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="k = 0"):
        seeds(column(["a"]), 0)
