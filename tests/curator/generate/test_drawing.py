from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curator import nucleus as nucleus_
from curator.generate.drawing import Draw, next_tokens

N = 4000


def draws(temperature: float, top_p: float, n: int = N) -> list[Draw]:
    names = [hashlib.blake2b(bytes([k % 256, k // 256]), digest_size=16).digest() for k in range(n)]
    return [Draw(name, 0, temperature, top_p) for name in names]


def nucleus(logits: np.ndarray, temperature: float, top_p: float) -> np.ndarray:
    """By sorting all of it."""
    odds = np.exp(logits / temperature - (logits / temperature).max())
    odds /= odds.sum()
    order = np.argsort(-odds, kind="stable")
    kept = order[: np.searchsorted(np.cumsum(odds[order]), top_p) + 1] if top_p < 1 else order
    found = np.zeros_like(odds)
    found[kept] = odds[kept]
    return found / found.sum()


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (2.0, 0.8), (1, 0.3)])
def test_tokens_are_drawn_as_often_as_their_odds_say(temperature: float, top_p: float):
    logits = np.array([2.0, 0.5, 1.0, -1.0, 0.0, 1.5])
    rows = torch.tensor(logits, dtype=torch.float32).repeat(N, 1)
    found = np.bincount(next_tokens(rows, draws(temperature, top_p)), minlength=6) / N

    # Four standard deviations of a share of 4,000 draws.
    np.testing.assert_allclose(found, nucleus(logits, temperature, top_p), atol=4 * 0.5 / N**0.5)


def test_a_wide_nucleus_is_found_beyond_the_likeliest(monkeypatch: pytest.MonkeyPatch):
    rows = torch.linspace(0, 0.1, 50).repeat(N, 1)
    whole = next_tokens(rows, draws(1.0, 0.9))
    monkeypatch.setattr(nucleus_, "_LOOKS", (3, 7))

    assert next_tokens(rows, draws(1.0, 0.9)) == whole


@settings(max_examples=30)
@given(st.integers(0, 7), st.floats(0.0, 2.0), st.floats(0.05, 1.0))
def test_a_draw_does_not_depend_on_what_is_drawn_beside_it(
    row: int, temperature: float, top_p: float
):
    logits = torch.randn(8, 40, generator=torch.Generator().manual_seed(1))
    mixed = [
        one._replace(temperature=0.5 * (n % 3), top_p=0.5 + 0.1 * (n % 4))
        for n, one in enumerate(draws(1.0, 1.0, 8))
    ]
    mixed[row] = mixed[row]._replace(temperature=temperature, top_p=top_p)

    alone = next_tokens(logits[row : row + 1], [mixed[row]])
    assert alone == [next_tokens(logits, mixed)[row]]


def test_without_a_temperature_the_likeliest_is_taken():
    assert next_tokens(torch.tensor([[0.0, 3.0, 1.0]]), draws(0.0, 0.1, 1)) == [1]


@pytest.mark.parametrize("temperature", [1e-40, 1e-9])
def test_a_temperature_near_nothing_is_none(temperature: float):
    assert next_tokens(torch.tensor([[0.0, 3.0, 1.0]]), draws(temperature, 0.9, 1)) == [1]


def test_other_places_of_an_answer_are_drawn_with_another_chance():
    rows = torch.zeros(200, 1000)
    one = draws(1.0, 1.0, 1)[0]
    found = next_tokens(rows, [one._replace(place=place) for place in range(200)])

    assert len(set(found)) > 150
