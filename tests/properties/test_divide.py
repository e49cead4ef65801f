from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curator.select.quota import divide, fill

names = st.text("abcdef", min_size=1, max_size=3)
weights = st.dictionaries(names, st.floats(0, 1e6), min_size=1).filter(
    lambda each: sum(each.values()) > 0
)


@given(st.integers(0, 10**15), weights)
def test_parts_sum_to_the_total_and_are_quotas_rounded_down_or_up(total, shares):
    from fractions import Fraction

    parts = divide(total, shares)
    whole = sum(map(Fraction, shares.values()))
    assert sum(parts.values()) == total
    for name, part in parts.items():
        quota = total * Fraction(shares[name]) / whole
        assert abs(part - quota) < 1


@given(st.integers(0, 10**9), weights)
def test_the_order_of_names_has_no_effect(total, shares):
    backwards = dict(reversed(shares.items()))
    assert divide(total, shares) == divide(total, backwards)


@given(st.integers(0, 10**6), weights, st.data())
def test_filled_parts_stay_within_what_there_is_and_waste_nothing(total, shares, data):
    available = {name: data.draw(st.integers(0, 10**6)) for name in shares}
    parts, _ = fill(total, shares, available)
    able = sum(available[name] for name, weight in shares.items() if weight > 0)
    assert all(parts[name] <= available[name] for name in parts)
    assert sum(parts.values()) == min(total, able)
