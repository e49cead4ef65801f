from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.generate.targets import ROLE
from curator.stage import Site
from curator.testing import check_scorer, corpus, documents, tiny_language_model
from scorers.add_one_in import AddOneIn
from tests.support.choosers import best, chooser, planted, said
from tests.support.judges import Rule, served, short_prompt

TEXTS = planted(120, 12)
SMALL: dict[str, Any] = {
    "model": "m",
    "documents": None,
    "take": 24,
    "parts": 2,
    "seeds": 3,
    "context": 3,
    "options": 5,
    "windows": 2,
}


def judged(
    folder: Path, rule: Rule, *, texts: list[str] = TEXTS, shards: int = 2, **settings: Any
) -> tuple[dict[str, list], dict[str, Any], int]:
    """Scores, the report and questions asked, by an endpoint that chooses by a rule."""
    asked = [0]

    def reply(_: int, __: str, content: dict, ___: dict):
        from curator.generate.asking import Request

        asked[0] += 1
        prompt = content["messages"][0]["content"]
        said = rule.rule(Request(prompt, "v", ("d",), "s", max_tokens=16)).text
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 4}
        return 200, {}, json.dumps({"choices": [choice], "usage": usage}).encode()

    out = folder / "fitted"
    out.mkdir(parents=True, exist_ok=True)
    with served(reply) as url:
        scorer = AddOneIn(url=url, **(SMALL | settings))
        raw = corpus(folder / "raw", texts, shards=shards)
        scorer.fit({"raw": raw}, out, Site(cache=folder / "cache"))
    found = scorer.process(scorer.load(Site(fitted=out)), documents(TEXTS)).to_pydict()
    return found, json.loads((out / "report.json").read_text()), asked[0]


def test_a_served_judge_chooses_and_the_report_says_how(tmp_path: Path):
    found, report, asked = judged(tmp_path, chooser(best))
    place = np.array(found["addition"], float)

    assert np.sum(~np.isnan(place)) == report["chosen"] == 24
    assert sorted(place[~np.isnan(place)], reverse=True) == pytest.approx(1 - np.arange(24) / 24)
    assert asked == report["answers"] == 24 - 6
    assert sum(report["positions"]) == 18
    assert report["expected_quantile_of_a_choice"] == pytest.approx(5 / 6, abs=1e-4)
    assert report["conflicts"] == report["abstained"] == report["short_of_take"] == 0
    added = [row for row, one in enumerate(found["addition"]) if one is not None]
    assert np.mean([said(TEXTS[row])[0] for row in added]) > 60


def test_a_document_is_chosen_passed_over_or_never_shown(tmp_path: Path):
    found, report, _ = judged(tmp_path, chooser(best))
    for place, chosen, shown in zip(
        found["addition"], found["chosen"], found["shown"], strict=True
    ):
        assert chosen == (1 if place is not None else 0 if shown else None)
    assert found["chosen"].count(None) == report["never_shown"]


def test_nothing_is_asked_twice(tmp_path: Path):
    first, _, _ = judged(tmp_path, chooser(best))
    again, _, asked = judged(tmp_path, chooser(lambda *_: "nothing"), shards=3)

    assert again == first
    assert asked == 0


def test_a_transcript_replays_the_choices(tmp_path: Path):
    found, _, _ = judged(tmp_path, chooser(best))
    again = AddOneIn(
        transcript=str(tmp_path / "fitted" / "transcript.jsonl"), **(SMALL | {"model": ""})
    )
    out = tmp_path / "again"
    out.mkdir()
    again.fit({"raw": corpus(tmp_path / "other", TEXTS[::-1])}, out, Site())

    assert again.process(again.load(Site(fitted=out)), documents(TEXTS)).to_pydict() == found


def test_an_endpoint_whose_answers_are_kept_nowhere_is_refused(tmp_path: Path):
    scorer = AddOneIn(url="http://127.0.0.1:9/v1", **SMALL)

    with pytest.raises(RecipeError, match="may answer otherwise when asked again"):
        scorer.fit({"raw": corpus(tmp_path, TEXTS)}, tmp_path, Site())


def test_a_judge_that_names_none_of_the_options_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"0 of .* answers to prompt 'add_one' can be read"):
        judged(tmp_path, chooser(lambda *_: "[[Q]]"))


def test_more_choices_than_questions_allowed_are_refused(tmp_path: Path):
    with pytest.raises(BudgetError, match="takes 18 requests or more; max_requests is 17"):
        judged(tmp_path, chooser(best), max_requests=17)


def test_a_document_in_the_final_target_is_not_shown(tmp_path: Path):
    corpora = {
        "raw": corpus(tmp_path / "raw", TEXTS),
        ROLE: corpus(tmp_path / "exam", [TEXTS[3]], source="exam"),
    }
    scorer = AddOneIn(url="http://127.0.0.1:9/v1", **SMALL)

    with pytest.raises(RecipeError, match="in the final target"):
        scorer.fit(corpora, tmp_path, Site(cache=tmp_path))


def test_a_window_longer_than_the_judges_context_is_refused(tmp_path: Path):
    model = str(tiny_language_model(tmp_path / "model"))  # reads 64 tokens
    scorer = AddOneIn(
        prompt=short_prompt(tmp_path, "choice"), **(SMALL | {"model": model, "options": 3})
    )

    with pytest.raises(RecipeError, match="show less of a document"):
        scorer.fit({"raw": corpus(tmp_path / "raw", TEXTS)}, tmp_path, Site())


def test_a_prompt_of_another_kind_is_refused():
    with pytest.raises(RecipeError, match="wants one about a choice"):
        AddOneIn(prompt="quality", **SMALL).identity()


def test_a_small_model_on_disk_keeps_the_contract(tmp_path: Path):
    scorer = AddOneIn(
        model=str(tiny_language_model(tmp_path / "model", context=256)),
        prompt=short_prompt(tmp_path, "choice"),
        max_characters=2,
        least_mass=0.0,
        take=4,
        parts=1,
        seeds=1,
        context=1,
        options=2,
        windows=2,
        documents=None,
    )

    assert check_scorer(scorer).num_rows > 20
