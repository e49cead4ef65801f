"""A trained proxy is served while it is whole, and trained again when it is not."""

from __future__ import annotations

import json

import pytest

from curator.ledger import RECORD, Store
from curator.train.proxy import Proxy
from pipelines import training
from pipelines.training import TrainJob, run_train
from tests.support.mixtures import counting_documents, write_mixture

SMALL = Proxy(depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32")


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "find_proxy", lambda _: SMALL)
    mixture = write_mixture(tmp_path / "mixture", counting_documents(40))
    (mixture / "tokenizer.json").write_text("{}")
    return TrainJob(mixture, "small", 640, 1, Store(tmp_path / "store"))


@pytest.mark.parametrize("lost", ["model.safetensors", "run.json", "tokenizer.json"])
def test_a_proxy_that_lost_a_file_is_trained_again(job, lost):
    folder = run_train(job)
    weights = json.loads((folder / RECORD).read_text())["files"]["model.safetensors"]
    written = (folder / RECORD).stat().st_mtime_ns
    assert run_train(job) == folder
    assert (folder / RECORD).stat().st_mtime_ns == written

    (folder / lost).unlink()

    assert run_train(job) == folder
    assert Store.whole(folder)
    assert json.loads((folder / RECORD).read_text())["files"]["model.safetensors"] == weights
