"""Several processes train one run: the losses of one process, written once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from curator.train.checkpoint import CHECKPOINT, load_model, read_record
from curator.train.distributed import main
from curator.train.loop import train
from curator.train.proxy import find_proxy
from tests.support.mixtures import counting_documents, write_mixture

ROOT = Path(__file__).parents[3]
PROXY = "depth: 1\nwidth: 16\nheads: 2\ncontext: 16\nbatch_tokens: 64\nprecision: fp32\n"
TOKENS = 64 * 30


@pytest.fixture
def place(tmp_path):
    write_mixture(tmp_path / "mixture", counting_documents(40))
    (tmp_path / "tiny.yaml").write_text(PROXY)
    return tmp_path


def one_process(place, out, **rest):
    return train(
        place / "mixture", find_proxy(place / "tiny.yaml"), tokens=TOKENS, seed=1, order_seed=1,
        out=place / out, **rest,
    )  # fmt: skip


def arguments(place):
    return [
        str(place / "mixture"), "--proxy", str(place / "tiny.yaml"), "--tokens", str(TOKENS),
        "--seed", "1", "--out", str(place / "together"), "--checkpoint-seconds", "0",
    ]  # fmt: skip


def torchrun(*words):
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_same(place, alone):
    together = read_record(place / "together")
    assert together["identity"] == alone.identity
    assert together["circumstances"]["processes"] == 2
    losses = [[point["loss"] for point in curve] for curve in (together["curve"], alone.curve)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    ours = load_model(place / "alone").state_dict()
    for name, weight in load_model(place / "together").state_dict().items():
        assert torch.allclose(weight, ours[name], atol=1e-4), name
    assert not (place / "together" / CHECKPOINT).exists()


def test_two_processes_go_on_from_a_checkpoint_to_the_losses_of_one(place):
    class Cut(Exception):
        pass

    def cut(progress):
        if progress.step == 7:
            raise Cut

    with pytest.raises(Cut):
        one_process(place, "together", checkpoint_seconds=0, progress=cut)

    told = torchrun("-m", "curator.train.distributed", *arguments(place))

    alone = one_process(place, "alone")
    assert len(alone.curve) == 30
    assert json.loads(told)["final_loss"] == pytest.approx(alone.final_loss, rel=1e-5)
    assert_same(place, alone)


def test_gradients_are_of_the_mean_over_all_tokens_and_ranks_must_stand_at_one_step(tmp_path):
    torchrun(str(ROOT / "tests/support/ranks.py"), str(tmp_path))

    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    mean = (1 + 3 + 2 + 5) / 4
    for told in (first, second):
        assert told["gradient"] == pytest.approx(mean)
        assert told["loss"] == pytest.approx(2 * mean)
        assert "steps 7 to 8" in told["steps"]
        assert "does not divide among 2" in told["rows refused"]
    assert (first["rows"], second["rows"]) == ([0, 1], [2, 3])


def test_without_torchrun_the_command_says_how_to_start_it(place, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(SystemExit, match="start this with torchrun"):
        main(arguments(place))


@pytest.mark.ray
@pytest.mark.slow
def test_two_ray_workers_have_the_losses_of_one_process(place):
    done = subprocess.run(
        [sys.executable, "-m", "curator.train.distributed", *arguments(place), "--ray", "2"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert_same(place, one_process(place, "alone"))
