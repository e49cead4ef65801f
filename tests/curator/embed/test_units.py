from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.units import load_centroids, units
from curator.errors import LedgerError, RecipeError
from tests.support.vectors import clumped, column


def chunked(vectors: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([column(vectors)])


def test_units_are_the_rows_of_the_column():
    vectors = clumped(20, 1)

    np.testing.assert_array_equal(units(chunked(vectors), dimensions=8, where="x"), vectors)


def test_no_vectors_are_a_matrix_of_none():
    empty = pa.chunked_array([], pa.list_(pa.float16()))

    assert units(empty, dimensions=8, where="x").shape == (0, 8)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, 0.5])
def test_a_vector_without_direction_or_of_another_length_is_refused(wrong):
    vectors = clumped(5, 1)
    vectors[3] = wrong * vectors[3] if np.isfinite(wrong) and wrong else wrong
    rows = pa.chunked_array([pa.array(list(vectors.astype(np.float16)), pa.list_(pa.float16()))])

    with pytest.raises(RecipeError, match=r"1 of 5 vectors .* \(row 3"):
        units(rows, where="novelty")


def test_vectors_of_several_encoders_are_refused():
    mixed = pa.chunked_array([column(clumped(2, 1)), column(clumped(2, 1, dimensions=4))])

    with pytest.raises(RecipeError, match=r"vectors of \[4, 8\] numbers"):
        units(mixed, where="novelty")
    with pytest.raises(RecipeError, match=r"vectors of \[8\] numbers; wanted 4"):
        units(chunked(clumped(2, 1)), dimensions=4, where="novelty")


def test_centroids_of_another_encoder_are_refused(tmp_path):
    (tmp_path / "encoder.txt").write_text("abc")

    with pytest.raises(RecipeError, match="encoder 'abc', the vectors here are of 'def'"):
        load_centroids(tmp_path, encoder="def", where="novelty")
    with pytest.raises(LedgerError, match="folder of its fit"):
        load_centroids(None, encoder="def", where="novelty")
