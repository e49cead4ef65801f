"""What documents, records and users wrote is shown as it is: it colors nothing, steers nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.trial import made_up
from curator.shards import read_shard
from pipelines.looking import documents_of, lineage_of, open_view, verification_of, what_if
from pipelines.measuring import compare_run_folders
from pipelines.printing import show
from pipelines.tidying import collect_garbage
from tests.support.runs import run_record, small_run, write_run
from tests.support.terminal import on_terminal

SOURCES = ("[/red]evil", "\x1b]0;x\x07title", "[link=file:///etc/passwd]click[/link]")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("[bold]hostile")
    renamed = zip(made_up(48), SOURCES * 16, strict=True)
    lines = [json.dumps({**record, "source": source}) for record, source in renamed]
    (folder / "in.jsonl").write_text("\n".join(lines))
    return small_run(
        folder / "in.jsonl", folder / "store", folder / "out",
        corpus={
            "benchmarks": {}, "decontaminate": None, "heldout": {},
            "dedup": {"exact": True, "minhash": {"threshold": 0.8}},
        },
    )  # fmt: skip


def shown(found):
    text = on_terminal(found.shown, width=300)
    assert "\x1b" not in text
    return text


def test_sources_and_conditions_are_words_in_tables(run):
    text = shown(what_if(run, "letters >= 0 AND source <> '[/red]'"))

    assert "[/red]evil" in text
    assert "␛]0;x␇title" in text
    assert "[link=file:///etc/passwd]click[/link]" in text
    assert "where letters >= 0 AND source <> '[/red]'" in text


def test_paths_are_words_in_lineage_and_verification(run):
    assert str(run) in shown(lineage_of(str(run), run))
    assert "every byte of" in shown(verification_of(str(run), run))
    shard = Path(open_view(str(run), run).corpus.shards[0].path)
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + b"!")
    assert str(shard) in shown(verification_of(str(run), run)).replace("\n", "")
    shard.write_bytes(content)


def test_documents_and_garbage_are_words(run):
    found = documents_of(str(run), run, n=2, sort="", where="", rejected="")
    assert found.summary["documents"][0]["source"] in SOURCES
    shown(found)
    store = run.parent / "store"
    (store / "folders" / "[red]\x1b]0;x").mkdir()
    told = shown(collect_garbage([run], store, delete=False, unfinished=True))
    assert "[red]␛]0;x" in told


def test_arms_and_metrics_are_words_in_comparisons(tmp_path):
    arms = run_record()["arms"]
    run = write_run(tmp_path, arms={"random": arms["random"], "[/red]\x1b]0;x": arms["sim"]})

    assert "[/red]␛]0;x" in shown(compare_run_folders([run], "", ""))


def test_plain_answers_are_no_markup(capsys):
    show("3 files in [/red]out")

    assert capsys.readouterr().out == "3 files in [/red]out\n"


def test_a_selection_of_hostile_sources_is_read_back(run):
    path = json.loads((run / "run.json").read_text())["arms"]["random"]["selection"]["path"]

    assert set(read_shard(path)["source"].to_pylist()) <= set(SOURCES)
