"""Branches: they go on exactly where the trunk stopped, on text that it did not read."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from safetensors.torch import load_file

from curator.errors import LedgerError, RecipeError
from curator.train.checkpoint import CHECKPOINT, RECORD, TRUNK, WEIGHTS
from curator.train.loader import open_mixture
from curator.train.loop import train
from curator.train.order import read_order
from curator.train.proxy import Proxy
from curator.train.schedule import Schedule
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny",
    depth=1,
    width=16,
    heads=2,
    context=16,
    batch_tokens=64,
    precision="fp32",
    dropout=0.1,
)
SEEDS = {"seed": 1, "order_seed": 2}


class Cut(Exception):
    """Stands for a kill in the middle of a run."""


@pytest.fixture
def mixture(tmp_path):
    return write_mixture(tmp_path / "mixture", counting_documents(200))


@pytest.fixture
def trunk(mixture, tmp_path):
    train(mixture, PROXY, tokens=64 * 20, **SEEDS, out=tmp_path / "trunk", as_trunk=True)
    return tmp_path / "trunk"


def test_a_trunk_is_the_beginning_of_the_run_that_would_have_decayed_later(mixture, tmp_path):
    # Both read the whole mixture, so that they read it in the same order.
    short = write_mixture(tmp_path / "short", counting_documents(40))
    trunk = dataclasses.replace(PROXY, schedule=Schedule(warmup_share=0.1))
    whole = dataclasses.replace(PROXY, schedule=Schedule(warmup_share=0.05, decay_share=0.5))

    def cut(progress):
        if progress.step == 20:
            raise Cut

    train(short, trunk, tokens=64 * 20, **SEEDS, out=tmp_path / "trunk", as_trunk=True)
    budget = {"tokens": 64 * 40, "checkpoint_seconds": 0, "out": tmp_path / "whole"}
    with pytest.raises(Cut):
        train(short, whole, **SEEDS, **budget, progress=cut)

    ours = load_file(tmp_path / "trunk" / TRUNK)
    theirs = load_file(tmp_path / "whole" / CHECKPOINT)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_branch_decays_from_the_trunk_on_documents_that_it_did_not_read(mixture, trunk, tmp_path):
    record = train(mixture, PROXY, tokens=64 * 10, **SEEDS, out=tmp_path / "b", start=trunk)

    before = json.loads((trunk / RECORD).read_text())
    assert record.finished
    assert record.trunk["identity"] == before["identity"]
    assert (record.tokens, record.steps) == (64 * 30, 30)
    assert record.flops == 3 * record.trunk["flops"] // 2
    assert record.curve[0]["tokens"] == 64 * 21
    assert record.curve[0]["loss"] < before["curve"][5]["loss"]
    assert record.window[0] == pytest.approx(sum(before["window"]) % 1)
    read = [set(read_order(run)["row"].to_pylist()) for run in (trunk, tmp_path / "b")]
    assert not read[0] & read[1]
    lengths = open_mixture(mixture).lengths
    assert lengths[list(read[1])].sum() >= 64 * 10


def test_a_cut_branch_ends_as_if_never_cut(mixture, trunk, tmp_path):
    budget = {"tokens": 64 * 20, **SEEDS, "checkpoint_seconds": 0, "start": trunk}
    whole = train(mixture, PROXY, **budget, out=tmp_path / "whole")

    def cut(progress):
        if progress.step == 7:
            raise Cut

    with pytest.raises(Cut):
        train(mixture, PROXY, **budget, out=tmp_path / "cut", progress=cut)
    resumed = train(mixture, PROXY, **budget, out=tmp_path / "cut")

    assert resumed.curve == whole.curve
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_branches_of_other_trunks_are_other_runs(mixture, trunk, tmp_path):
    other = tmp_path / "other"
    train(mixture, PROXY, tokens=64 * 21, **SEEDS, out=other, as_trunk=True)

    runs = {
        train(mixture, PROXY, tokens=64 * 5, **SEEDS, out=tmp_path / f"b{i}", start=start).identity
        for i, start in enumerate((None, trunk, other))
    }

    assert len(runs) == 3


def test_a_trunk_of_other_first_weights_is_refused(mixture, trunk, tmp_path):
    with pytest.raises(LedgerError, match="seed of first weights 1, not 3"):
        train(mixture, PROXY, tokens=640, seed=3, order_seed=2, out=tmp_path / "b", start=trunk)


def test_branches_may_read_in_another_order(mixture, trunk, tmp_path):
    runs = [
        train(mixture, PROXY, tokens=640, seed=1, order_seed=k, out=tmp_path / f"{k}", start=trunk)
        for k in (2, 3)
    ]

    assert all(run.finished for run in runs)
    assert runs[0].window[0] != runs[1].window[0]
    assert runs[0].curve != runs[1].curve


def test_a_trunk_of_another_proxy_or_tokenizer_is_refused(mixture, trunk, tmp_path):
    wider = dataclasses.replace(PROXY, width=32)
    with pytest.raises(LedgerError, match="the trunk has proxy"):
        train(mixture, wider, tokens=640, **SEEDS, out=tmp_path / "b", start=trunk)

    place = tmp_path / "mixture" / "mixture.json"
    described = json.loads(place.read_text())
    place.write_text(json.dumps({**described, "tokenizer_digest": "1" * 32}))
    with pytest.raises(LedgerError, match="the trunk has tokenizer"):
        train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "b", start=trunk)


def test_a_run_that_is_no_trunk_is_refused(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    for folder in (tmp_path / "run", tmp_path / "nothing"):
        with pytest.raises(LedgerError, match="not a finished trunk"):
            train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "b", start=folder)


def test_a_cosine_makes_no_trunk(mixture, tmp_path):
    proxy = dataclasses.replace(PROXY, schedule=Schedule("cosine"))

    with pytest.raises(RecipeError, match="no level to branch from"):
        train(mixture, proxy, tokens=640, **SEEDS, out=tmp_path / "run", as_trunk=True)


def test_runs_of_all_seeds_go_on_from_one_model(mixture, trunk, tmp_path):
    before = json.loads((trunk / RECORD).read_text())
    runs = [
        train(mixture, PROXY, tokens=64 * 10, seed=None, order_seed=seed, start=trunk,
              out=tmp_path / f"{seed}")
        for seed in (5, 6)
    ]  # fmt: skip

    assert [(run.seed, run.order_seed, run.dropout_seed) for run in runs] == [(1, 5, 5), (1, 6, 6)]
    assert {run.trunk["identity"] for run in runs} == {before["identity"]}
    assert all(run.trunk["is_model"] and run.tokens == 64 * 30 for run in runs)
    assert runs[0].final_loss != runs[1].final_loss


def test_a_run_from_first_weights_needs_a_seed(mixture, tmp_path):
    with pytest.raises(RecipeError, match="has no seed for them"):
        train(mixture, PROXY, tokens=640, seed=None, order_seed=1, out=tmp_path / "none")
