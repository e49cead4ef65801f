"""One more step on a finished run: what it must know of the run that it begins from."""

from __future__ import annotations

import pytest

from bench.trial import made_up, write_files
from curator.errors import RecipeError
from pipelines.running import read_run
from pipelines.stepping import score_once, select_once
from tests.support.runs import small_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_files(made_up(60), folder / "in", 1)
    arms = {
        "letters": {"select": {"method": "topk", "by": "letters", "tokens": 2000}},
        "any": {"select": {"method": "random", "tokens": 2000}},
    }
    evaluate = {"heldout": ["books"], "final_target": "exam/test"}
    return small_run(folder / "in", folder / "store", folder / "out", arms=arms, evaluate=evaluate)


def test_a_score_is_still_kept_from_what_the_run_is_judged_by(run, tmp_path):
    told = {"name": "more", "settings": [], "learns_from": [], "quiet": True}
    score_once("letters", run, out=tmp_path / "out", **told)

    assert read_run(tmp_path / "out")["recipe_content"]["evaluate"]["final_target"] == "exam/test"
    assert read_run(tmp_path / "out")["arms"] == {}


def test_a_placebo_is_drawn_beside_an_arm_of_the_run(run, tmp_path):
    settings = {"method": "placebo", "of": "letters"}
    select_once(run, settings=settings, out=tmp_path / "out", quiet=True)
    before, made = (read_run(each)["arms"] for each in (run, tmp_path / "out"))

    assert list(made) == ["letters", "main"]
    assert made["letters"]["selection"] == before["letters"]["selection"]
    assert made["main"]["selection"]["tokens"] == pytest.approx(2000, rel=0.1)


def test_a_placebo_of_no_arm_of_the_run_is_refused(run, tmp_path):
    settings = {"method": "placebo", "of": "leters"}
    with pytest.raises(RecipeError, match="no arm 'leters'"):
        select_once(run, settings=settings, out=tmp_path / "out", quiet=True)
