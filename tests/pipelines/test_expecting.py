"""Before proxies are trained it is said what their comparison will be able to find."""

from __future__ import annotations

import pytest

from bench.trial import recipe
from curator.ledger import Store
from curator.recipe import Recipe
from pipelines.expecting import announce, expectations, observed
from pipelines.registering import register_begin
from tests.support.runs import run_record, write_run

PROXIES = [{"parameters": {"blocks": 98_328}, "tokens": 20_000}]


def trial(folder, **changes):
    train = {"proxy": "d2", "tokens": 20_000, "seeds": [1, 2, 3]}
    return Recipe.model_validate(recipe(folder, **({"train": train} | changes)))


def test_every_metric_that_is_known_is_told_the_leading_one_first(tmp_path):
    rows = expectations(trial(tmp_path), Store(tmp_path / "store"))

    assert [row["metric"] for row in rows] == ["exam/test", "heldout/books"]
    assert rows[0]["says"].startswith("3 pairs of d2 x 20,000 tokens find differences of ")


def test_only_the_leading_one_is_announced_and_only_aloud(tmp_path, capsys):
    announce(trial(tmp_path), Store(tmp_path / "store"), quiet=False)

    said = capsys.readouterr()
    assert said.err.count("pairs of d2") == 1
    assert "exam/test" in said.err
    assert said.out == ""

    announce(trial(tmp_path), Store(tmp_path / "store"), quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"train": None},
        {"evaluate": None},
        {"train": {"proxy": "d2", "tokens": 20_000, "seeds": [1]}},
        {"arms": {"random": {"select": {"method": "random", "tokens": 20_000}}}},
    ],
)
def test_where_nothing_is_compared_nothing_is_expected(tmp_path, changes):
    assert expectations(trial(tmp_path, **changes), Store(tmp_path / "store")) == []


def test_what_earlier_runs_of_the_store_showed_is_what_is_expected(tmp_path):
    store = Store(tmp_path / "store")
    comparison = [{"arm": "sim", "metric": "heldout/books", "sd": 0.5, "seeds": 5}]
    arms = {"sim": run_record()["arms"]["sim"] | {"proxies": PROXIES}}
    out = write_run(tmp_path / "out", arms=arms, comparison=comparison)
    store.root.mkdir()
    register_begin(store, out)
    register_begin(store, tmp_path / "gone")

    (seen,) = observed(store)
    (row,) = [row for row in expectations(trial(tmp_path), store) if row["sd"] == 0.5]

    assert (seen.sd, row["metric"]) == (0.5, "heldout/books")
    assert "as in a finished comparison" in row["says"]


def test_runs_that_share_text_find_less_than_those_that_share_none(tmp_path):
    def found(tokens, **changes):
        arm = {"select": {"method": "random", "tokens": tokens}, **changes}
        arms = {"random": arm, "other": {"select": {"method": "random", "tokens": 10**6}}}
        return expectations(trial(tmp_path, arms=arms), Store(tmp_path / "store"))[0]["effect"]

    apart, touching = found(10**6), found(45_000)
    alone = found(45_000, mix=[{"source": "books", "weight": 2.0}])
    assert touching > 1.1 * apart
    assert found(10**6, pick={"method": "uniform", "keep": 0.045}) == pytest.approx(touching)
    assert alone == apart  # over seeds on one text, nothing is said of another


def test_a_branch_is_expected_to_show_what_its_trunk_and_it_have_trained_for(tmp_path):
    train = {"proxy": "d2", "tokens": 20_000, "trunk": {"arm": "random", "tokens": 30_000}}
    rows = expectations(trial(tmp_path, train=train), Store(tmp_path / "store"))

    assert rows[0]["says"].startswith("3 pairs of d2 x 50,000 tokens")
