"""Training: learns, resumes bit for bit, is not repeated, and says when it failed."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch

from curator.errors import BudgetError, LedgerError
from curator.train import loop
from curator.train.checkpoint import CHECKPOINT, RECORD, WEIGHTS, Evaluated, load_model
from curator.train.loop import train
from curator.train.proxy import Proxy, Rates
from curator.train.record import curve, failure
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
SEEDS = {"seed": 1, "order_seed": 2}


@pytest.fixture
def mixture(tmp_path):
    return write_mixture(tmp_path / "mixture", counting_documents(40))


class Cut(Exception):
    """Stands for a kill in the middle of a run."""


def cut_at(step):
    def stop(progress):
        if progress.step == step:
            raise Cut

    return stop


def test_a_run_learns_and_records_what_it_did(mixture, tmp_path):
    seen = []

    record = train(
        mixture, PROXY, tokens=64 * 30 + 10, **SEEDS, out=tmp_path / "run", progress=seen.append
    )

    assert record.finished
    assert record.tokens == 64 * 30
    assert record.final_loss < record.first_loss == pytest.approx(math.log(64), abs=0.05)
    assert [progress.step for progress in seen] == list(range(1, 31))
    assert sum(part["seen"] for part in record.coverage.values()) == record.tokens
    assert record.curve[-1]["tokens"] == record.tokens
    assert json.loads((tmp_path / "run" / RECORD).read_text())["seed"] == 1


@pytest.mark.parametrize(
    "change", [{}, {"document_mask": True}, {"dropout": 0.2}, {"average_share": 0.5}]
)
def test_an_interrupted_run_ends_as_if_never_interrupted(mixture, tmp_path, change):
    proxy = dataclasses.replace(PROXY, **change)
    budget = {"tokens": 64 * 40, **SEEDS, "checkpoint_seconds": 0}
    whole = train(mixture, proxy, **budget, out=tmp_path / "whole")

    for step in (7, 23):
        with pytest.raises(Cut):
            train(mixture, proxy, **budget, out=tmp_path / "cut", progress=cut_at(step))
    resumed = train(mixture, proxy, **budget, out=tmp_path / "cut")

    assert resumed.curve == whole.curve
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    assert not (tmp_path / "cut" / CHECKPOINT).exists()


def test_a_finished_run_is_not_trained_again(mixture, tmp_path):
    first = train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    again = train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run", progress=cut_at(1))

    assert again == first


def test_a_folder_of_another_run_is_refused(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")
    with pytest.raises(LedgerError, match="holds another run"):
        train(mixture, PROXY, tokens=640, seed=5, order_seed=2, out=tmp_path / "run")

    budget = {"tokens": 640, "checkpoint_seconds": 0, "out": tmp_path / "cut"}
    with pytest.raises(Cut):
        train(mixture, PROXY, **SEEDS, **budget, progress=cut_at(3))
    with pytest.raises(LedgerError, match="other settings"):
        train(mixture, PROXY, seed=5, order_seed=2, **budget)


def test_a_damaged_checkpoint_is_refused(mixture, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / CHECKPOINT).write_bytes(b"\x00" * 50)

    with pytest.raises(LedgerError, match="damaged checkpoint"):
        train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")


def test_order_and_first_weights_have_seeds_of_their_own(mixture, tmp_path):
    first_losses = {
        (seed, order): train(
            mixture, PROXY, tokens=128, seed=seed, order_seed=order, out=tmp_path / f"{seed}{order}"
        ).curve
        for seed in (1, 2)
        for order in (1, 2)
    }

    assert len({str(points) for points in first_losses.values()}) == 4


def test_dropout_has_a_seed_of_its_own_that_counts_only_where_something_is_dropped(
    mixture, tmp_path
):
    def run(dropout, dropout_seed):
        return train(
            mixture,
            dataclasses.replace(PROXY, dropout=dropout),
            tokens=640,
            **SEEDS,
            dropout_seed=dropout_seed,
            out=tmp_path / f"{dropout}-{dropout_seed}",
        )

    assert run(0.0, 5).identity == run(0.0, 6).identity
    assert run(0.2, 5).curve != run(0.2, 6).curve
    assert run(0.2, 1).curve == run(0.2, None).curve  # the seed of first weights
    assert run(0.2, None).dropout_seed == 1


def test_a_record_states_the_arithmetic_of_training(mixture, tmp_path):
    record = train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    assert record.flops == 640 * PROXY.shape(64).flops_per_token


def test_a_mixture_can_be_passed_several_times(mixture, tmp_path):
    record = train(mixture, PROXY, tokens=64 * 40, **SEEDS, out=tmp_path / "run")

    held = json.loads((mixture / "mixture.json").read_text())["n_tokens"]
    assert record.tokens > held
    assert all(part["unseen"] == 0 for part in record.coverage.values())


def test_a_run_that_meets_nan_is_marked_and_has_no_model(mixture, tmp_path, monkeypatch):
    broken = lambda self, model, optimizer, batches, at: math.nan if at.step == 3 else 4.0  # noqa: E731
    monkeypatch.setattr(loop.Run, "_step", broken)

    record = train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    assert record.status == "failed"
    assert "nan at step 4" in record.reason
    with pytest.raises(LedgerError, match="status 'failed'"):
        load_model(tmp_path / "run")


def test_a_run_whose_last_step_breaks_its_weights_is_marked(mixture, tmp_path, monkeypatch):
    def breaking(self, model, optimizer, batches, at):
        if at.step == 9:
            model.head.weight.data[0, 0] = math.nan
        return 4.0 - at.step / 100

    monkeypatch.setattr(loop.Run, "_step", breaking)

    record = train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    assert (record.status, record.reason.split()[1]) == ("failed", "weights")
    assert not (tmp_path / "run" / WEIGHTS).exists()


def test_what_is_no_number_on_the_way_to_nan_leaves_a_record_still(mixture, tmp_path, monkeypatch):
    def breaking(self, model, optimizer, batches, at):
        at.statistics[at.step] = {"gradient_rms": math.inf, "update_ratio": 1.0}
        at.evaluations.append(Evaluated(at.step + 1, {"web": math.nan, "books": 2.0}))
        return math.nan if at.step == 3 else 4.0

    monkeypatch.setattr(loop.Run, "_step", breaking)

    record = train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    assert record.status == "failed"
    assert record.curve[0] == {"tokens": 64, "loss": 4.0, "update_ratio": 1.0}
    assert record.evaluations[0]["losses"] == {"books": 2.0}


def test_a_run_that_ends_above_its_start_is_marked(mixture, tmp_path):
    wild = dataclasses.replace(PROXY, rates=Rates(matrix=5.0, embedding=500.0, head=500.0))

    assert train(mixture, wild, tokens=640, **SEEDS, out=tmp_path / "run").status == "failed"


def test_a_loaded_model_is_the_trained_one(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    model = load_model(tmp_path / "run")

    inputs = torch.arange(1, 17)[None]
    assert model.shape == PROXY.shape(64)
    assert model.bits(inputs, inputs + 1).mean() < math.log2(64)


def test_a_run_takes_its_tokenizer_along(mixture, tmp_path):
    (mixture / "tokenizer.json").write_text("{}")

    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")

    assert (tmp_path / "run" / "tokenizer.json").read_text() == "{}"


def test_weights_that_do_not_fit_are_refused(mixture, tmp_path):
    train(mixture, PROXY, tokens=640, **SEEDS, out=tmp_path / "run")
    (tmp_path / "run" / WEIGHTS).write_bytes(b"")

    with pytest.raises(LedgerError, match="does not fit"):
        load_model(tmp_path / "run")


def test_less_than_a_batch_is_refused(mixture, tmp_path):
    with pytest.raises(BudgetError, match="less than one batch of 64"):
        train(mixture, PROXY, tokens=63, **SEEDS, out=tmp_path / "run")


def test_a_curve_has_few_points_and_keeps_the_mean():
    losses = [float(k) for k in range(1000)]

    points = curve(losses, batch_tokens=10)

    assert len(points) == 200
    assert points[0] == {"tokens": 50, "loss": 2.0}
    assert points[-1]["tokens"] == 10_000


def test_failure_tells_why():
    assert failure([3.0, 2.0]) == ""
    assert failure([3.0]) == ""
    assert "above the first" in failure([3.0, 4.0])
    assert "inf" in failure([3.0, math.inf])
