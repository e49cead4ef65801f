from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.score.likelihood import document_bits, windows
from curator.score.pretrained import PretrainedModel, open_model
from curator.testing import awkward_documents, tiny_language_model

TEXTS = [text for text in awkward_documents()["text"].to_pylist() if len(text) < 3000]


def opened(folder: Path) -> PretrainedModel:
    return PretrainedModel(folder, device="cpu", threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PretrainedModel:
    return opened(tiny_language_model(tmp_path_factory.mktemp("model")))


@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=8),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_every_token_is_counted_once_and_with_enough_before_it(
    n_tokens: list[int], context: int, stride: int
):
    stride = min(stride, context)
    cut = windows(np.array(n_tokens), context, stride)
    seen = [np.zeros(n, int) for n in n_tokens]
    for document, start, length, skipped in zip(*map(np.ndarray.tolist, cut), strict=True):
        assert 0 < length <= context
        seen[document][start + skipped : start + length] += 1
        assert start == 0 or skipped == context - stride

    assert all((counts == 1).all() for counts in seen)


def test_bits_are_those_of_a_plain_forward_pass(model: PretrainedModel):
    text = TEXTS[0]
    ids = [model.first_token, *model.tokenizer.encode(text, add_special_tokens=False).ids]
    with torch.inference_mode():
        loss = model._model(torch.tensor([ids]), labels=torch.tensor([ids])).loss.item()
    bits, tokens = document_bits(model, [text], context=64, stride=64)

    assert tokens.tolist() == [len(ids) - 1]
    assert bits[0] == pytest.approx(loss * tokens[0] / np.log(2), rel=1e-5)  # float32


def test_a_uniform_model_needs_the_same_bits_for_every_token(tmp_path: Path):
    uniform = opened(tiny_language_model(tmp_path, uniform=True))
    bits, tokens = document_bits(uniform, TEXTS, context=64, stride=16)

    np.testing.assert_allclose(
        bits, tokens * np.log2(uniform.tokenizer.get_vocab_size()), rtol=1e-6
    )


def test_a_documents_bits_are_the_same_alone_in_a_batch_and_at_any_position(
    model: PretrainedModel,
):
    together, _ = document_bits(model, TEXTS, context=64, stride=32)
    backwards, _ = document_bits(model, TEXTS[::-1], context=64, stride=32)
    alone = [document_bits(model, [text], context=64, stride=32)[0][0] for text in TEXTS]

    np.testing.assert_array_equal(together, backwards[::-1])
    np.testing.assert_array_equal(together, alone)


def test_more_context_before_a_token_changes_its_bits(model: PretrainedModel):
    near, _ = document_bits(model, [TEXTS[-1]], context=64, stride=64)
    far, _ = document_bits(model, [TEXTS[-1]], context=64, stride=8)

    assert near[0] != far[0]


def test_special_tokens_in_a_text_are_read_as_characters(model: PretrainedModel):
    assert document_bits(model, ["<s>"], context=64, stride=64)[1].tolist() == [3]


def test_no_texts_need_no_bits(model: PretrainedModel):
    bits, tokens = document_bits(model, [], context=64, stride=64)

    assert len(bits) == len(tokens) == 0


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="cannot read a causal language model"):
        opened(tmp_path)


def test_weights_in_a_pickle_are_never_read(tmp_path: Path):
    folder = tiny_language_model(tmp_path)
    weights = torch.nn.Linear(1, 1).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")

    with pytest.raises(RecipeError, match=r"model\.safetensors"):
        opened(folder)


def test_no_code_of_a_models_folder_is_run_and_nobody_is_asked_whether_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    classes = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "own", "auto_map": classes}))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nConfig = int\n")
    asked = []
    monkeypatch.setattr("builtins.input", lambda *_: asked.append(1) or "y")

    with pytest.raises(RecipeError, match="cannot read a causal language model here"):
        open_model(tmp_path)
    assert not asked
    assert not (tmp_path / "ran").exists()


def test_a_file_that_only_begins_like_a_gguf_is_refused(tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60))

    with pytest.raises(RecipeError, match="cannot read a causal language model here"):
        open_model(tmp_path / "m.gguf")
