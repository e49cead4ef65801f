"""Garbage is what no run stands on, whoever asks; what is unsure is kept, or said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.trial import made_up, write_files
from curator.errors import BudgetError, LedgerError
from curator.ledger import RECORD, Store
from pipelines.looking import verification_of
from pipelines.registering import register_folders, registered
from pipelines.running import read_run
from pipelines.tidying import collect_garbage
from tests.support.runs import small_run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(made_up(40), tmp_path_factory.mktemp("in"), 1)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def freed(store, *runs, **options):
    """Return the paths that are freed when these runs are named."""
    return collect_garbage(runs, store, delete=True, **options).summary["paths"]


def mixture_of(run):
    return Path(read_run(run)["arms"]["random"]["mixture"]["path"])


def test_runs_that_nobody_names_are_kept_until_they_are_forgotten(files, store, tmp_path):
    mine = small_run(files, store, tmp_path / "mine")
    other = small_run(files, store, tmp_path / "other", tokens=2000)

    assert freed(store, mine) == []

    gone = freed(store, mine, forgotten=[other])
    assert str(mixture_of(other)) in gone
    assert verification_of(str(mine), store).summary["faults"] == []
    assert registered(Store(store)).runs == (mine,)


def test_a_run_that_cannot_be_read_stops_everything_and_is_named(files, store, tmp_path):
    mine = small_run(files, store, tmp_path / "mine")
    other = small_run(files, store, tmp_path / "other", tokens=2000)
    (other / "run.json").write_text("{}")

    with pytest.raises(LedgerError, match=f"{re.escape(str(other))}.* --forget "):
        freed(store, mine)

    assert verification_of(str(mine), store).summary["faults"] == []


def test_what_an_unfinished_run_made_is_kept_until_told_otherwise(files, store, tmp_path):
    mine = small_run(files, store, tmp_path / "mine")
    with pytest.raises(BudgetError):
        small_run(files, store, tmp_path / "cut", tokens=10**9)
    begun = store / "folders" / "proxy-0123"
    begun.mkdir()
    (begun / "checkpoint.safetensors").write_bytes(b"half")

    with pytest.raises(LedgerError, match="has begun and not finished"):
        freed(store, mine)
    assert str(begun) in freed(store, mine, unfinished=True)
    assert freed(store, mine) == []
    assert verification_of(str(mine), store).summary["faults"] == []


def test_work_in_a_folder_is_kept_while_it_is_unfinished(files, store, tmp_path):
    mine = small_run(files, store, tmp_path / "mine")
    for name in ("proxy-begun", "proxy-done", "proxy-mine"):
        (store / "folders" / name).mkdir()
    (store / "folders" / "proxy-done" / RECORD).write_text("{}")
    (store / "folders" / "proxy-mine" / RECORD).write_text("{}")
    register_folders(Store(store), [store / "folders" / "proxy-mine", tmp_path / "elsewhere"])

    assert freed(store, mine) == [str(store / "folders" / "proxy-done")]


def test_nothing_is_forgotten_by_mistake(files, store, tmp_path):
    small_run(files, store, tmp_path / "mine")

    with pytest.raises(LedgerError, match=f"registered are: {re.escape(str(tmp_path / 'mine'))}"):
        freed(store, forgotten=[tmp_path / "other"])
    with pytest.raises(LedgerError, match="there is no store"):
        freed(tmp_path / "nowhere")


def test_nothing_is_collected_while_another_process_writes(files, store, tmp_path):
    mine = small_run(files, store, tmp_path / "mine")

    with Store(store).writing(), pytest.raises(LedgerError, match="is being written"):
        freed(store, mine)
