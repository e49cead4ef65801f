from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curator.schema import score_field
from curator.score.grid import declared, on_grid


@given(st.floats(-100, 100))
def test_a_value_moves_by_half_a_step_at_most(value: float):
    assert abs(on_grid(np.array([value]), 1e-4)[0] - value) <= 5e-5 + 1e-5  # float32 near 100


def test_values_that_differ_in_their_last_bits_become_equal():
    values = np.array([0.12341, 0.12341 + 1e-7, 0.12341 - 1e-7])

    assert len(set(on_grid(values, 1e-4).tolist())) == 1


def test_rounding_again_changes_nothing():
    once = on_grid(np.random.default_rng(0).normal(size=1000), 1e-4)

    assert np.array_equal(on_grid(once, 1e-4), once)


def test_a_column_says_its_grid_beside_its_unit():
    field = declared(score_field("s", unit="cosine"), 1e-4)

    assert field.metadata[b"grid"] == b"0.0001"
    assert field.metadata[b"unit"] == b"cosine"
