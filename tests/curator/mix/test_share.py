from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.mix.share import temperature, uniform, unimax

sizes = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 10**9), min_size=1)


@given(sizes, st.floats(0.05, 100))
def test_shares_sum_to_one(found, tau):
    for shares in (uniform(found), temperature(found, tau)):
        assert math.isclose(sum(shares.values()), 1)


def test_temperature_goes_from_natural_to_uniform():
    found = {"a": 900, "b": 100}
    assert temperature(found, 1) == pytest.approx({"a": 0.9, "b": 0.1})
    assert temperature(found, 2) == pytest.approx({"a": 0.75, "b": 0.25})
    assert temperature(found, 1e9) == pytest.approx(uniform(found))
    with pytest.raises(RecipeError, match="above 0"):
        temperature(found, 0)


@given(sizes, st.integers(1, 10**10), st.integers(1, 5))
def test_unimax_is_even_up_to_its_caps(found, budget, epochs):
    assume(budget <= epochs * sum(found.values()))
    shares = unimax(found, budget, epochs)
    assert math.isclose(sum(shares.values()), 1)
    free = {n: s for n, s in shares.items() if s * budget < epochs * found[n] * (1 - 1e-9)}
    for name, share in shares.items():
        assert share * budget <= epochs * found[name] * (1 + 1e-9)
        # Whoever is not capped gets the same, and no one more.
        assert all(share <= other * (1 + 1e-9) for other in free.values())


def test_unimax_refuses_a_budget_beyond_its_epochs():
    with pytest.raises(RecipeError, match="4 epochs"):
        unimax({"a": 10, "b": 10}, 81, 4)
