"""A trained proxy is served while it is whole, and trained again when it is not."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import LedgerError, RecipeError
from curator.identity import settings_of
from curator.ledger import RECORD, Store
from curator.recipe import TrainSpec, TrunkSpec
from curator.train.checkpoint import read_record
from curator.train.proxy import Proxy, Rates, find_proxy
from pipelines import evaluating, training
from pipelines.evaluating import EvaluateJob
from pipelines.reporting import trunk_of
from pipelines.runs import budget_of, proxy_called, seed_of
from pipelines.training import (
    TrainJob,
    TrainStack,
    run_stack,
    run_train,
    stacks_of,
    train_arms,
)
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


def test_on_a_gpu_proxies_of_one_shape_and_budget_are_stacked(job):
    alike = [dataclasses.replace(job, device="cuda", seed=seed) for seed in range(40)]
    longer = dataclasses.replace(alike[0], tokens=1280)
    branch = dataclasses.replace(alike[0], trunk=job)

    stacks = stacks_of([job, *alike, longer, branch])

    assert [len(stack.jobs) for stack in stacks] == [32, 8, 1]
    assert stacks[0].jobs + stacks[1].jobs == tuple(alike)
    assert {*alike, longer} == {job for stack in stacks for job in stack.jobs}


def test_stacks_of_larger_proxies_are_smaller_and_the_largest_are_not_stacked(job, monkeypatch):
    alike = [dataclasses.replace(job, device="cuda", seed=seed) for seed in range(5)]
    weights = sum(SMALL.shape(64).parameters.values())

    monkeypatch.setattr(training, "STACKED_WEIGHTS", 2 * weights)
    assert [len(stack.jobs) for stack in stacks_of(alike)] == [2, 2, 1]

    monkeypatch.setattr(training, "STACKED_WEIGHTS", 2 * weights - 1)
    assert stacks_of(alike) == []


def test_a_stack_leaves_the_folders_of_single_runs(job):
    jobs = [dataclasses.replace(job, seed=seed) for seed in (1, 2, 3)]
    first = run_train(jobs[0])
    written = (first / RECORD).stat().st_mtime_ns

    folders = run_stack(TrainStack(tuple(jobs)))

    assert folders == [each.folder for each in jobs]
    assert all(Store.whole(folder) for folder in folders)
    assert (first / RECORD).stat().st_mtime_ns == written
    assert read_record(folders[2])["seed"] == 3


def test_proxies_trained_in_other_ways_have_other_names():
    def run(proxy, **more):
        return {"proxy": settings_of(proxy), "trunk": None, **more}

    slower = dataclasses.replace(SMALL, rates=Rates(matrix=0.001))
    trunks = [
        {"tokens": tokens, "mixture": {"draw_hash": drawn}, "identity": "any"}
        for tokens, drawn in ((64, "a"), (64, "b"), (128, "a"))
    ]
    runs = [run(find_proxy("d2")), run(find_proxy("d4")), run(SMALL), run(slower)]
    names = [proxy_called(each) for each in [*runs, *(run(SMALL, trunk=t) for t in trunks)]]

    assert [name.split("-")[0] for name in names[:2]] == ["d2", "d4"]
    assert len(set(names)) == len(names)
    other_seed = {**trunks[0], "identity": "other"}
    assert proxy_called(run(SMALL, trunk=other_seed)) == names[4]


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

    monkeypatch.setattr(evaluating, "VERSION", -1)
    assert measured.folder != before
    monkeypatch.undo()
    record["files"]["model.safetensors"] = "other weights"
    (folder / RECORD).write_text(json.dumps(record))
    assert measured.folder != before


@pytest.fixture
def driver(tmp_path):
    return Driver(Store(tmp_path / "store"), Inline(1), quiet=True)


@pytest.fixture
def mixtures(tmp_path):
    found = {"random": counting_documents(150), "chosen": counting_documents(90)}
    return {arm: write_mixture(tmp_path / arm, texts) for arm, texts in found.items()}


@pytest.fixture
def branched(monkeypatch, mixtures):
    monkeypatch.setattr(training, "find_proxy", lambda _: SMALL)
    for mixture in mixtures.values():
        (mixture / "tokenizer.json").write_text("{}")
    trunk = {"arm": "random", "tokens": 640}
    return TrainSpec(proxy="small", tokens=320, seeds=[1, 2], trunk=trunk)


def test_all_arms_branch_from_the_one_trunk_of_their_seed(branched, mixtures, driver):
    runs = train_arms(branched, mixtures, driver)

    records = {arm: [read_record(run) for run in each] for arm, each in runs.items()}
    trunks = [[run["trunk"]["identity"] for run in each] for each in records.values()]
    assert trunks[0] == trunks[1]
    assert len(set(trunks[0])) == 2
    assert {run["tokens"] for each in records.values() for run in each} == {960}
    assert len(driver.folders) == 2 + 4  # two trunks, two arms of two seeds


def test_what_arms_share_of_their_training_is_counted_once(branched, mixtures, driver):
    runs = train_arms(branched, mixtures, driver)
    trunk = trunk_of(runs)

    assert (trunk.runs, trunk.tokens) == (2, 2 * 640)
    flops = read_record(runs["chosen"][0])["flops"]
    assert trunk.flops == pytest.approx(2 * flops * 640 / 960)
    assert trunk_of({"none": []}) is None


def test_a_trunk_is_trained_again_only_for_a_branch_that_is_missing(branched, mixtures, driver):
    runs = train_arms(branched, mixtures, driver)
    jobs = training.jobs_of(branched, mixtures, driver.store)
    for job in jobs:
        shutil.rmtree(job.trunk.folder, ignore_errors=True)

    assert train_arms(branched, mixtures, driver) == runs
    assert not any(job.trunk.folder.exists() for job in jobs)

    weights = (runs["chosen"][1] / "model.safetensors").read_bytes()
    shutil.rmtree(runs["chosen"][1])
    assert train_arms(branched, mixtures, driver) == runs
    assert (runs["chosen"][1] / "model.safetensors").read_bytes() == weights
    assert [job.trunk.folder.exists() for job in jobs] == [False, False, True, True]


def test_a_trunk_on_no_arm_is_refused(branched, mixtures, driver):
    lost = branched.model_copy(update={"trunk": TrunkSpec(arm="rundom", tokens=640)})

    with pytest.raises(RecipeError, match="did you mean 'random'"):
        train_arms(lost, mixtures, driver)


@pytest.fixture
def started(monkeypatch, mixtures, driver):
    """Return how to train from a model with state, and that model."""
    monkeypatch.setattr(training, "find_proxy", lambda _: SMALL)
    for mixture in mixtures.values():
        (mixture / "tokenizer.json").write_text("{}")
    model = run_train(TrainJob(mixtures["random"], "small", 640, 9, driver.store, as_trunk=True))
    return TrainSpec(proxy="small", tokens=320, seeds=[1, 2], start="warm"), {"warm": model}


def test_proxies_of_all_seeds_go_on_from_the_one_model(started, mixtures, driver):
    spec, models = started
    runs = train_arms(spec, mixtures, driver, models=models)
    records = [read_record(run) for each in runs.values() for run in each]

    assert [seed_of(run) for run in records] == [1, 2, 1, 2]
    assert {run["seed"] for run in records} == {9}
    assert {(run["tokens"], budget_of(run)) for run in records} == {(960, 960)}
    assert len({proxy_called(run) for run in records}) == 1
    assert trunk_of(runs).runs == 1
    assert proxy_called(records[0]) != proxy_called({**records[0], "trunk": None})


def test_a_changed_model_starts_other_runs(started, mixtures, driver):
    spec, models = started
    before = [job.folder for job in training.jobs_of(spec, mixtures, driver.store, models=models)]
    record = json.loads((models["warm"] / RECORD).read_text())
    record["files"]["trunk.safetensors"] = "pruned"
    (models["warm"] / RECORD).write_text(json.dumps(record))

    after = [job.folder for job in training.jobs_of(spec, mixtures, driver.store, models=models)]
    assert set(before).isdisjoint(after)


def test_a_model_without_state_starts_nothing(started, mixtures, driver):
    spec, models = started
    (models["warm"] / "trunk.safetensors").unlink()

    with pytest.raises(LedgerError, match="`state: true`"):
        train_arms(spec, mixtures, driver, models=models)
    with pytest.raises(RecipeError, match="no model 'warm'"):
        train_arms(spec, mixtures, driver)
