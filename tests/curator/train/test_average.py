"""Averages of weights: inside a run, and of runs that share a trunk."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from curator.errors import LedgerError, RecipeError
from curator.train.average import Average
from curator.train.checkpoint import CHECKPOINT, TRUNK, WEIGHTS, load_model
from curator.train.loop import train
from curator.train.proxy import Proxy
from curator.train.soup import soup
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
SEEDS = {"seed": 1, "order_seed": 2}


@pytest.fixture
def mixture(tmp_path):
    return write_mixture(tmp_path / "mixture", counting_documents(200))


def test_an_average_is_the_mean_of_the_last_weights():
    model = nn.Linear(2, 2, bias=False)
    average = Average(model, steps=10, share=0.4)

    seen = []
    for step in range(10):
        model.weight.data = torch.full((2, 2), float(step**2))
        seen.append(model.weight.detach().clone())
        average.take(step)
    average.put()

    torch.testing.assert_close(model.weight.detach(), torch.stack(seen[6:]).mean(0))


def test_the_least_share_is_one_step():
    model = nn.Linear(2, 2, bias=False)
    average = Average(model, steps=10, share=0.001)
    before = model.weight.detach().clone()

    average.take(8)
    average.take(9)
    average.put()

    assert torch.equal(model.weight, before)


def test_a_run_keeps_the_mean_of_its_steps_and_trains_as_without(mixture, tmp_path):
    smooth = dataclasses.replace(PROXY, average_share=0.5)
    budget = {"tokens": 64 * 20, **SEEDS}
    plain = train(mixture, PROXY, **budget, out=tmp_path / "plain")
    steps = []

    def watch(progress):  # the checkpoint of a step is there before its progress is told
        if 10 < progress.step < 20:
            steps.append(load_file(tmp_path / "watched" / CHECKPOINT))

    train(mixture, PROXY, **budget, out=tmp_path / "watched", checkpoint_seconds=0, progress=watch)

    averaged = train(mixture, smooth, **budget, out=tmp_path / "run")

    assert averaged.curve == plain.curve
    assert averaged.identity != plain.identity
    last = load_file(tmp_path / "plain" / WEIGHTS)
    for name, weight in load_file(tmp_path / "run" / WEIGHTS).items():
        mean = torch.stack([*(step[f"model.{name}"] for step in steps), last[name]]).mean(0)
        torch.testing.assert_close(weight, mean)


def test_branches_begin_from_the_trunks_last_weights_not_from_their_average(mixture, tmp_path):
    smooth = dataclasses.replace(PROXY, average_share=0.5)
    train(mixture, smooth, tokens=640, **SEEDS, out=tmp_path / "trunk", as_trunk=True)
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "plain", as_trunk=True)

    kept, plain = (load_file(tmp_path / name / TRUNK) for name in ("trunk", "plain"))

    assert all(torch.equal(kept[name], plain[name]) for name in plain)


@pytest.fixture
def branches(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "trunk", as_trunk=True)
    for seed in (2, 3, 4):
        out = tmp_path / f"branch{seed}"
        train(
            mixture, PROXY, tokens=320, seed=1, order_seed=seed, out=out, start=tmp_path / "trunk"
        )
    return [tmp_path / f"branch{seed}" for seed in (2, 3, 4)]


def test_a_soup_is_the_weighted_mean_and_counts_a_shared_trunk_once(branches, tmp_path):
    record = soup(branches, tmp_path / "soup", weights=[1, 1, 2])

    parts = [load_file(run / WEIGHTS) for run in branches]
    mean = load_file(tmp_path / "soup" / WEIGHTS)
    for name, tensor in mean.items():
        expected = (parts[0][name] + parts[1][name] + 2 * parts[2][name]) / 4
        torch.testing.assert_close(tensor, expected)
    assert record.finished
    assert record.tokens == 640 + 3 * 320
    assert record.flops == record.tokens * PROXY.shape(64).flops_per_token
    assert [parent["share"] for parent in record.parents] == [0.25, 0.25, 0.5]
    assert load_model(tmp_path / "soup").shape == PROXY.shape(64)


def test_a_soup_does_not_depend_on_the_order_of_its_runs(branches, tmp_path):
    one = soup(branches, tmp_path / "one")
    two = soup(branches[::-1], tmp_path / "two")

    assert one.identity == two.identity
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "two" / WEIGHTS).read_bytes()
    assert soup(branches[::-1], tmp_path / "one") == one


def test_a_folder_of_another_soup_is_refused(branches, tmp_path):
    soup(branches, tmp_path / "soup")

    with pytest.raises(LedgerError, match="holds another run"):
        soup(branches[:2], tmp_path / "soup")


def test_runs_that_share_no_trunk_are_refused(mixture, branches, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "whole")
    with pytest.raises(LedgerError, match="has no trunk"):
        soup([tmp_path / "whole", *branches], tmp_path / "soup")

    train(mixture, PROXY, tokens=1280, **SEEDS, out=tmp_path / "longer", as_trunk=True)
    other = tmp_path / "other"
    train(mixture, PROXY, tokens=320, **SEEDS, out=other, start=tmp_path / "longer")
    with pytest.raises(LedgerError, match="has trunk"):
        soup([*branches, other], tmp_path / "soup")


def test_runs_that_are_not_finished_are_refused(branches, tmp_path):
    with pytest.raises(LedgerError, match=r"no run\.json"):
        soup([*branches, tmp_path / "nothing"], tmp_path / "soup")


@pytest.mark.parametrize(
    "weights", [[1.0], [1.0, 0.0, 1.0], [1.0, -1.0, 3.0], [1.0, float("nan"), 1.0]]
)
def test_weights_that_give_no_mean_are_refused(branches, tmp_path, weights):
    with pytest.raises(RecipeError, match="wanted"):
        soup(branches, tmp_path / "soup", weights=weights)


def test_a_run_twice_is_refused(branches, tmp_path):
    with pytest.raises(RecipeError, match="there twice"):
        soup([branches[0], branches[0]], tmp_path / "soup")


def test_an_average_of_another_model_is_refused():
    average = Average(nn.Linear(2, 2, bias=False), steps=2, share=1.0)

    with pytest.raises(LedgerError, match="delete it"):
        average.restore({"other": torch.zeros(2)})
