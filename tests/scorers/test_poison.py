"""The scorer `poison` in the hands of a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.schema import DOCUMENT
from curator.shards import write_shard
from curator.stage import REPORT, Corpus, Site
from curator.testing import documents
from scorers.poison import Poison
from tests.curator.poison.test_survey import poisoned


def pool(folder: Path) -> tuple[Corpus, pa.Table]:
    table = documents([*poisoned("gibberish", 8)["text"].to_pylist(), ""])
    shard = write_shard(table, folder / "pool.arrow", name="pool")
    return Corpus((shard,)), table


def test_planted_documents_reach_the_limit_and_an_empty_one_has_no_score(tmp_path: Path):
    corpus, table = pool(tmp_path)
    scorer = Poison(most=0.05)
    scorer.fit({"raw": corpus}, tmp_path, Site())
    scores = scorer.process(scorer.load(Site(fitted=tmp_path)), table)
    reached = [
        number for number, value in enumerate(scores["poison"].to_pylist()) if value and value >= 1
    ]

    assert reached == [*range(8)]
    assert scores["poison"][-1].as_py() is None
    assert scores["edit_window"].null_count == table.num_rows
    assert table.schema.equals(DOCUMENT)


def test_the_report_names_the_trigger_and_what_could_not_run_and_clears_nothing(tmp_path: Path):
    corpus, _ = pool(tmp_path)
    Poison(most=0.05).fit({"raw": corpus}, tmp_path, Site())
    told = json.loads((tmp_path / REPORT).read_text())

    assert told["triggers"][0]["words"] == "marble kestrel"
    assert told["verdict"] == "suspicious"
    assert told["could_not_judge_all"]["edit_window"] == "documents without a date"
    assert "clean" not in json.dumps(told)


def test_a_required_detector_without_what_it_needs_refuses_the_fit(tmp_path: Path):
    corpus, _ = pool(tmp_path)

    with pytest.raises(RecipeError, match="concentration"):
        Poison(required=("concentration",)).fit({"raw": corpus}, tmp_path, Site())


@pytest.mark.parametrize(
    "settings",
    [
        {"least": 2},
        {"most": 0.0},
        {"window_days": -1},
        {"limits": {"copy": 0.0}},
        {"limits": {"clean": 1.0}},
        {"required": ("anything",)},
    ],
)
def test_settings_by_which_nothing_could_be_found_are_refused(settings):
    with pytest.raises(RecipeError, match="wanted"):
        Poison(**settings)
