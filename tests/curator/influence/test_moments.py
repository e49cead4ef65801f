from __future__ import annotations

import pyarrow as pa
import pytest
import torch

from curator.errors import RecipeError
from curator.influence.first_order import (
    direction,
    first_order,
    reference_gradient,
    step_slopes,
)
from curator.influence.moments import with_moments
from curator.influence.one_step import OneStep
from curator.influence.rows import Rows, document_tokens, reference_rows
from curator.influence.state import open_state
from curator.score.heldout import spearman
from curator.testing import example_texts
from curator.train.checkpoint import TOKENIZER
from curator.train.optim import ADAM_BETAS
from curator.train.tokenizer import load_tokenizer
from tests.support.trained import trained_run

MATRIX = "blocks.0.mlp.up.weight"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("muon")
    return trained_run(example_texts("raw"), folder, steps=60, optimizer="muon", width=64)


def tokens_of(run, texts):
    return document_tokens(load_tokenizer(run / TOKENIZER), pa.chunked_array([texts]), 32)


def batches(run, texts):
    """Return batches of four rows."""
    parts = reference_rows(tokens_of(run, texts), 16)
    return [
        Rows(
            r.texts[at : at + 4], *(each[at : at + 4] for each in (r.inputs, r.targets, r.weights))
        )
        for r in parts
        for at in range(0, len(r.inputs) - 3, 4)
    ]


def test_a_model_that_muon_trained_is_taken_only_where_its_moments_are_estimated(run):
    with pytest.raises(RecipeError, match="moments_from"):
        open_state(run)

    state = open_state(run, without_moments=True)

    assert MATRIX in state.missing
    assert "head.weight" not in state.missing
    assert state.rate(MATRIX) == pytest.approx(0.01 / 8)  # of AdamW, moving as far: 64 ** -.5


def test_estimated_moments_are_mean_squares_of_gradients_and_kept_ones_stay(run):
    state = open_state(run, without_moments=True)
    rows = batches(run, example_texts("raw"))
    weight = dict(state.model.named_parameters())[MATRIX]
    wanted = torch.stack(
        [
            torch.autograd.grad(state.model.loss(r.inputs, r.targets, None, r.weights), weight)[0]
            for r in rows
        ]
    )

    found = with_moments(state, rows, where="influence")

    unbiased = found.second[MATRIX] / (1 - ADAM_BETAS[1] ** state.step)
    assert torch.allclose(unbiased, wanted.square().mean(0), rtol=1e-4, atol=1e-12)
    assert torch.equal(found.second["head.weight"], state.second["head.weight"])
    assert found.missing == ()


def test_few_batches_say_nothing_of_moments(run):
    state = open_state(run, without_moments=True)
    rows = reference_rows(tokens_of(run, example_texts("raw")[:2]), 32)

    with pytest.raises(RecipeError, match="estimated from 1 batches"):
        with_moments(state, rows, where="influence")


def test_first_order_agrees_with_adams_step_on_a_model_that_muon_trained(run):
    texts = example_texts("raw")
    documents = tokens_of(run, texts)
    state = open_state(run, without_moments=True)
    state = with_moments(state, batches(run, texts), where="influence")
    reference = reference_rows(tokens_of(run, texts[::3]), 32)
    exact = OneStep(state, [reference], scale=0.1)(documents)[:, 0]
    gradient = reference_gradient(state.model, reference)
    slopes = step_slopes(state, documents)

    found = first_order(
        state.model, [direction(state, gradient, scale=0.1, slopes=slopes)], documents, 32
    )[:, 0]

    assert spearman(found, exact) > 0.95
