from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import BudgetError, RecipeError
from curator.generate.targets import ROLE
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import check_scorer, corpus, documents, tiny_language_model
from scorers.judge import Judge
from tests.support.judges import chat_reply, recorded, served, short_prompt

TEXTS = [f"document {n} " + "word " * n for n in range(40)]


def by_length(text: str) -> dict[float, float]:
    """P(yes) and P(no) of a judge that likes long documents."""
    p = min(0.95, len(text) / 300)
    return {1.0: p, 0.0: 1 - p}


def fitted(folder: Path, judge: Judge, texts: list[str] = TEXTS, **site: Any) -> Site:
    out = folder / "fitted"
    out.mkdir(parents=True, exist_ok=True)
    judge.fit({"raw": corpus(folder / "raw", texts, shards=3)}, out, Site(**site))
    return Site(fitted=out)


def scores(judge: Judge, site: Site, texts: list[str] = TEXTS) -> dict[str, list]:
    return judge.process(judge.load(site), documents(texts)).to_pydict()


def replaying(folder: Path, **settings: Any) -> Judge:
    path = recorded(folder / "t.jsonl", TEXTS, by_length)
    return Judge(**({"transcript": str(path), "prompt": "quality", "documents": None} | settings))


def report(site: Site) -> dict[str, Any]:
    assert site.fitted is not None
    return json.loads((site.fitted / "report.json").read_text())


def test_a_grade_is_what_the_judge_said(tmp_path: Path):
    judge = replaying(tmp_path)
    found = scores(judge, fitted(tmp_path, judge))

    assert found["grade"] == pytest.approx([by_length(text)[1.0] for text in TEXTS], abs=1e-4)
    assert found["p_yes"] == found["grade"]
    assert found["parsed"] == [1] * len(TEXTS)


def test_only_a_sample_is_judged_and_the_rest_is_null(tmp_path: Path):
    judge = replaying(tmp_path, documents=10)
    site = fitted(tmp_path, judge)
    found = scores(judge, site, [*TEXTS, "never seen"])

    assert sum(grade is not None for grade in found["grade"]) == 10
    assert found["grade"][-1] is None
    assert report(site)["answers"] == report(site)["documents"] == 10


def test_the_sample_is_the_same_however_the_corpus_is_cut_and_ordered(tmp_path: Path):
    judge = replaying(tmp_path, documents=10)
    one = fitted(tmp_path / "one", judge)
    other = fitted(tmp_path / "other", judge, TEXTS[::-1])

    for name in ("grades.arrow", "transcript.jsonl", "report.json"):
        assert (one.fitted / name).read_bytes() == (other.fitted / name).read_bytes()


def test_a_judged_run_is_replayed_from_its_own_transcript(tmp_path: Path):
    judge = replaying(tmp_path, documents=12)
    first = fitted(tmp_path / "first", judge)
    again = replaying(tmp_path, documents=12, transcript=str(first.fitted / "transcript.jsonl"))

    assert scores(again, fitted(tmp_path / "again", again)) == scores(judge, first)


def test_a_transcript_of_other_texts_is_refused(tmp_path: Path):
    judge = replaying(tmp_path, max_characters=20)

    with pytest.raises(RecipeError, match="was asked about with the text"):
        fitted(tmp_path, judge)


def test_a_document_in_the_final_target_is_refused_before_it_is_judged(tmp_path: Path):
    judge = replaying(tmp_path)
    corpora = {
        "raw": corpus(tmp_path / "raw", TEXTS),
        ROLE: corpus(tmp_path / "exam", [TEXTS[30].upper()], source="exam"),
    }

    with pytest.raises(RecipeError, match="in the final target"):
        judge.fit(corpora, tmp_path, Site())


def test_a_judge_whose_answers_can_rarely_be_read_is_refused(tmp_path: Path):
    path = recorded(tmp_path / "t.jsonl", TEXTS, lambda _: {1.0: 0.1, 0.0: 0.1})
    judge = Judge(transcript=str(path), prompt="quality", documents=None)

    with pytest.raises(RecipeError, match=r"0 of 40 answers .*quality.* wanted 95%"):
        fitted(tmp_path, judge)


def test_what_was_not_read_has_no_grade(tmp_path: Path):
    unread = TEXTS[7]
    path = recorded(
        tmp_path / "t.jsonl",
        TEXTS,
        lambda text: {1.0: 0.1} if text == unread else by_length(text),
    )
    judge = Judge(transcript=str(path), prompt="quality", documents=None)
    found = scores(judge, fitted(tmp_path, judge))

    assert (found["grade"][7], found["p_yes"][7], found["parsed"][7]) == (None, None, 0)


def test_blank_documents_are_not_asked_about(tmp_path: Path):
    judge = replaying(tmp_path)
    site = fitted(tmp_path, judge, [*TEXTS, "", " \n\t"])

    assert report(site)["answers"] == len(TEXTS)
    assert scores(judge, site, ["", " \n\t"])["grade"] == [None, None]


def test_more_questions_than_allowed_are_refused(tmp_path: Path):
    judge = replaying(tmp_path, max_requests=39)

    with pytest.raises(BudgetError, match="takes 40 requests"):
        fitted(tmp_path, judge)


