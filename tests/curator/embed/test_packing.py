from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curator.embed.packing import STEP, packed


@given(st.lists(st.integers(0, 96), max_size=200))
def test_every_document_lies_once_in_a_batch_and_none_overlap(lengths: list[int]):
    seen = []
    for batch in packed(np.array(lengths, np.int64), 128):
        ends = batch.starts + batch.rows
        seen += batch.documents.tolist()

        assert ends[-1] <= 128
        assert (batch.starts[1:] == ends[:-1]).all()
        assert (batch.starts % STEP == 0).all()
        assert (batch.rows - np.array(lengths)[batch.documents] < STEP).all()
        assert (np.diff(batch.rows) <= 0).all()  # equal ones lie together

    assert sorted(seen) == [at for at, length in enumerate(lengths) if length]


def test_hardly_a_row_is_unused():
    lengths = np.random.default_rng(0).integers(1, 257, 3000)
    batches = list(packed(lengths, 2048))

    assert lengths.sum() / (2048 * len(batches)) > 0.93  # half a step a document is 0.06
