"""A record is the completion marker: what it names is there, byte for byte, or is made again."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from curator.errors import LedgerError
from curator.ledger import (
    RECORD,
    Store,
    TaskRecord,
    damage,
    folder_damage,
    folder_digest,
)
from tests.support.corpus import corpus_of, made_up_texts


def test_a_published_artifact_is_read_back_as_it_was(tmp_path):
    store = Store(tmp_path)
    made = corpus_of(store, made_up_texts(10), 2)

    assert store.artifact(f"ingest-{made.id[:12]}") == made
    assert store.artifact("ingest") == made
    assert [artifact for _, artifact in store.artifacts()] == [made]


def test_a_store_can_be_moved(tmp_path):
    store = Store(tmp_path / "here")
    made = corpus_of(store, made_up_texts(10), 2)
    (tmp_path / "here").rename(tmp_path / "there")

    moved = Store(tmp_path / "there").artifact("ingest")

    assert moved.digest == made.digest
    assert damage(moved) == []


def test_an_unknown_or_ambiguous_name_is_an_error_that_lists_what_there_is(tmp_path):
    store = Store(tmp_path)
    corpus_of(store, made_up_texts(10), 2)
    corpus_of(store, made_up_texts(12), 3)

    with pytest.raises(LedgerError, match="names 2 artifacts"):
        store.artifact("ingest")
    with pytest.raises(LedgerError, match=r"names 0 artifacts of .* \(none\)"):
        store.artifact("clean")


def test_damage_names_the_file_and_both_digests(tmp_path):
    made = corpus_of(Store(tmp_path), made_up_texts(10), 2)
    path = Path(made.shards[1].path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))

    (fault,) = damage(made)

    assert str(path) in fault
    assert made.shards[1].digest in fault


def test_work_whose_shard_is_gone_is_to_be_done_again(tmp_path):
    store = Store(tmp_path)
    made = corpus_of(store, made_up_texts(10), 1)
    key = made.tasks[0].key
    assert store.task("ingest", key) == made.tasks[0]

    Path(made.shards[0].path).unlink()

    assert store.task("ingest", key) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"format": 1}', "\xff"])
def test_work_whose_record_is_broken_is_to_be_done_again(tmp_path, content):
    store = Store(tmp_path)
    made = corpus_of(store, made_up_texts(10), 1)
    key = made.tasks[0].key
    store.task_path("ingest", key).with_suffix(".json").write_text(content, encoding="latin-1")

    assert store.task("ingest", key) is None


def test_work_whose_shard_was_cut_is_to_be_done_again(tmp_path):
    store = Store(tmp_path)
    made = corpus_of(store, made_up_texts(10), 1)
    path = Path(made.shards[0].path)
    path.write_bytes(path.read_bytes()[:-8])

    assert store.task("ingest", made.tasks[0].key) is None


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"format": 1}', '{"format": 1, "tasks": [{}]}']
)
def test_a_broken_record_of_an_artifact_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "artifacts" / "ingest-0.json"
    path.parent.mkdir()
    path.write_text(content)

    with pytest.raises(LedgerError, match="rerun"):
        Store(tmp_path).artifact("ingest")


def test_accounts_that_do_not_add_up_are_seen():
    record = TaskRecord("k", (), 10, 7, {"short": 2})

    assert record.missing() == 1


def test_a_folder_is_made_once_and_appears_whole(tmp_path):
    store, calls = Store(tmp_path), []

    def make(out):
        calls.append(out)
        (out / "model.bin").write_bytes(b"weights")

    first = store.folder("fit.x", {"a": 1}, make)
    second = store.folder("fit.x", {"a": 1}, make)
    other = store.folder("fit.x", {"a": 2}, make)

    assert first == second != other
    assert len(calls) == 2
    assert folder_damage(first) == []
    assert folder_digest(first) == folder_digest(other)


@pytest.mark.parametrize("harm", ["remove", "cut", "empty the record", "remove the record"])
def test_a_folder_that_is_not_whole_is_made_again(tmp_path, harm):
    store = Store(tmp_path)

    def make(out):
        (out / "model.bin").write_bytes(b"weights")

    folder = store.folder("fit.x", {"a": 1}, make)
    if harm == "remove":
        (folder / "model.bin").unlink()
    elif harm == "cut":
        (folder / "model.bin").write_bytes(b"wei")
    elif harm == "empty the record":
        (folder / RECORD).write_text("{}")
    else:
        (folder / RECORD).unlink()
    assert not store.whole(folder)

    assert store.folder("fit.x", {"a": 1}, make) == folder
    assert store.whole(folder)
    assert (folder / "model.bin").read_bytes() == b"weights"


def test_a_folder_whose_making_fails_is_not_there(tmp_path):
    store = Store(tmp_path)

    def make(out):
        (out / "half").touch()
        raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        store.folder("fit.x", {"a": 1}, make)

    assert list((tmp_path / "folders").iterdir()) == []


def test_a_folder_without_a_record_is_not_trusted(tmp_path):
    with pytest.raises(LedgerError, match=RECORD):
        folder_digest(tmp_path)


def test_a_record_of_another_format_is_refused(tmp_path):
    store = Store(tmp_path)
    made = corpus_of(store, made_up_texts(10), 1)
    path = tmp_path / "artifacts" / f"ingest-{made.id[:12]}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))

    with pytest.raises(LedgerError, match="format 99; wanted 1"):
        store.artifact(path)


def _hold(root, entered, leave):
    with Store(root).writing():
        entered.set()
        leave.wait(20)


def test_two_writers_are_kept_apart_and_a_dead_one_is_no_obstacle(tmp_path):
    context = multiprocessing.get_context("spawn")
    entered, leave = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, entered, leave))
    other.start()
    assert entered.wait(20)

    with pytest.raises(LedgerError, match=f"process {other.pid}"), Store(tmp_path).writing():
        pass
    other.kill()
    other.join()

    with Store(tmp_path).writing():
        pass


def test_what_killed_runs_left_is_swept(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / ".tmp-abc").write_bytes(b"half")
    (tmp_path / ".tmp-folder").mkdir()

    with Store(tmp_path).writing():
        left = [path.name for path in tmp_path.rglob(".tmp-*")]

    assert left == []
