from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from curator.embed.encoder import (
    StaticEncoder,
    encoder_digest,
    open_encoder,
    unit,
)
from curator.errors import RecipeError
from curator.testing import example_texts, tiny_encoder

TEXTS = ["the river rose", "", "bees", "the map showed a lake " * 40, "自然语言"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


def test_a_static_vector_is_the_mean_of_its_token_vectors_at_unit_length(folder: Path):
    table = load_file(folder / "model.safetensors")["embeddings"].astype(np.float64)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = open_encoder(str(folder)).encode(TEXTS)

    for text, vector in zip(TEXTS, found, strict=True):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        mean = table[ids].mean(axis=0) if ids else np.zeros(8)
        expected = mean / (np.linalg.norm(mean) or 1)
        np.testing.assert_allclose(vector, expected, atol=1e-5)  # float32 sums of 250 rows


def test_a_text_without_tokens_is_all_zeros(folder: Path):
    assert not open_encoder(str(folder)).encode([""]).any()


def test_no_texts_give_no_vectors(folder: Path):
    assert open_encoder(str(folder)).encode([]).shape == (0, 8)


def test_the_bits_of_a_vector_do_not_depend_on_the_texts_beside_it(folder: Path):
    texts = example_texts("target", 30) + TEXTS
    encoder = open_encoder(str(folder))
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])

    assert np.array_equal(together, alone)


def test_tokens_beyond_the_table_are_read_as_its_last_row(folder: Path, tmp_path: Path):
    save_file({"t": np.eye(4, dtype=np.float32)}, tmp_path / "small.safetensors")
    encoder = StaticEncoder(tmp_path / "small.safetensors", folder / "tokenizer.json")

    assert np.array_equal(encoder.encode(["x"]), np.eye(4, dtype=np.float32)[[3]])


def test_zeros_stay_zeros_at_unit_length():
    assert np.array_equal(unit(np.zeros((2, 3), np.float32)), np.zeros((2, 3)))


def test_a_folder_that_is_no_encoder_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="is no encoder; wanted"):
        open_encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.safetensors", "junk"), ("modules.json", "{"), ("modules.json", '{"type": 1}')],
)
def test_a_folder_of_broken_files_is_refused(tmp_path: Path, name: str, content: str):
    broken = tiny_encoder(tmp_path / "broken")
    (broken / name).write_text(content)

    with pytest.raises(RecipeError, match=r"cannot be read as an encoder .*fetch them again"):
        open_encoder(str(broken))


def test_the_digest_follows_the_content(folder: Path, tmp_path: Path):
    copy = tiny_encoder(tmp_path / "copy")

    assert encoder_digest(str(copy)) == encoder_digest(str(folder))


def test_wordllama_finds_what_texts_are_about():
    texts = [
        "Honey bees collect nectar from flowers.",
        "Beekeepers harvest honey from hives.",
        "The court dismissed the appeal.",
    ]
    vectors = open_encoder("wordllama").encode(texts)

    assert vectors.shape == (3, 256)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
