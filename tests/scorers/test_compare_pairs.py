from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curator.errors import BudgetError, RecipeError
from curator.generate.targets import ROLE
from curator.stage import Site
from curator.testing import check_scorer, corpus, documents, tiny_language_model
from scorers.compare_pairs import ComparePairs
from tests.support.judges import chat_reply, served, short_prompt

STRENGTHS = np.random.default_rng(0).permutation(24)
TEXTS = [f"A document of strength {value}." for value in STRENGTHS]
Rule = Callable[[int, int], float]  # strengths shown first and second -> P(A)


def fair(first: int, second: int) -> float:
    return float(1 / (1 + np.exp((second - first) / 4)))


def judged(folder: Path, rule: Rule, **settings: Any) -> tuple[dict[str, list], dict[str, Any]]:
    """Scores of all documents, and the report, with an endpoint that compares by a rule."""

    def reply(_: int, __: str, content: dict, ___: dict):
        first, second = re.findall(r"strength (\d+)", content["messages"][0]["content"])
        p = rule(int(first), int(second))
        return chat_reply({"A": 0.9 * p + 1e-9, "B": 0.9 * (1 - p) + 1e-9})

    out = folder / "fitted"
    out.mkdir(parents=True, exist_ok=True)
    given = {"model": "m", "documents": None, "rounds": 3, "confidence": 0.0} | settings
    with served(reply) as url:
        pairs = ComparePairs(url=url, **given)
        pairs.fit({"raw": corpus(folder / "raw", TEXTS, shards=2)}, out, Site())
    found = pairs.process(pairs.load(Site(fitted=out)), documents(TEXTS)).to_pydict()
    return found, json.loads((out / "report.json").read_text())


def rank_correlation(strengths: list[float]) -> float:
    ranks = np.argsort(np.argsort(strengths))
    return float(np.corrcoef(ranks, STRENGTHS)[0, 1])


def test_strengths_follow_a_fair_judges_order(tmp_path: Path):
    found, report = judged(tmp_path, fair)

    assert rank_correlation(found["strength"]) > 0.98
    assert np.mean(found["strength"]) == pytest.approx(0, abs=1e-3)
    assert np.std(found["strength"]) == pytest.approx(1, abs=1e-3)
    assert set(found["comparisons"]) == {6}
    assert report["answers"] == 2 * report["pairs"] == 2 * 3 * len(TEXTS)
    assert abs(report["position_bias"]) < 1e-3
    assert report["disagreement"] == 0


def test_a_liking_for_the_first_place_is_reported_and_averaged_out(tmp_path: Path):
    def biased(first: int, second: int) -> float:
        return min(1.0, 0.35 + fair(first, second) * 0.65)

    found, report = judged(tmp_path, biased)

    assert rank_correlation(found["strength"]) > 0.98
    assert report["position_bias"] == pytest.approx(0.175, abs=0.01)
    assert report["disagreement"] > 0.1


def test_a_judge_that_always_takes_the_first_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="tells places apart, not texts"):
        judged(tmp_path, lambda *_: 0.97, confidence=0.5)


def test_a_verdict_below_the_confidence_teaches_nothing(tmp_path: Path):
    found, report = judged(tmp_path, fair, confidence=0.5)
    pairs = sum(found["comparisons"]) / 2

    assert pairs == report["pairs_confident"] < report["pairs"]
    assert rank_correlation(found["strength"]) > 0.9


def test_a_document_that_was_not_compared_has_no_strength(tmp_path: Path):
    found, report = judged(tmp_path, fair, documents=10)

    assert sum(one is not None for one in found["strength"]) == report["documents"] == 10


def test_the_same_sample_gives_the_same_strengths_however_it_is_cut(tmp_path: Path):
    first, report = judged(tmp_path / "a", fair)
    TEXTS.reverse()
    try:
        again, other = judged(tmp_path / "b", fair)
    finally:
        TEXTS.reverse()

    assert again["strength"] == first["strength"][::-1]
    assert other == report


def test_more_questions_than_allowed_are_refused(tmp_path: Path):
    with pytest.raises(BudgetError, match="takes 144 requests"):
        judged(tmp_path, fair, max_requests=143)


def test_a_document_in_the_final_target_is_not_compared(tmp_path: Path):
    corpora = {
        "raw": corpus(tmp_path / "raw", TEXTS),
        ROLE: corpus(tmp_path / "exam", [TEXTS[3]], source="exam"),
    }

    with pytest.raises(RecipeError, match="in the final target"):
        ComparePairs(url="http://127.0.0.1:9/v1", model="m").fit(corpora, tmp_path, Site())


@pytest.mark.parametrize("settings", [{"rounds": 0}, {"prior": 0.0}, {"confidence": 1.0}])
def test_settings_that_compare_nothing_are_refused(settings: dict):
    with pytest.raises(RecipeError, match="wanted 1 or more, above 0"):
        ComparePairs(model="m", **settings)


def test_a_prompt_about_one_document_is_refused():
    with pytest.raises(RecipeError, match="wants one about a pair"):
        ComparePairs(model="m", prompt="quality").identity()


def test_a_model_on_disk_keeps_the_contract(tmp_path: Path):
    check_scorer(
        ComparePairs(
            model=str(tiny_language_model(tmp_path / "model")),
            prompt=short_prompt(tmp_path, "pair"),
            max_characters=8,
            rounds=1,
            least_mass=0.0,
            confidence=0.0,
        )
    )
