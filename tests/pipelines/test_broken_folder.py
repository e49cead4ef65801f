"""Inputs broken in every way, through the command line: nothing is lost, all is told."""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import pairwise

import pytest

from curator.ledger import Store
from curator.shards import read_shard
from pipelines.cli import app
from tests.support import broken

QUARANTINE_SHARE = 0.2


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return broken.write_all(tmp_path_factory.mktemp("broken"))


@pytest.fixture
def curator(monkeypatch, capsys, tmp_path):
    """Return a function that runs the command line: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["curator", *map(str, words)])
        code = 0
        try:
            app()
        except SystemExit as left:
            code = left.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def recipe(cases, tmp_path):
    """Return the path of a recipe that reads every case as one source."""
    path = tmp_path / "recipe.yaml"
    corpus = {
        "ingest": [case.spec for case in cases.values()],
        "clean": {"language": None, "rules": []},
        "dedup": {"exact": True, "max_source_loss": 1.0},
    }
    path.write_text(json.dumps({"name": "broken", "corpus": corpus}))
    return path


def rejected_in(cases):
    return sum((Counter(case.rejected) for case in cases.values()), Counter())


def adds_up(stage):
    gone = sum(stage["dropped"].values()) + sum(stage["quarantined"].values())
    return stage["rows_in"] == stage["rows_out"] + gone


def test_past_the_budget_the_run_fails_and_says_where_to_look(curator, recipe):
    code, out, err = curator("run", recipe, "--workers", 1, "--json")

    error = json.loads(out)["error"]
    assert code == 1
    assert set(error) == {"class", "message", "where"}
    assert (error["class"], error["where"]) == ("ShardError", "ingest")
    assert "source 'broken': " in error["message"]
    assert "invalid_utf8" in error["message"]
    assert "raise corpus.max_bad_records" in error["message"]
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_within_the_budget_every_record_is_accounted_for(curator, recipe, cases):
    budget = f"corpus.max_bad_records={QUARANTINE_SHARE}"
    code, out, _ = curator("run", recipe, "--workers", 1, "--set", budget, "--json")

    stages = json.loads(out)["stages"]
    assert code == 0
    assert [stage["name"] for stage in stages] == [
        "ingest",
        "clean.statistics",
        "clean",
        "dedup.exact",
    ]
    assert all(map(adds_up, stages))
    assert all(a["rows_out"] == b["rows_in"] for a, b in pairwise(stages))
    assert stages[0]["quarantined"] == dict(sorted(rejected_in(cases).items()))
    assert stages[0]["rows_out"] == sum(len(case.good) for case in cases.values())


def test_every_good_record_is_in_the_corpus(curator, recipe, cases):
    budget = f"corpus.max_bad_records={QUARANTINE_SHARE}"
    curator("run", recipe, "--workers", 1, "--set", budget, "--json")

    corpus = Store(recipe.parent / ".curator").artifact("ingest")
    texts = [text for shard in corpus.shards for text in read_shard(shard)["text"].to_pylist()]
    found = Counter(texts)
    for case in cases.values():
        if case.spec["reader"] == "warc":  # main text is extracted: a known part must be in it
            assert all(any(good in text for text in texts) for good in case.good)
        else:
            assert all(found[good] for good in case.good)
    exact = [c for c in cases.values() if c.spec["reader"] != "warc"]
    wanted = sum((Counter(case.good) for case in exact), Counter())
    assert not wanted - found


def test_ingest_alone_gives_the_same_account(curator, cases):
    case = cases["invalid byte at line 401"]
    code, out, _ = curator(
        "ingest", case.spec["files"], "--source", "web", "--workers", 1, "--json"
    )

    (stage,) = json.loads(out)["stages"]
    assert code == 0
    assert (stage["rows_in"], stage["rows_out"]) == (1000, 999)
    assert stage["quarantined"] == {"invalid_utf8": 1}
    assert adds_up(stage)


def test_ingest_alone_holds_the_budget(curator, cases):
    code, out, _ = curator(
        "ingest", cases["gzip that is none"].spec["files"], "--source", "web", "--json"
    )

    assert code == 1
    assert json.loads(out)["error"]["class"] == "ShardError"


def test_what_came_through_can_be_read(curator, recipe):
    budget = f"corpus.max_bad_records={QUARANTINE_SHARE}"
    curator("run", recipe, "--workers", 1, "--set", budget, "--json")

    code, shown, _ = curator("show", "runs/broken", "-n", 3, "--sort", "-characters")
    assert code == 0
    assert "Rivers carry sand and stones" in shown
    assert not any(ord(letter) < 32 and letter != "\n" for letter in shown)
    code, shown, _ = curator("show", "runs/broken", "--rejected", "exact", "-n", 2)
    assert code == 0
    assert "Text" in shown
