"""The sentence encoder against sentence-transformers' own `encode`, with the packaged MiniLM."""

from __future__ import annotations

import numpy as np
import pytest

from curator import weights
from curator.embed.encoder import Encoder, open_encoder
from curator.errors import RecipeError

TEXTS = ["Honey bees collect nectar.", "", "The court dismissed the appeal. " * 6, "蜂"]


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    try:
        weights.find("minilm")
    except RecipeError as absent:
        pytest.skip(str(absent))
    return open_encoder("minilm")


def test_vectors_are_those_of_sentence_transformers(minilm: Encoder):
    expected = minilm._model.encode(TEXTS, show_progress_bar=False)
    found = minilm.encode(TEXTS)

    # Padded to other lengths, so sums may differ in their last bits.
    np.testing.assert_allclose(found[[0, 2, 3]], expected[[0, 2, 3]], atol=1e-5)


def test_a_text_without_tokens_is_all_zeros(minilm: Encoder):
    assert not minilm.encode(TEXTS)[1].any()


def test_the_bits_of_a_vector_do_not_depend_on_the_texts_beside_it(minilm: Encoder):
    together = minilm.encode([*TEXTS, "bees", "a hive"])

    assert np.array_equal(together[:1], minilm.encode(TEXTS[:1]))
    assert np.array_equal(together[4:], minilm.encode(["a hive", "bees"])[::-1])
