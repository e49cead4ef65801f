from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from curator.errors import LedgerError, RecipeError
from curator.train.checkpoint import RECORD, TRUNK, WEIGHTS, load_model
from curator.train.damage import content_of, prune_model, pruned
from curator.train.loop import train
from curator.train.proxy import Proxy
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    mixture = write_mixture(folder / "mixture", counting_documents(200))
    train(mixture, PROXY, tokens=640, out=folder / "trunk", seed=1, order_seed=2, as_trunk=True)
    return folder / "trunk"


def test_the_smallest_share_of_every_matrix_of_the_blocks_is_zero():
    random = torch.Generator().manual_seed(0)
    shapes = {"blocks.0.mlp.up.weight": (8, 4), "blocks.1.mlp.down.weight": (4, 8)}
    weights = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    weights |= {"head.weight": torch.randn((9, 4), generator=random)}
    found = pruned(weights, 0.25)

    assert torch.equal(found["head.weight"], weights["head.weight"])
    for name in shapes:
        gone = found[name] == 0
        assert gone.sum() == 8
        assert weights[name][gone].abs().max() <= weights[name][~gone].abs().min()
        assert torch.equal(found[name][~gone], weights[name][~gone])


def test_a_pruned_model_keeps_record_tokenizer_and_state(trunk: Path, tmp_path: Path):
    prune_model(trunk, 0.5, tmp_path)
    before, after = load_file(trunk / TRUNK), load_file(tmp_path / TRUNK)
    weights = load_file(tmp_path / WEIGHTS)
    record = json.loads((tmp_path / RECORD).read_text())
    with safe_open(tmp_path / TRUNK, framework="pt") as file:
        assert file.metadata()["identity"] == record["identity"]

    assert record["identity"] != json.loads((trunk / RECORD).read_text())["identity"]
    assert record["pruned"]["share"] == 0.5
    assert before.keys() == after.keys()
    for name in before:
        if name.startswith("model."):
            assert torch.equal(after[name], weights[name.removeprefix("model.")])
        else:
            assert torch.equal(after[name], before[name])
    query = dict(load_model(tmp_path).named_parameters())["blocks.0.attention.query.weight"]
    assert (query == 0).float().mean() == 0.5


def test_training_goes_on_from_a_pruned_model(trunk: Path, tmp_path: Path):
    prune_model(trunk, 0.5, tmp_path / "damaged")
    mixture = write_mixture(tmp_path / "mixture", counting_documents(200))
    out = tmp_path / "mended"
    damaged = tmp_path / "damaged"
    train(mixture, PROXY, tokens=320, out=out, seed=None, order_seed=3, start=damaged)

    assert json.loads((out / RECORD).read_text())["status"] == "finished"


def test_the_same_model_is_pruned_to_the_same_bytes(trunk: Path, tmp_path: Path):
    for name in ("a", "b"):
        prune_model(trunk, 0.3, tmp_path / name)

    assert content_of(tmp_path / "a") == content_of(tmp_path / "b") != content_of(trunk)
    assert {WEIGHTS, TRUNK} <= content_of(trunk).keys()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_is_none_is_refused(trunk: Path, tmp_path: Path, share: float):
    with pytest.raises(RecipeError, match="wanted a share of weights"):
        prune_model(trunk, share, tmp_path)


def test_what_is_no_finished_run_is_refused(tmp_path: Path):
    with pytest.raises(LedgerError, match=r"no run.json; only a finished proxy"):
        prune_model(tmp_path, 0.5, tmp_path / "out")
