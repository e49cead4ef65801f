from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curator.batches import fixed_batches, padded_lengths


def test_lengths_are_padded_to_few_shapes():
    lengths = np.array([0, 1, 16, 17, 32, 33, 200, 256])

    assert padded_lengths(lengths, 256).tolist() == [16, 16, 16, 32, 32, 64, 256, 256]
    assert padded_lengths(np.array([90]), 100).tolist() == [100]


@given(st.lists(st.integers(0, 300), max_size=60))
def test_every_row_with_tokens_is_in_one_batch_that_is_long_enough(lengths: list[int]):
    array = np.array(lengths, dtype=np.int64)
    batches = list(fixed_batches(array, longest=300, tokens=512))
    rows = [row for batch in batches for row in batch.rows.tolist()]

    assert sorted(rows) == np.flatnonzero(array).tolist()
    assert all(array[batch.rows].max() <= batch.length for batch in batches)
    assert all(len(batch.rows) <= batch.size for batch in batches)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60))
def test_a_rows_shape_depends_on_its_length_alone(lengths: list[int]):
    together = fixed_batches(np.array(lengths), longest=300, tokens=512)
    shapes = {row: batch[1:] for batch in together for row in batch.rows.tolist()}

    for row, length in enumerate(lengths):
        (alone,) = fixed_batches(np.array([length]), longest=300, tokens=512)
        assert shapes[row] == alone[1:]