def test_a_long_document_is_graded_by_its_pieces_weighed_by_their_length(tmp_path: Path):
    text = "yes " * 25 + "no " * 10

    def reply(_: int, __: str, content: dict, ___: dict):
        shown = content["messages"][0]["content"].split('"""')[1]
        return chat_reply({"yes": 0.8} if "yes" in shown else {"no": 0.8})

    with served(reply) as url:
        judge = Judge(
            url=url, model="m", prompt="quality", documents=None, max_characters=100, pieces=2
        )
        site = fitted(tmp_path, judge, [text])
    assert scores(judge, site, [text])["grade"] == pytest.approx([100 / 130], abs=1e-4)
    assert report(site)["answers"] == 2


def test_a_killed_run_asks_only_the_rest(tmp_path: Path):
    asked = []

    def reply(number: int, *_: Any):
        asked.append(number)
        return chat_reply({"yes": 0.9}) if number < 15 else (401, {}, b"")

    settings = {"model": "m", "prompt": "quality", "documents": None, "concurrency": 1}
    with served(reply) as url, pytest.raises(RecipeError, match="HTTP 401"):
        fitted(tmp_path, Judge(url=url, **settings), cache=tmp_path / "cache")
    with served(lambda n, *_: asked.append(n) or chat_reply({"yes": 0.9})) as url:
        judge = Judge(url=url, **settings)
        found = scores(judge, fitted(tmp_path, judge, cache=tmp_path / "cache"))
    assert found["grade"] == [1.0] * len(TEXTS)
    assert len(asked) == 16 + len(TEXTS) - 15


def test_a_rubric_has_a_grade_and_no_p_yes(tmp_path: Path):
    path = recorded(
        tmp_path / "t.jsonl", TEXTS, lambda _: {2.0: 0.5, 4.0: 0.5}, prompt="educational"
    )
    judge = Judge(transcript=str(path), prompt="educational", documents=None)
    found = scores(judge, fitted(tmp_path, judge))

    assert set(found["grade"]) == {3.0}
    assert set(found["p_yes"]) == {None}


def test_the_report_says_whether_grades_follow_length(tmp_path: Path):
    judge = replaying(tmp_path)
    content = report(fitted(tmp_path, judge))

    assert content["spearman_with_length"] > 0.95
    assert content["parsed_share"] == 1.0
    assert content["prompt"]["digest"] == judge.wording.digest


def test_identity_is_the_wording_and_the_judge_and_not_their_places(tmp_path: Path):
    here = tiny_language_model(tmp_path / "here")
    there = (tmp_path / "here").rename(tmp_path / "there")
    other = tiny_language_model(tmp_path / "other", seed=1)
    judges = [Judge(model=str(path)).identity() for path in (there, other)]
    tiny_language_model(here)

    assert Judge(model=str(here)).identity() == judges[0] != judges[1]
    assert Judge(model=str(here), prompt="quality").identity() != judges[0]
    assert Judge(model=str(here), max_requests=5).identity() == judges[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no judge"),
        ({"url": "http://localhost/v1"}, "no judge"),
        ({"url": "https://host/v1?key=secret", "model": "m"}, "a user, query or fragment"),
        ({"model": "m", "transcript": "t"}, "wanted one judge"),
        ({"model": "m", "documents": 0}, "wanted 1 or more"),
        ({"model": "m", "least_parsed": 2.0}, "a share from 0 to 1"),
        ({"model": "m", "max_requests": -1}, "0 or more"),
        ({"model": "m", "pieces": 0}, "pieces=0"),
    ],
)
def test_settings_that_name_no_judge_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Judge(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "writing_style"}, "asks about a pair; judge wants one about a document"),
        ({"prompt": "unheard_of"}, "no prompt 'unheard_of'"),
        ({"transcript": "absent.jsonl"}, "no transcript"),
    ],
)
def test_a_wrong_prompt_or_transcript_is_refused_with_the_recipe(
    tmp_path: Path, settings: dict, message: str
):
    with pytest.raises(RecipeError, match=message):
        replaying(tmp_path, **settings).identity()


def test_a_model_on_disk_keeps_the_contract(tmp_path: Path):
    judge = Judge(
        model=str(tiny_language_model(tmp_path / "model")),
        prompt=short_prompt(tmp_path),
        max_characters=12,
        least_mass=0.0,
    )
    site = fitted(tmp_path, judge)
    found = np.array(scores(judge, site)["grade"], float)

    check_scorer(judge)
    assert ((found > 0) & (found < 1)).all()


def test_only_documents_that_an_earlier_score_has_a_value_for_are_judged(tmp_path: Path):
    judge = replaying(tmp_path, among="shown.gain")
    table = documents(TEXTS).append_column("shown.gain", pa.array([1.0, None, 2.0, None] * 10))
    shard = write_shard(table, tmp_path / "raw.arrow", name="raw")
    judge.fit({"raw": Corpus((shard,))}, tmp_path, Site())
    found = scores(judge, Site(fitted=tmp_path))

    assert judge.scores == ("shown",)
    assert [grade is not None for grade in found["grade"]] == [True, False] * 20


def test_a_sample_among_the_chosen_is_refused():
    with pytest.raises(RecipeError, match="both say who is judged"):
        Judge(model="m", prompt="quality", among="shown", documents=10)


def test_judges_of_all_documents_keep_the_identity_that_they_had(tmp_path: Path):
    assert "among" not in replaying(tmp_path).identity()["settings"]
    assert "among" in replaying(tmp_path, among="shown").identity()["settings"]
