from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from curator.errors import RecipeError
from curator.influence.hidden import HiddenStates
from curator.schema import vector_matrix
from curator.stage import Site
from curator.testing import documents, example_texts
from curator.train.checkpoint import load_model
from curator.train.model import norm
from curator.train.tokenizer import encode, load_tokenizer
from tests.support.trained import trained_run

TEXTS = [*example_texts("raw", 12), "Short.", "a much longer text than one context " * 20]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_run(TEXTS, tmp_path_factory.mktemp("run"), depth=4)


def vectors(stage: HiddenStates, texts: list[str]) -> np.ndarray:
    return vector_matrix(stage.process(stage.load(Site()), documents(texts))["vector"])


def by_hand(run: Path, text: str, blocks: int) -> np.ndarray:
    """The mean of the stream after some blocks, the document alone and unpadded."""
    model = load_model(run)
    _, ids = encode(load_tokenizer(run / "tokenizer.json"), pa.array([text], pa.large_string()))
    tokens = torch.from_numpy(ids.astype(np.int64))[None, :-1][:, :32]
    with torch.no_grad():
        x = norm(model.embedding(tokens))
        normed = norm(x)
        for block in model.blocks[:blocks]:
            x, normed = block(x, normed, model.angles[:, : tokens.shape[1]], None, lambda u: u)
    mean = normed[0].mean(dim=0).numpy()
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize(("layer", "blocks"), [(None, 3), (1, 1), (4, 4)])
def test_vectors_are_means_of_the_layer_three_quarters_up_unless_told(run, layer, blocks):
    found = vectors(HiddenStates(str(run), layer), TEXTS)

    for row, text in enumerate(TEXTS):
        # Half precision of numbers below one: 2**-11.
        np.testing.assert_allclose(found[row], by_hand(run, text, blocks), atol=1e-3)


def test_a_vector_does_not_depend_on_the_documents_beside_it(run):
    stage = HiddenStates(str(run))

    together = vectors(stage, TEXTS)

    for row in (0, 12, 13):
        assert (vectors(stage, [TEXTS[row]])[0] == together[row]).all()


def test_a_text_without_tokens_has_no_vector(run):
    stage = HiddenStates(str(run))
    table = stage.process(stage.load(Site()), documents(["", "some text"]))

    assert table["vector"].is_valid().to_pylist() == [False, True]
    assert table.schema == stage.writes


def test_vectors_are_named_by_the_content_of_the_model(run, tmp_path):
    other = trained_run(TEXTS, tmp_path / "other", depth=4, steps=3)

    assert HiddenStates(str(run)).identity() != HiddenStates(str(other)).identity()


def test_layers_and_models_that_there_are_not_are_refused(run):
    with pytest.raises(RecipeError, match="layer is 5, the model has 4; wanted 1 to 4"):
        HiddenStates(str(run), layer=5).load(Site())
    with pytest.raises(RecipeError, match="model is missing"):
        HiddenStates()
    with pytest.raises(RecipeError, match="max_tokens is 0"):
        replace(HiddenStates(str(run)), max_tokens=0)
