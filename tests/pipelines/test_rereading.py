"""A finished run is read from anywhere, and its report made again without computing anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.trial import made_up, write_files
from curator.engine.driver import Step
from curator.errors import LedgerError, RecipeError
from curator.ledger import Artifact
from curator.shards import read_shard
from pipelines.looking import documents_of, open_view, verification_of, what_if
from pipelines.rereading import rewrite_report
from pipelines.running import read_run
from pipelines.summarizing import stage_summary
from tests.support.runs import run_record, small_run, write_run


class Place(NamedTuple):
    folder: Path
    run: Path


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    """Return where a small run lies that was started in its own folder, with paths from there."""
    monkeypatch.chdir(tmp_path)
    write_files(made_up(60), tmp_path / "in", 2)
    small_run(tmp_path / "in", Path("store"), Path("out"))
    return Place(tmp_path, tmp_path / "out")


def test_a_run_is_read_from_any_folder(place, monkeypatch):
    monkeypatch.chdir("/")

    shown = documents_of(str(place.run), Path("none"), n=1, sort="", where="", rejected="")
    assert shown.summary["documents"]
    assert what_if(place.run, "letters >= 0").summary["documents"] > 0
    assert verification_of(str(place.run), Path("none")).summary["faults"] == []
    assert read_shard(read_run(place.run)["arms"]["random"]["selection"]["path"]).num_rows > 0


def test_a_record_holds_a_time_that_a_report_prints_as_the_run_did():
    edge = 0.0033499999  # printed with two digits: .0033, and .0034 once rounded to a microsecond
    step = Step(Artifact("clean", {}, ()), edge, cached=False)

    assert json.loads(json.dumps(stage_summary(step)))["seconds"] == edge


def test_a_report_is_made_again_and_nothing_else(place):
    record, page = place.run / "run.json", place.run / "report.html"
    before = record.stat().st_mtime_ns, record.read_bytes()
    first = page.read_text()
    page.unlink()

    assert rewrite_report(place.run) == page

    assert page.read_text() == first
    assert (record.stat().st_mtime_ns, record.read_bytes()) == before


@pytest.mark.parametrize("what", ["input", "shard", "folder"])
def test_a_report_is_refused_where_a_step_would_have_to_be_done_again(place, what):
    before = (place.run / "run.json").read_bytes()
    if what == "input":
        path = sorted((place.folder / "in").glob("*"))[0]
        path.write_text(path.read_text() + json.dumps({"source": "web", "text": "one more"}) + "\n")
    elif what == "shard":
        Path(open_view(str(place.run), Path()).decisions[0].shards[0].path).unlink()
    else:
        (next((place.folder / "store" / "folders").glob("tokenizer-*")) / "tokenizer.json").unlink()
    written = sorted((place.folder / "store" / "folders").iterdir())

    with pytest.raises(RecipeError, match="inputs or settings changed since"):
        rewrite_report(place.run)

    assert (place.run / "run.json").read_bytes() == before
    assert sorted((place.folder / "store" / "folders").iterdir()) == written


@pytest.mark.parametrize("content", ["{}", "[]", "", "nonsense"])
def test_a_broken_record_of_a_run_is_an_error_that_says_so(tmp_path, content):
    (tmp_path / "run.json").write_text(content)

    with pytest.raises(LedgerError, match="run the recipe again"):
        read_run(tmp_path)


def test_a_record_that_lacks_a_part_names_it(tmp_path):
    record = run_record()
    del record["stands_on"]["folders"], record["arms"]
    (tmp_path / "run.json").write_text(json.dumps(record))

    with pytest.raises(LedgerError, match=r"lacks 'arms', 'stands_on\.folders'"):
        read_run(tmp_path)
    write_run(tmp_path)
    assert read_run(tmp_path) == run_record()
