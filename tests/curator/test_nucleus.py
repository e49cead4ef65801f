"""The token that a chance falls on is what sorting and adding up in NumPy gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.nucleus import drawn

TOP_P = st.one_of(st.just(1.0), st.floats(0.01, 0.999))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(TOP_P, min_size=1, max_size=5),
    st.integers(0, 10_000),
    st.integers(2, 1500),
    st.sampled_from([np.float32, np.float64]),
)
def test_the_nucleus_is_the_fewest_likeliest_that_are_enough(top_p, seed, vocabulary, dtype):
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(vocabulary, 0.3), len(top_p)).astype(dtype)
    chance = random.random(len(top_p))

    found = drawn(*map(torch.from_numpy, (shares, chance, np.array(top_p)))).numpy()

    rows = shares.astype(np.float64)
    for row, u, enough, token in zip(rows, chance, top_p, found, strict=True):
        order = np.argsort(-row, kind="stable") if enough < 1 else np.arange(vocabulary)
        mass = np.cumsum(row[order])
        inside = order[: int(np.searchsorted(mass, enough)) + 1] if enough < 1 else order
        at = int(np.searchsorted(np.cumsum(row[inside]), u * row[inside].sum(), side="right"))
        assert row[token] == pytest.approx(row[inside[min(at, len(inside) - 1)]])


def test_what_has_no_odds_is_never_drawn():
    odds = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).repeat(4, 1)
    chance = torch.tensor([1e-12, 0.2499, 0.2501, 1 - 1e-12], dtype=torch.float64)

    assert drawn(odds, chance, torch.ones(4)).tolist() == [1, 1, 3, 3]
    assert drawn(odds, chance, torch.full((4,), 0.999)).tolist() == [3, 3, 3, 1]
