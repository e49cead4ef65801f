from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from curator.influence.first_order import losses_of
from curator.influence.one_step import OneStep
from curator.influence.rows import document_tokens, item_tokens, reference_rows
from curator.influence.state import open_state, optimizer_of
from curator.testing import example_texts
from curator.train.tokenizer import load_tokenizer
from tests.support.trained import trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained_run(example_texts("raw"), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def tokens(run):
    tokenizer = load_tokenizer(run / "tokenizer.json")
    return document_tokens(tokenizer, pa.chunked_array([example_texts("bad", 4)]), 32)


@pytest.fixture(scope="module")
def rows(run):
    tokenizer = load_tokenizer(run / "tokenizer.json")
    return reference_rows(item_tokens(tokenizer, pa.chunked_array([example_texts("good", 6)])), 32)


def test_restoring_twice_gives_the_same_to_the_last_bit(run, tokens, rows):
    state = open_state(run)
    before = {name: part.clone() for name, part in state.model.state_dict().items()}
    probe = OneStep(state, [rows], scale=1.0)
    first, second = probe(tokens), probe(tokens)

    np.testing.assert_array_equal(first, second)
    for name, part in state.model.state_dict().items():
        assert torch.equal(part, before[name])


def test_it_is_the_fall_of_the_loss_by_a_step_of_the_trainers_own_optimizer(run, tokens, rows):
    found = OneStep(open_state(run), [rows], scale=0.5)(tokens)[:, 0]
    for row in range(2):
        state = open_state(run)
        before = losses_of(state.model, rows)
        ids = torch.from_numpy(tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]])[None]
        state.model.loss(ids[:, :-1], ids[:, 1:]).backward()
        optimizer_of(state).step(0.5)

        assert found[row] == before - losses_of(state.model, rows)


def test_parts_of_a_reference_are_measured_apart(run, tokens, rows):
    tokenizer = load_tokenizer(run / "tokenizer.json")
    more = pa.chunked_array([example_texts("other", 3)])
    halves = [rows, reference_rows(item_tokens(tokenizer, more), 32)]
    whole = OneStep(open_state(run), [[*halves[0], *halves[1]]], scale=0.1)(tokens)[:, 0]
    apart = OneStep(open_state(run), halves, scale=0.1)(tokens)
    sizes = [sum(float(batch.weights.sum()) for batch in half) for half in halves]

    np.testing.assert_allclose(apart @ np.array(sizes) / sum(sizes), whole, atol=1e-6)


def test_bfloat16_reads_the_reference_alone(run, tokens, rows):
    state = open_state(run)
    coarse = OneStep(state, [rows], scale=1.0, precision="bfloat16")(tokens)
    fine = OneStep(open_state(run), [rows], scale=1.0)(tokens)

    assert state.model.compute is torch.float32
    np.testing.assert_allclose(coarse, fine, atol=0.02)
