from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.encoder import open_encoder
from curator.embed.vectors import VECTOR, Embed
from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.schema import vector_matrix
from curator.stage import Site
from curator.testing import documents, tiny_encoder

TEXTS = ["the river rose", "", "bees and honey"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder(tmp_path_factory.mktemp("encoder")))


def test_a_text_without_tokens_has_no_vector(folder: str):
    stage = Embed(folder)
    column = stage.process(stage.load(Site()), documents(TEXTS))["vector"]

    assert column.type == VECTOR.type
    assert [value is None for value in column.to_pylist()] == [False, True, False]


def test_the_matrix_of_a_column_is_what_the_encoder_gave_in_half_precision(folder: str):
    stage = Embed(folder)
    column = stage.process(stage.load(Site()), documents(TEXTS))["vector"].drop_null()
    given = open_encoder(folder).encode([TEXTS[0], TEXTS[2]])

    assert np.array_equal(vector_matrix(column), given.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("vectors", [[[1.0, 2.0], [1.0]], [[1.0, 2.0], None]])
def test_vectors_of_several_lengths_or_none_are_refused(vectors: list):
    column = pa.chunked_array([pa.array(vectors, VECTOR.type)])

    with pytest.raises(RecipeError, match=r"vectors have lengths .* of one encoder"):
        vector_matrix(column)


def test_no_vectors_are_an_empty_matrix():
    assert vector_matrix(pa.chunked_array([pa.array([], VECTOR.type)])).shape == (0, 0)


def test_precision_is_identity_and_the_place_of_the_encoder_is_not(folder: str, tmp_path: Path):
    moved = Embed(str(tiny_encoder(tmp_path)))

    assert fingerprint(moved.identity()) == fingerprint(Embed(folder).identity())
    assert fingerprint(Embed(folder, precision="float32").identity()) != fingerprint(
        Embed(folder).identity()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"max_characters": 0}, "max_characters is 0"), ({"precision": "int8"}, "is 'int8'; wanted")],
)
def test_settings_that_mean_nothing_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Embed(**settings)
