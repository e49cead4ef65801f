"""The command line as its users meet it: one run of the tiny recipe, then every command on it."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from curator.shards import read_shard
from pipelines.cli import app

TINY = Path(__file__).parents[2] / "configs" / "recipes" / "tiny.yaml"
SMALLER = ("--set", "train.tokens=8000", "--workers", "1")


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1, "one JSON object on one line, and nothing else"
        return json.loads(self.out)


def curator(*words: object) -> Answer:
    """Return what `curator WORDS` prints and its exit code, in this process."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["curator", *map(str, words)]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            app()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        sys.argv = before
    return Answer(code, out.getvalue(), err.getvalue())


class Place(NamedTuple):
    store: Path
    run: Path
    first: Any  # the --json object of the first run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Place:
    folder = tmp_path_factory.mktemp("tiny")
    store, out = folder / "store", folder / "tiny"
    done = curator("run", TINY, "--store", store, "--out", out, "--json", *SMALLER)
    assert done.code == 0, done.err
    return Place(store, out, done.json)


def some_id(tiny: Place) -> str:
    """Return the doc_id of a document that an arm took."""
    table = read_shard(tiny.first["arms"]["sim"]["selection"]["path"], ("doc_id",))
    return table["doc_id"][0].as_py().hex()


def test_a_run_answers_by_the_contract(tiny):
    told = tiny.first
    assert {"run", "out", "recipe", "stages", "arms", "comparison", "report"} <= told.keys()
    assert told["recipe"]["name"] == "tiny"
    names = [stage["name"] for stage in told["stages"]]
    assert names == [
        "ingest", "clean.statistics", "clean", "dedup.exact", "dedup.minhash", "benchmarks",
        "decontaminate",
        "heldout", "heldout.copies", "tokens", "score.letters", "embed", "score.sim", "score.dsir",
    ]  # fmt: skip
    for name in ("random", "sim"):
        arm = told["arms"][name]
        selection = arm["selection"]
        assert selection["tokens"] == sum(selection["sources"].values()) <= 40_000
        assert len(selection["manifest_hash"]) >= 32
        assert [proxy["seed"] for proxy in arm["proxies"]] == [1, 2]
        assert all(len(values) == 2 for values in arm["evaluation"].values())
    for row in told["comparison"]:
        assert row["arm"] == "sim"
        assert row["low"] <= row["effect"] <= row["high"]
        assert row["verdict"] in ("better", "worse", "equivalent", "undecided")
    assert Path(told["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_every_stage_accounts_for_every_row(tiny):
    for stage in tiny.first["stages"]:
        gone = sum(stage["dropped"].values()) + sum(stage["quarantined"].values())
        assert stage["rows_in"] == stage["rows_out"] + gone, stage["name"]


def test_the_same_run_again_computes_nothing(tiny):
    again = curator(
        "run", TINY, "--store", tiny.store, "--out", tiny.run, "--json", *SMALLER
    ).json  # fmt: skip
    assert all(stage["cached"] for stage in again["stages"])
    for changing in ("seconds", "cached"):
        for stage in (*again["stages"], *tiny.first["stages"]):
            stage.pop(changing, None)
    assert again == tiny.first


def test_a_finished_run_prints_its_verdict_and_its_report(tiny):
    printed = curator("run", TINY, "--store", tiny.store, "--out", tiny.run, *SMALLER)
    assert "ingest" in printed.out
    assert str(tiny.run / "report.html") in printed.out.replace("\n", "")


def test_plan_says_what_is_there_and_touches_nothing(tiny, tmp_path):
    fresh = tmp_path / "store"
    planned = curator("plan", TINY, "--store", fresh, "--json").json
    assert planned["cached"] == 0
    assert planned["steps"][:3] == ["ingest", "clean.statistics", "clean"]
    assert not fresh.exists()
    assert curator("plan", TINY, "--store", tiny.store, "--json").json["cached"] > 0


def test_statistics_are_of_every_column_and_of_every_source(tiny):
    told = curator("stats", tiny.run, "--by", "source", "--json").json
    kept = tiny.first["stages"][-1]["rows_out"]
    assert told["rows"] - sum(told["dropped"].values()) == kept
    assert {"words", "n_tokens", "letters", "sim"} <= told["columns"].keys()
    assert sum(group["rows"] for group in told["groups"].values()) == told["rows"]
    assert "language_probability" in curator("stats", tiny.run).out


def test_shown_documents_are_sorted_filtered_or_rejected_as_asked(tiny):
    best = curator("show", tiny.run, "-n", 3, "--sort", "-sim", "--json").json["documents"]
    scores = [document["sim"] for document in best]
    assert scores == sorted(scores, reverse=True)
    where = curator("show", tiny.run, "--where", "source = 'readmes'", "--json").json["documents"]
    assert {document["source"] for document in where} == {"readmes"}
    copies = curator("show", tiny.run, "--rejected", "near_duplicate", "--json").json["documents"]
    assert all(document["jaccard"] >= 0.8 for document in copies)
    assert (
        "dropped: near_duplicate" in curator("show", tiny.run, "--rejected", "near_duplicate").out
    )


def test_a_document_is_explained(tiny):
    doc_id = some_id(tiny)
    told = curator("explain", doc_id[:16], "--run", tiny.run, "--json").json
    assert told["doc_id"] == doc_id
    assert [verdict["stage"] for verdict in told["verdicts"]][:2] == ["clean", "dedup.exact"]
    assert {choice["arm"]: choice["taken"] for choice in told["choices"]}["sim"]
    assert doc_id[:12] in curator("explain", doc_id, "--run", tiny.run).out


def test_what_another_cut_would_keep_is_answered_from_sidecars(tiny):
    told = curator("whatif", tiny.run, "--where", "sim > 0.5", "--json").json
    assert 0 < told["tokens"] < told["tokens_in"]
    assert sum(source["tokens"] for source in told["sources"].values()) == told["tokens"]
    assert "all" in curator("whatif", tiny.run, "--where", "sim > 0.5").out


def test_lineage_leads_back_to_the_sources(tiny):
    artifacts = curator("lineage", tiny.run, "--json").json["artifacts"]
    assert [one["name"] for one in artifacts if not one["parents"]] == ["ingest"]
    assert "sources" in curator("lineage", tiny.run).out


def test_a_flipped_byte_is_named(tiny, tmp_path):
    assert curator("verify", tiny.run, "--json").json["faults"] == []
    store, run = tmp_path / "store", tmp_path / "run"
    shutil.copytree(tiny.store, store)
    shutil.copytree(tiny.run, run)
    record = (run / "run.json").read_text().replace(str(tiny.store), str(store))
    (run / "run.json").write_text(record)
    shard = sorted((store / "shards" / "clean").rglob("*.arrow"))[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    found = curator("verify", run, "--json")
    assert found.code == 1
    assert [shard.name in fault for fault in found.json["faults"]] == [True]


def test_the_report_is_written_again_the_same(tiny):
    path = tiny.run / "report.html"
    path.unlink()
    assert curator("report", tiny.run).out.strip() == str(path)
    assert path.exists()


def test_scorers_schema_and_doctor_answer(tiny):
    names = [row["use"] for row in curator("scorers", "--json").json["scorers"]]
    assert {"letters", "similarity", "perplexity", "ngrams", "classifier"} <= set(names)
    assert "letter_share" in curator("scorers", "letters").out
    assert curator("schema").json["title"] == "Recipe"
    assert "python" in curator("doctor", "--json").json


def test_one_more_score_is_a_run_of_its_own_that_computes_only_it(tiny, tmp_path):
    out = tmp_path / "near"
    told = curator(
        "score", "similarity", tiny.run, "--as", "near", "--learns-from",
        "target=reference/train", "--set", "aggregate=mean_topk", "--out", out, "--json",
    ).json  # fmt: skip
    assert [stage["name"] for stage in told["stages"] if not stage["cached"]] == ["score.near"]
    assert "near" in curator("show", out, "-n", 1, "--json").json["documents"][0]


def test_one_more_selection_and_one_more_mixture_train_nothing(tiny, tmp_path):
    chosen = curator(
        "select", tiny.run, "--by", "dsir", "--tokens", 20_000, "--out", tmp_path / "a", "--json"
    ).json["arms"]["main"]  # fmt: skip
    assert 19_000 < chosen["selection"]["tokens"] <= 20_000
    assert chosen["proxies"] == []
    mixed = curator(
        "mix", tiny.run, "--arm", "random", "--weight", "docs-stdlib=3", "--weight",
        "docs-maths=1", "--tokens", 8000, "--out", tmp_path / "b", "--json",
    ).json["arms"]["random"]  # fmt: skip
    assert mixed["selection"] == tiny.first["arms"]["random"]["selection"]
    assert mixed["mixture"]["asked"] == {"docs-maths": 2000, "docs-stdlib": 6000}


@pytest.mark.parametrize("form", ["jsonl", "parquet", "tokens", "megatron", "transformers"])
def test_a_mixture_or_a_proxy_is_handed_over(tiny, tmp_path, form):
    out = tmp_path / "out"
    told = curator("export", tiny.run, "--arm", "sim", "--format", form, "--out", out, "--json")
    assert told.json["files"] == len([path for path in out.rglob("*") if path.is_file()]) > 0
    if form == "jsonl":
        lines = (out / "documents.jsonl").read_text(encoding="utf-8").splitlines()
        drawn = tiny.first["arms"]["sim"]["mixture"]["sources"]
        assert len(lines) == sum(source["documents"] for source in drawn.values())


def test_a_proxy_that_a_run_trained_is_served(tiny):
    told = curator(
        "train", tiny.run, "--arm", "sim", "--proxy", "demo", "--tokens", 8000, "--seeds", 2,
        "--store", tiny.store, "--workers", 1, "--json",
    ).json  # fmt: skip
    folders = [proxy["folder"] for proxy in tiny.first["arms"]["sim"]["proxies"]]
    assert [proxy["folder"] for proxy in told["proxies"]] == folders


def test_comparing_a_run_repeats_its_verdicts(tiny):
    told = curator("compare", tiny.run, "--json").json
    mine = {(row["metric"], row["verdict"]) for row in told["comparison"]}
    assert mine == {(row["metric"], row["verdict"]) for row in tiny.first["comparison"]}


def test_a_run_does_not_differ_from_itself(tiny):
    told = curator("diff", tiny.run, tiny.run, "--json").json
    assert not any(told.values())


def test_garbage_is_listed_freed_when_told_to_and_missed_by_nobody(tiny):
    curator("gc", tiny.run, "--store", tiny.store, "--delete")  # what other tests left
    alone = ("gc", "--store", tiny.store, "--unfinished")  # the store knows of its runs
    assert curator(*alone, "--json").json["files"] == 0
    other = tiny.store / "folders" / "mixture.old-0123"
    other.mkdir()
    (other / "tokens.bin").write_bytes(b"old")
    listed = curator(*alone, "--json").json
    assert (listed["paths"], listed["bytes"], other.exists()) == ([str(other)], 3, True)
    curator(*alone, "--delete")
    assert not other.exists()
    again = curator("run", TINY, "--store", tiny.store, "--out", tiny.run, "--json", *SMALLER)
    assert all(stage["cached"] for stage in again.json["stages"])


def test_a_fault_of_ours_is_one_json_object_too(monkeypatch):
    def fail():
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("pipelines.plugins.examine", fail)

    told = curator("doctor", "--json")

    assert told.code == 1
    assert told.json["error"]["class"] == "ZeroDivisionError"
    assert told.json["error"]["message"] == "by nothing"
    assert "test_cli.py:" in told.json["error"]["where"]
    assert "Traceback" in told.err


def test_an_error_steers_no_terminal(tmp_path):
    told = curator("diff", tmp_path / "\x1b]0;x", tmp_path)

    assert (told.code, told.out) == (1, "")
    assert "␛]0;x" in told.err
    assert "\x1b" not in told.err


def test_a_new_scorer_keeps_the_contract(tmp_path, monkeypatch):
    from curator.registry import find_scorer
    from curator.testing import check_scorer

    folder = tmp_path / "package"
    assert curator("new", "scorer", "my_idea", "--out", folder, "--json").code == 0
    monkeypatch.syspath_prepend(str(folder))
    check_scorer(find_scorer("curator_scorer_my_idea:MyIdea")())


@pytest.mark.parametrize(
    "words",
    [
        ("run", "nowhere.yaml"),
        ("show", "nowhere"),
        ("show", "RUN", "--sort", "nothing"),
        ("show", "RUN", "--where", "1 +"),
        ("show", "RUN", "--rejected", "nothing"),
        ("stats", "RUN", "--by", "nothing"),
        ("explain", "xyz", "--run", "RUN"),
        ("explain", "0" * 32, "--run", "RUN"),
        ("whatif", "RUN", "--where", "nothing > 1"),
        ("lineage", "nowhere"),
        ("verify", "nowhere"),
        ("compare", "nowhere"),
        ("compare", "RUN", "--baseline", "nothing"),
        ("diff", "RUN", "nowhere"),
        ("gc", "nowhere"),
        ("scorers", "nothing"),
        ("export", "RUN", "--format", "jsonl", "--out", "new"),
        ("export", "RUN", "--arm", "sim", "--format", "nothing", "--out", "new"),
        ("train", "RUN", "--arm", "sim", "--proxy", "nothing", "--tokens", "10"),
        ("train", "RUN", "--arm", "sim", "--proxy", "d2", "--tokens", "9999", "--device", "moon"),
        ("ingest", "nowhere.jsonl", "--source", "web"),
        ("new", "scorer", "Not A Name"),
        ("score", "letters", "nowhere", "--out", "new"),
        ("score", "similarity", "RUN", "--out", "new"),
        ("select", "RUN", "--by", "nothing", "--tokens", "10", "--out", "new"),
        ("mix", "RUN", "--arm", "nothing", "--out", "new"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_error_with_its_class_and_leaves_nothing(
    tiny, tmp_path, monkeypatch, words
):
    monkeypatch.chdir(tmp_path)
    told = curator(*(str(tiny.run) if word == "RUN" else word for word in words), "--json")
    assert told.code == 1
    assert told.json["error"].keys() == {"class", "message", "where"}
    assert told.json["error"]["class"] in told.err
    assert list(tmp_path.iterdir()) == []


def test_no_help_has_words_that_are_taken_for_markup():
    for path in (Path(__file__).parents[2] / "pipelines").glob("cli*.py"):
        assert not re.search(r'help="[^"]*\[', path.read_text()), f"{path.name} has [...] in a help"
