"""What stops a run from outside leaves a store to go on from: Ctrl-C, no room, another writer."""

from __future__ import annotations

import _thread
import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from bench.trial import Trial, made_up, recipe, write_files
from curator.ledger import Store
from pipelines import cli
from tests.support.room import resize, small_disk

SECTIONS = {
    "score": [{"use": "ngrams", "as": "dsir", "learns_from": {"target": "exam/train"}}],
    "arms": {"dsir": {"select": {"method": "topk", "by": "dsir", "tokens": 8000}}},
    "baseline": None,
    "train": None,
    "evaluate": None,
}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return recipe(write_files(made_up(160), tmp_path_factory.mktemp("in"), 4), **SECTIONS)


@pytest.fixture(scope="module")
def undisturbed(content, tmp_path_factory):
    """Return a run that nothing stopped."""
    trial = Trial(tmp_path_factory.mktemp("calm")).write(content)
    trial.run()
    return trial


@pytest.fixture(scope="module")
def calm(undisturbed):
    return undisturbed.results()


def refusal(trial):
    """Return what a failed run printed to stdout, having checked its exit code and log."""
    process = trial.start()
    assert process.wait(timeout=120) == 1
    error = json.loads((trial.folder / "stdout").read_text())["error"]
    assert "Traceback" not in trial.log()
    assert error["message"] in trial.log()
    return error


def temporary(trial):
    return list(trial.store.rglob(".tmp-*"))


@pytest.mark.parametrize(("step", "workers"), [("ingest", 2), ("dedup.minhash.emit", 1)])
def test_ctrl_c_leaves_a_store_to_go_on_from(step, workers, content, calm, tmp_path):
    trial = Trial(tmp_path, workers=workers).write(content)
    process = trial.start()
    while not list(trial.store.glob(f"shards/{step}/*/*.json")):
        assert process.poll() is None, trial.log()
        time.sleep(0.01)
    begun = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does

    assert process.wait(timeout=60) == 130
    assert time.monotonic() - begun < 10
    assert trial.log().strip() == "stopped; run the same command again to go on from here"
    before = trial.records()
    trial.run()
    assert trial.results() == calm
    assert {path: trial.records()[path] for path in before} == before
    assert not temporary(trial)


class Finalized:
    def __del__(self):
        _thread.interrupt_main()


@pytest.fixture
def heard():
    """Hear Ctrl-C, which a shell makes those deaf to that it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("at_once", [False, True])
def test_ctrl_c_in_a_finalizer_is_not_lost(at_once, heard, monkeypatch, capsys):
    before, set_alarm, set_before = signal.getsignal(signal.SIGALRM), signal.setitimer, []

    def sooner(*alarm):
        """Let the first alarm go off before the hook that sets it has returned."""
        set_before.append(alarm)
        if at_once and len(set_before) == 1:
            signal.raise_signal(signal.SIGALRM)
        else:
            set_alarm(*alarm)

    def sleeping():
        Finalized()  # KeyboardInterrupt is raised in its __del__, where Python drops it
        time.sleep(5)

    monkeypatch.setattr(signal, "setitimer", sooner)
    monkeypatch.setattr(cli, "commands", sleeping)
    monkeypatch.setattr("sys.argv", ["curator"])
    begun = time.monotonic()

    with pytest.raises(SystemExit) as left:
        cli.app()

    assert left.value.code == 130
    assert time.monotonic() - begun < 4
    assert "go on from here" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGALRM) == before


@pytest.mark.parametrize("share", [0.02, 0.4, 0.8])  # of the room that the run needs
def test_a_full_disk_is_said_plainly_and_leaves_a_store_to_go_on_from(
    share, content, undisturbed, calm, tmp_path
):
    files = [path for path in undisturbed.store.rglob("*") if path.is_file()]
    needed = sum(path.stat().st_blocks * 512 for path in files)
    with small_disk(tmp_path / "disk", share * needed / 2**20) as disk:
        trial = Trial(tmp_path / "trial", disk=disk).write(content)

        error = refusal(trial)

        assert error["class"] == "ShardError"
        assert "No space left" in error["message"]
        assert "free some space, then rerun: finished work is kept" in error["message"]
        before = trial.records()
        resize(disk, 64)
        trial.run()
        assert trial.results() == calm
        assert {path: trial.records()[path] for path in before} == before
        assert not temporary(trial)


def test_a_limit_on_the_size_of_files_is_said_plainly(content, calm, tmp_path):
    trial = Trial(tmp_path).write(content)
    whole = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, whole[1]))
    try:
        error = refusal(trial)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, whole)

    assert error["class"] == "ShardError"
    assert error["message"].startswith("[Errno 27] File too large; free some space")
    assert error["where"].startswith("ingest of")
    trial.run()
    assert trial.results() == calm


def test_a_second_writer_is_refused_and_changes_nothing(content, tmp_path):
    trial = Trial(tmp_path).write(content)
    with Store(trial.store).writing():
        error = refusal(trial)

    assert error["class"] == "LedgerError"
    assert f"is being written by process {os.getpid()}" in error["message"]
    assert "--store" in error["message"]
    assert [path.name for path in Path(trial.store).iterdir()] == ["lock"]
