from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.score.numbers import numbers_of


@pytest.mark.parametrize("kind", [pa.float32(), pa.uint8(), pa.int64(), pa.bool_()])
def test_what_has_no_value_is_nan(kind):
    table = pa.table({"s": pa.array([1, None, 0], pa.int64()).cast(kind)})
    assert np.array_equal(numbers_of(table, "s", where="x"), [1, np.nan, 0], equal_nan=True)


@pytest.mark.parametrize("values", [["3", "4"], [[1.0], None], [{"a": 1}]], ids=str)
def test_words_and_lists_are_no_numbers(values):
    with pytest.raises(RecipeError, match=r"x: score 's' is .*; wanted numbers"):
        numbers_of(pa.table({"s": values}), "s", where="x")
