"""Statistics are taken once; a changed rule is judged from them, and told with what it drops."""

from __future__ import annotations

import pytest

from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.ledger import Store
from curator.recipe import Recipe
from curator.shards import read_shard
from pipelines.curate import prepare
from pipelines.judging import judged_of
from pipelines.looking import statistics_of
from tests.support.jsonl import write_lines
from tests.support.runs import small_run
from tests.support.terminal import on_terminal

ENGLISH = "One night, with nothing else to do, we went to look. The door of the house was open. "
GERMAN = "Eines Nachts gingen wir mit den anderen hin, um nach dem alten Haus im Wald zu sehen. "


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    texts = [ENGLISH * count for count in range(1, 21)] + [GERMAN * count for count in (1, 5)]
    return write_lines(tmp_path_factory.mktemp("in") / "a.jsonl", *({"text": t} for t in texts))


def cleaned(lines, store, clean):
    """The steps of a run that only cleans: name to step, and what rules look at."""
    ingest = [{"reader": "jsonl", "files": [str(lines)], "source": "web"}]
    corpus = {"ingest": ingest, "clean": clean, "shard_bytes": 4096}
    recipe = Recipe.model_validate({"name": "r", "corpus": corpus})
    driver = Driver(Store(store), Inline(1), quiet=True)
    pool = prepare(recipe, driver).pool
    steps = {step.artifact.name: step for step in driver.steps}
    return steps, judged_of(recipe.corpus.clean, pool.sidecars)


def test_a_changed_rule_language_or_probability_takes_no_statistics_again(lines, tmp_path):
    rules = ["gopher_quality"]
    first, _ = cleaned(lines, tmp_path, {"rules": rules})
    assert not first["clean.statistics"].cached

    for changed in (
        {"rules": [{"gopher_quality": {"min_words": 20}}]},
        {"rules": [*rules, "ccnet", {"fineweb": {"list_ratio": None}}]},
        {"rules": rules, "min_language_probability": 0.2},
        {"language": "de"},
    ):
        again, _ = cleaned(lines, tmp_path, changed)
        assert again["clean.statistics"].cached
        assert not again["clean"].cached
    assert cleaned(lines, tmp_path, {"rules": rules})[0]["clean"].cached


def test_groups_asked_for_ahead_serve_rules_that_come_later(lines, tmp_path):
    ahead = ["dolma", "redpajama"]
    cleaned(lines, tmp_path, {"language": None, "statistics": ahead})
    clean = {"language": None, "rules": ["dolma_gopher", "redpajama2"], "statistics": ahead}

    assert cleaned(lines, tmp_path, clean)[0]["clean.statistics"].cached
    needed = {"language": None, "rules": ["fineweb2"], "statistics": ahead}
    assert not cleaned(lines, tmp_path, needed)[0]["clean.statistics"].cached


def test_what_fails_is_counted_whether_or_not_an_earlier_rule_drops_it(lines, tmp_path):
    steps, judged = cleaned(lines, tmp_path, {"rules": ["gopher_quality", "ccnet"]})
    found = {each.name: each for each in judged}

    (short,) = found["characters"].thresholds
    few = found["words"].thresholds[0]
    assert (short.reason, short.documents) == ("ccnet.min_length", 4)  # 85 characters a sentence
    assert (few.reason, few.documents) == ("gopher_quality.min_words", 3)
    assert found["characters"].documents == found["characters"].numbers.count == 22
    dropped = steps["clean"].artifact.dropped
    assert dropped["language"] == 2
    assert dropped["gopher_quality.min_words"] == 2  # the third is German


def test_thresholds_of_all_languages_are_told_as_a_span(lines, tmp_path):
    _, judged = cleaned(lines, tmp_path, {"language": None, "rules": ["fineweb2"]})
    found = {each.name: each for each in judged}

    (frac,) = found["dup_line_frac"].thresholds
    assert frac.low < 0.25 < frac.high
    assert found["language_stop_words"].thresholds[0].low == 2
    assert found["letter_words"].thresholds[0].reason == "fineweb2.min_words"


def test_stats_of_a_run_show_the_thresholds(lines, tmp_path):
    corpus = {
        "ingest": [{"reader": "jsonl", "files": [str(lines)], "source": "web"}],
        "clean": {"language": "en", "rules": ["gopher_quality"]},
        **dict.fromkeys(("dedup", "decontaminate")),
        "benchmarks": {},
        "heldout": {},
    }
    out = small_run(lines, tmp_path / "store", tmp_path / "out", corpus=corpus, score=[], arms={})
    found = statistics_of(str(out), tmp_path / "store", None)

    words = next(each for each in found.summary["judged"] if each["statistic"] == "words")
    assert sum(words["histogram"]["counts"]) == words["documents"] == 22
    assert words["thresholds"][0]["reason"] == "gopher_quality.min_words"
    assert "gopher_quality.min_words" in on_terminal(found.shown)
    assert "gopher_quality.min_words" in (out / "report.html").read_text()


def test_the_verdict_is_that_of_the_statistics_beside_it(lines, tmp_path):
    steps, _ = cleaned(lines, tmp_path, {"language": None, "rules": ["ccnet"]})
    measured, verdict = steps["clean.statistics"].artifact, steps["clean"].artifact

    for numbers, decided in zip(measured.shards, verdict.shards, strict=True):
        characters = read_shard(numbers, ("characters",))["characters"].to_pylist()
        keep = read_shard(decided, ("keep",))["keep"].to_pylist()
        assert keep == [count >= 300 for count in characters]
