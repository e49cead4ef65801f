from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

from curator.errors import LedgerError, RecipeError
from curator.influence.state import in_precision, open_state, optimizer_of, state_digest
from curator.testing import example_texts
from curator.train.checkpoint import TRUNK, load_model
from tests.support.trained import trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained_run(example_texts("raw"), tmp_path_factory.mktemp("run"))


def test_a_state_has_the_weights_and_moments_that_training_left(run):
    state = open_state(run)

    with safe_open(run / TRUNK, framework="pt") as file:
        for name, weight in load_model(run).named_parameters():
            assert torch.equal(weight, dict(state.model.named_parameters())[name])
            assert torch.equal(file.get_tensor(f"optimizer.adam.{name}.exp_avg"), state.first[name])
            second = file.get_tensor(f"optimizer.adam.{name}.exp_avg_sq")
            assert torch.equal(second, state.second[name])
    assert state.step == 20


def test_rates_are_those_of_the_last_step(run):
    state = open_state(run)

    assert state.rate("blocks.0.mlp.up.weight") == state.proxy.rates.matrix
    assert state.rate("embedding.weight") == state.proxy.rates.embedding
    assert state.rate("head.weight") == state.proxy.rates.head


def test_the_optimizer_of_a_state_keeps_its_own_copy(run):
    state = open_state(run)
    before = state.first["head.weight"].clone()
    optimizer = optimizer_of(state)
    ids = torch.arange(1, 20)[None]
    state.model.loss(ids[:, :-1], ids[:, 1:]).backward()
    optimizer.step(0.1)

    assert torch.equal(before, state.first["head.weight"])


def test_a_model_in_another_precision_shares_its_weights(run):
    state = open_state(run)
    other = in_precision(state.model, "bfloat16")
    with torch.no_grad():
        state.model.head.weight.add_(1)

    assert torch.equal(other.head.weight, state.model.head.weight)
    assert other.compute is torch.bfloat16


def test_a_model_without_its_state_is_refused(tmp_path):
    folder = trained_run(example_texts("raw"), tmp_path, steps=2)
    (folder / TRUNK).unlink()

    with pytest.raises(RecipeError, match=r"Missing optimizer state.*`state: true`"):
        open_state(folder)
    with pytest.raises(RecipeError, match="Missing optimizer state"):
        state_digest(folder)


def test_matrices_without_second_moments_are_refused(tmp_path):
    folder = trained_run(example_texts("raw"), tmp_path, steps=2, optimizer="muon")

    with pytest.raises(RecipeError, match=r"Muon.*adamw.*probe\.yaml"):
        open_state(folder)


def test_another_tokenizer_is_refused(tmp_path):
    folder = trained_run(example_texts("raw"), tmp_path, steps=2)
    (folder / "tokenizer.json").write_text("{}")

    with pytest.raises(LedgerError, match=r"tokenizer\.json has digest"):
        open_state(folder)


def test_the_state_of_another_run_is_refused(tmp_path):
    folder = trained_run(example_texts("raw"), tmp_path, steps=2)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "identity": "1" * 32}))

    with pytest.raises(LedgerError, match="wanted one run's"):
        open_state(folder)


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(LedgerError, match=r"no run\.json"):
        open_state(tmp_path)


def test_a_damaged_state_is_refused(tmp_path):
    folder = trained_run(example_texts("raw"), tmp_path, steps=2)
    (folder / TRUNK).write_bytes(b"nothing of the kind")

    with pytest.raises(LedgerError, match="damaged"):
        open_state(folder)
