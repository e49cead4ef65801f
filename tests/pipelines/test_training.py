"""A trained proxy is served while it is whole, and trained again when it is not."""

from __future__ import annotations

import dataclasses
import json

import pytest

from curator.identity import settings_of
from curator.ledger import RECORD, Store
from curator.train.proxy import Proxy, Rates, find_proxy
from pipelines import comparing, training
from pipelines.comparing import EvaluateJob
from pipelines.training import TrainJob, proxy_called, run_train
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


def test_proxies_of_other_settings_have_other_names():
    names = {proxy_called(settings_of(find_proxy(depth))) for depth in ("d2", "d4")}

    assert {name.split("-")[0] for name in names} == {"d2", "d4"}
    slower = dataclasses.replace(SMALL, rates=Rates(matrix=0.001))
    assert proxy_called(settings_of(slower)) != proxy_called(settings_of(SMALL))


@pytest.mark.parametrize(
    ("name", "value"),
    [("VERSION", 99), ("library_versions", lambda names: dict.fromkeys(names, "9.9"))],
)
def test_other_code_trains_another_proxy(job, monkeypatch, name, value):
    before = job.folder

    monkeypatch.setattr(training, name, value)

    assert job.folder != before


def test_a_proxy_of_another_precision_is_another(job):
    assert job.precision == "float32"
    assert dataclasses.replace(job, precision="bfloat16").folder != job.folder


def test_an_evaluation_belongs_to_weights_and_to_the_code_that_measures(job, monkeypatch):
    folder = run_train(job)
    measured = EvaluateJob(folder, (), folder / "tokenizer.json", job.store)
    before = measured.folder

    record = json.loads((folder / RECORD).read_text())
    record["files"]["run.json"] = "trained again, in other seconds"
    (folder / RECORD).write_text(json.dumps(record))
    assert measured.folder == before

    monkeypatch.setattr(comparing, "VERSION", 2)
    assert measured.folder != before
    monkeypatch.undo()
    record["files"]["model.safetensors"] = "other weights"
    (folder / RECORD).write_text(json.dumps(record))
    assert measured.folder != before
