from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.generate.asking import REFUSED, Answer, Request
from curator.generate.metadata_tasks import RIGHT, WRONG
from curator.schema import DOCUMENT
from curator.stage import Corpus, Site
from curator.testing import documents
from scorers.metadata import Metadata
from tests.support.vectors import corpus_of
from tests.support.writers import Scripted

SCORER = Metadata(model="any", url="http://localhost/v1", audit=8, shots=4, columns=("url",))
WORDS = {"en": "the weather is fine", "de": "das Wetter ist schön"}


def table(n: int = 40) -> pa.Table:
    """Documents, two thirds English, whose language is not known of every fifth."""
    languages = ["de" if row % 3 == 0 else "en" for row in range(n)]
    found = documents([f"{WORDS[one]} {row}" for row, one in enumerate(languages)])
    known = pa.array([None if row % 5 == 0 else languages[row] for row in range(n)], pa.string())
    at = found.schema.get_field_index("language")
    return found.set_column(at, DOCUMENT.field("language"), known)


def rows_of(request: Request) -> list[tuple[str, str, str]]:
    """Return (number, key, row) of the rows of a question."""
    shown = request.prompt.rsplit("Rows:\n", 1)[1]
    return re.findall(r"(?m)^(\d+)\. \[(\w+)\] (\[.*\])$", shown)


def oracle(request: Request) -> str:
    """Knows German by its words, and whether a language fits."""
    lines = []
    for number, key, row in rows_of(request):
        true = "de" if "Wetter" in row else "en"
        said = re.search(r'language: (?:\?|"(\w+)")', row)[1]
        answer = true if said is None else RIGHT if said == true else WRONG
        lines.append(f"{number}. [{key}] {answer}")
    return "\n".join(lines)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Request], str]], Scripted]:
    def use(rule: Callable[[Request], str]) -> Scripted:
        writer = Scripted(rule)
        monkeypatch.setattr("curator.generate.respondent.Respondent.backend", lambda *_: writer)
        return writer

    return use


def fitted(scorer: Metadata, folder: Path, found: pa.Table) -> pa.Table:
    raw: Corpus = corpus_of(found, folder / "raw", 2)
    scorer.fit({"raw": raw}, folder, Site())
    return scorer.process(scorer.load(Site(fitted=folder)), found)


def test_missing_values_are_said_and_known_ones_are_not_touched(asked, tmp_path: Path):
    asked(oracle)
    scores = fitted(SCORER, tmp_path, table())
    known = table()["language"].to_pylist()

    for row, value in enumerate(scores["imputed"].to_pylist()):
        assert value == (None if known[row] else "de" if row % 3 == 0 else "en")


def test_rows_of_a_question_that_is_refused_are_asked_about_alone(asked, tmp_path: Path):
    def short_only(request: Request) -> str | Answer:
        return oracle(request) if len(rows_of(request)) == 1 else Answer(finish=REFUSED)

    asked(short_only)
    lenient = replace(SCORER, skip_refused=True)
    scores = fitted(lenient, tmp_path, table())

    assert scores["imputed"].is_valid().equals(table()["language"].is_null())
    assert lenient._respondent().skip_refused
    assert not SCORER._respondent().skip_refused


def test_what_was_asked_before_refusals_could_be_skipped_still_stands():
    assert "skip_refused" not in SCORER.identity()["settings"]
    assert replace(SCORER, skip_refused=True).identity()["settings"]["skip_refused"] is True


def test_a_value_that_does_not_fit_is_doubted(asked, tmp_path: Path):
    asked(oracle)
    found = table()
    at = found.schema.get_field_index("language")
    values = found["language"].to_pylist()
    values[7] = "de"  # an English text
    wrong = found.set_column(at, DOCUMENT.field("language"), pa.array(values, pa.string()))
    scores = fitted(replace(SCORER, shots=0), tmp_path, wrong)
    doubts = scores["doubt"].to_pylist()

    assert doubts[7] == 1
    assert [row for row, one in enumerate(doubts) if one] == [7]
    assert [row for row, one in enumerate(scores["trusted"].to_pylist()) if not one] == [7]
    assert doubts[5] is None  # nothing was read, so nothing can be doubted


def test_the_audit_says_what_the_model_knows(asked, tmp_path: Path):
    asked(oracle)
    fitted(SCORER, tmp_path, table())
    report = json.loads((tmp_path / "report.json").read_text())

    assert report["accuracy"] == 1.0
    assert report["commonest"] < 1.0
    assert report["mistakes_found"] == 1.0
    assert report["false_alarms"] == 0.0
    assert report["missing"] == report["imputed"] == 8


def test_a_model_that_says_the_commonest_of_everything_is_refused(asked, tmp_path: Path):
    asked(lambda request: "\n".join(f"{n}. [{k}] en" for n, k, _ in rows_of(request)))

    with pytest.raises(RecipeError, match="always saying the commonest"):
        fitted(SCORER, tmp_path, table())


def test_what_was_said_can_be_replayed(asked, tmp_path: Path):
    asked(oracle)
    scores = fitted(SCORER, tmp_path, table())
    writer = asked(lambda _: "")
    with pytest.MonkeyPatch.context() as patch:
        from curator.generate.replay import Replay

        path = tmp_path / "transcript.jsonl"
        patch.setattr("curator.generate.respondent.Respondent.backend", lambda *_: Replay(path))
        replayed = replace(SCORER, model="", url="", transcript=str(path))
        (tmp_path / "again").mkdir()
        again = fitted(replayed, tmp_path / "again", table())

    assert again.equals(scores)
    assert writer.asked == []


def test_more_questions_than_allowed_are_refused_before_the_first(asked, tmp_path: Path):
    writer = asked(oracle)

    with pytest.raises(BudgetError, match="max_requests is 3"):
        fitted(replace(SCORER, max_requests=3), tmp_path, table())
    assert writer.asked == []


def test_a_corpus_without_known_values_is_refused(asked, tmp_path: Path):
    asked(oracle)

    with pytest.raises(RecipeError, match="audit: 0 to take its word"):
        fitted(SCORER, tmp_path, documents(["one", "two", "three"]))


def test_scores_before_a_fit_are_refused():
    with pytest.raises((LedgerError, RecipeError), match="has not been fitted"):
        SCORER.load(Site())


@pytest.mark.parametrize(
    "setting", [{"batch": 0}, {"shots": -1}, {"columns": ("language",)}, {"columns": ("text",)}]
)
def test_settings_that_mean_nothing_are_refused(setting: dict):
    with pytest.raises(RecipeError, match="wanted"):
        replace(SCORER, **setting)
