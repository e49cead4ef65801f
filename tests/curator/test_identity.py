"""Identity comes from content; chance belongs to the document."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from curator.errors import RecipeError
from curator.identity import (
    derived_ids,
    document_ids,
    file_digest,
    fingerprint,
    id_array,
    id_matrix,
    settings_of,
    uniform,
)
from tests.support.stages import DropShort, Slow

TEXTS = pa.array(["one", "", "drei ✓", "one"], pa.large_string())


def test_an_id_is_the_hash_of_source_and_text():
    expected = hashlib.blake2b(b"web\x00one", digest_size=16).digest()

    ids = document_ids("web", TEXTS).to_pylist()

    assert ids[0] == ids[3] == expected
    assert document_ids("books", TEXTS)[0].as_py() != expected


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(0, 8))
def test_ids_do_not_depend_on_how_texts_are_cut(texts, cut):
    whole = pa.array(texts, pa.large_string())
    parts = pa.chunked_array([whole.slice(0, cut), whole.slice(cut)])

    assert document_ids("s", parts).to_pylist() == document_ids("s", whole).to_pylist()


def test_a_derived_id_names_parent_and_operation():
    parents = document_ids("web", TEXTS)

    one = derived_ids(parents, "rephrase/1", TEXTS).to_pylist()

    assert one != derived_ids(parents, "rephrase/2", TEXTS).to_pylist()
    assert one[0] != one[1]


def test_an_id_array_is_the_ids_of_its_matrix():
    ids = document_ids("s", pa.array(["a", "b", "c"]))
    matrix = id_matrix(ids)
    assert id_array(matrix).equals(ids)
    assert id_array(matrix[::2]).equals(ids.take(pa.array([0, 2])))
    assert len(id_array(matrix[:0])) == 0


def test_an_id_matrix_of_a_slice_is_the_slice_of_the_matrix():
    ids = document_ids("web", TEXTS)

    assert (id_matrix(ids.slice(1, 2)) == id_matrix(ids)[1:3]).all()


def test_chance_is_uniform_and_independent_between_purposes_and_seeds():
    texts = pa.array([str(i) for i in range(20_000)], pa.large_string())
    ids = id_matrix(document_ids("s", texts))

    one, other, third = uniform(ids, "a", 1), uniform(ids, "b", 1), uniform(ids, "a", 2)

    # p > 1e-4 for a fixed seed: the draw either is uniform or is not, on every machine.
    assert stats.kstest(one, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03  # 4 standard errors of 0.007
    assert abs(np.corrcoef(one, third)[0, 1]) < 0.03
    assert one.min() > 0
    assert one.max() < 1


def test_chance_moves_with_its_document():
    ids = id_matrix(document_ids("s", TEXTS.slice(0, 3)))

    assert (uniform(ids[::-1], "a", 1) == uniform(ids, "a", 1)[::-1]).all()


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2.5, None]}) == fingerprint({"b": (2.5, None), "a": 1})


@pytest.mark.parametrize("value", [{1, 2}, lambda: None, float("nan"), object()])
def test_what_has_no_stable_text_form_is_refused(value):
    with pytest.raises(RecipeError, match="no stable text form"):
        fingerprint({"deep": [value]})


def test_settings_bear_identity_and_circumstances_do_not():
    assert settings_of(DropShort(3)) == {"least": 3}
    assert settings_of(Slow(seconds=0.5)) == {"seconds": 0.5}


def test_a_file_digest_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"abc")

    assert file_digest(path) == hashlib.blake2b(b"abc", digest_size=16).hexdigest()
