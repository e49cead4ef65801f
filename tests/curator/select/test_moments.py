from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curator.select.moments import ExactSum, Moments

finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)


@given(st.lists(finite, max_size=30))
def test_the_sum_is_exact(numbers):
    total = ExactSum()
    total.add(np.array(numbers, dtype=np.float64))
    assert total.value == sum(map(Fraction, numbers), Fraction(0))


def test_the_order_and_the_cuts_of_rows_do_not_reach_the_last_bit():
    scores = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.arange(2000) ** 0.3
    whole, cut = Moments(), Moments()
    whole.add(scores)
    for part in np.array_split(scores[::-1], 7):
        cut.add(part)
    assert whole.mean_and_deviation() == cut.mean_and_deviation()


def test_mean_and_deviation_agree_with_numpy():
    scores = np.random.default_rng(1).normal(3, 2, size=500)
    moments = Moments()
    moments.add(scores)
    mean, deviation = moments.mean_and_deviation()
    assert math.isclose(mean, scores.mean(), rel_tol=1e-12)
    assert math.isclose(deviation, scores.std(), rel_tol=1e-12)
