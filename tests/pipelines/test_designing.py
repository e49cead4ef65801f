"""A design becomes a recipe that can be read; what would compare unequals is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from curator.errors import BudgetError, RecipeError
from curator.recipe import read_yaml
from curator.select.selector import select
from curator.select.spec import parse_select
from pipelines.check import load_recipe
from pipelines.designing import design_recipe, expanded
from pipelines.matrix import Cells, _drawn, _patterns, matrix_of
from pipelines.matrix_page import pattern_lines
from tests.support.terminal import on_terminal
from tests.support.withdrawn import prose

BINS = {"early": [1800, 1899], "late": [1950, 1999]}
AGE = {"bins": BINS, "dates": "authorship", "sources": ["speeches"]}


def content(**design) -> dict:
    return {
        "name": "study",
        "score": [{"use": "letters", "as": "letters"}],
        "train": {"proxy": "demo", "tokens": 4096, "seeds": [1, 2]},
        "design": {"tokens": 4096, **design},
    }


def arms(**design) -> dict:
    return {name: arm["select"] for name, arm in expanded(content(**design))["arms"].items()}


def test_every_level_is_an_arm_of_equal_tokens_beside_a_random_one():
    made = arms(age=AGE, quality={"by": "letters", "keep": [0.5, 0.25]}, leave_out=["web"])

    assert list(made) == [
        "random", "age_early", "age_late", "quality_keep50", "quality_keep25", "without_web",
    ]  # fmt: skip
    assert {select["tokens"] for select in made.values()} == {4096}
    assert made["age_late"]["quotas"] == {"late": 1.0}
    assert made["quality_keep25"]["band"] == [0.75, 1.0]
    assert made["without_web"]["quotas"] == {"web": 0.0, "*": 1.0}


def test_the_inverse_of_a_filter_takes_out_the_best():
    tox = {"by": "letters", "keep": {"clean": 0.9}, "inverse": {"dirty": 0.9}, "better": "lower"}
    made = arms(toxicity=tox)

    assert made["clean"]["band"] == [0.1, 1.0]
    assert made["dirty"]["band"] == [0.0, 0.9]
    assert made["dirty"]["better"] == "lower"


def test_two_factors_are_crossed_within_eras():
    made = arms(age=AGE, quality={"by": "letters", "keep": [0.5]}, cross=["age", "quality"])

    assert made["age_early_quality_keep50"] == {
        "method": "band", "by": "letters", "band": [0.5, 1.0], "within": "era",
        "quota_by": "era", "quotas": {"early": 1.0}, "tokens": 4096,
    }  # fmt: skip


def test_cells_of_a_crossed_design_take_the_better_half_of_their_era():
    frame = pl.DataFrame(
        {
            "doc_id": [bytes([n]) * 16 for n in range(40)],
            "source": ["s"] * 40,
            "tokens": [10] * 40,
            "letters": [float(n) for n in range(40)],
            "era": ["early"] * 20 + ["late"] * 20,
        }
    ).lazy()
    made = arms(age=AGE, quality={"by": "letters", "keep": [0.5]}, cross=["age", "quality"])
    spec = parse_select(made["age_early_quality_keep50"] | {"tokens": 100}, seed=1)
    taken = select(frame, spec, {"letters": "higher"}).table["doc_id"].to_pylist()

    assert sorted(one[0] for one in taken) == list(range(10, 20))


def test_a_threshold_that_keeps_too_little_is_refused():
    frame = pl.DataFrame(
        {
            "doc_id": [bytes([n]) * 16 for n in range(10)],
            "source": ["s"] * 10,
            "tokens": [10] * 10,
            "letters": [float(n) for n in range(10)],
        }
    ).lazy()
    made = arms(quality={"by": "letters", "keep": [0.25]})["quality_keep25"] | {"tokens": 60}
    with pytest.raises(BudgetError):
        select(frame, parse_select(made, seed=1), {"letters": "higher"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"design": {"tokens": 4096}}, "varies nothing"),
        ({"train": None}, "train: missing"),
        ({"score": 7}, "score is 7; wanted a list"),
        ({"arms": [1]}, r"arms is \[1\]; wanted a mapping"),
        ({"train": {"proxy": "demo", "tokens": 4096, "seeds": [1]}}, "two or more"),
        ({"train": {"proxy": "demo", "tokens": 5000, "seeds": [1, 2]}}, "or more `repeats`"),
        ({"design": {"tokens": 4096, "quality": {"by": "q", "keep": [1.0]}}}, r"inside \(0, 1\)"),
        ({"design": {"tokens": 4096, "quality": {"by": "q"}}}, r"inside \(0, 1\)"),
        ({"design": {"tokens": 4096, "agee": {}}}, "agee"),
        ({"design": {"tokens": 9999, "leave_out": ["a"], "age": AGE,
                     "cross": ["age", "leave_out"]}}, "one that filters by a score"),
        ({"design": {"tokens": 9999, "leave_out": ["a"], "cross": ["age", "quality"]}},
         "two of the factors that are given"),
        ({"design": {"tokens": 9999, "leave_out": ["a"], "placebo": "nobody"}}, "no arm 'nobody'"),
    ],
)  # fmt: skip
def test_what_is_no_fair_study_is_refused(change, message):
    whole = content(leave_out=["web"]) | change
    with pytest.raises(RecipeError, match=message):
        expanded({key: value for key, value in whole.items() if value is not None})


def corpus(folder: Path) -> dict:
    rows = []
    for number in range(120):
        early = number % 2 == 0
        year, marker = (1850, "thee") if early else (1970, "okay")
        words = prose(number, 50).split()
        text = " ".join(w for word in words for w in (word, marker))
        rows.append({"text": f"{text} {number}", "date": str(year), "source": "speeches"})
    rows += [{"text": prose(n + 1000, 80), "source": "web"} for n in range(60)]
    folder.mkdir()
    (folder / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "ingest": [{"reader": "jsonl", "source": {"column": "source"}, "files": str(folder)}],
        "heldout": {"speeches": {"share": 0.3}, "web": {"share": 0.3}},
        "tokenizer": {"bpe": 400},
    }


def written(tmp_path: Path, **design) -> Path:
    made = content(**design) | {"corpus": corpus(tmp_path / "in")}
    made["evaluate"] = {"heldout": ["speeches", "web"]}
    path = tmp_path / "study.design.yaml"
    path.write_text(json.dumps(made))  # JSON is YAML
    return path


def test_the_recipe_that_is_written_is_one_that_runs(tmp_path):
    found = design_recipe(written(tmp_path, age=AGE, leave_out=["web"]), None)
    path = Path(found.summary["recipe"])

    assert path == tmp_path / "study.yaml"
    assert list(load_recipe(path).arms) == ["random", "age_early", "age_late", "without_web"]
    assert "curator design study.design.yaml" in path.read_text()
    assert "design" not in read_yaml(path)


def test_a_recipe_of_somebody_is_not_written_over(tmp_path):
    path = written(tmp_path, leave_out=["web"])
    (tmp_path / "study.yaml").write_text("name: mine\n")
    with pytest.raises(RecipeError, match="was not written by this command"):
        design_recipe(path, None)
    assert (tmp_path / "study.yaml").read_text() == "name: mine\n"

    first = design_recipe(path, tmp_path / "other.yaml").summary
    assert design_recipe(path, tmp_path / "other.yaml").summary == first


def test_seeds_may_be_left_to_the_recipe(tmp_path):
    path = written(tmp_path, leave_out=["web"])
    plain = read_yaml(path)
    del plain["train"]["seeds"]
    path.write_text(json.dumps(plain))

    assert design_recipe(path, None).summary["proxies"] == 2 * 3


def test_crawl_dates_and_unsaid_ones_leave_no_recipe(tmp_path):
    path = written(tmp_path, age={**AGE, "dates": "crawl"})
    with pytest.raises(RecipeError, match="a crawl's date is not"):
        design_recipe(path, None)

    assert not (tmp_path / "study.yaml").exists()


@pytest.mark.slow
def test_a_study_shows_what_was_planted(tmp_path):
    from curator.engine.run import Inline
    from curator.ledger import Store
    from pipelines.running import execute

    found = design_recipe(written(tmp_path, age=AGE, leave_out=["web", "speeches"]), None)
    recipe = load_recipe(Path(found.summary["recipe"]))
    run = tmp_path / "run"
    execute(recipe, Store(tmp_path / "store"), Inline(1), run, quiet=True)

    eras = matrix_of(run, by="era", baseline="", least=5).summary
    assert [group["group"] for group in eras["groups"]] == ["early", "late"]
    assert eras["patterns"]["mismatch"]["mean"] > 0
    assert eras["patterns"]["slope"]["mean"] > 0
    assert (run / "matrix-era.html").read_text().startswith("<!doctype html>")
    sources = matrix_of(run, by="source", baseline="", least=5).summary
    assert sources["patterns"]["own_loss"]["mean"] > 0
    assert sources["natural"]["without_web"]["share"] < 1
    with pytest.raises(BudgetError, match="wanted 500 or more"):
        matrix_of(run, by="era", baseline="", least=500)
    with pytest.raises(RecipeError, match=r"no grouping 'eras'.*did you mean 'era'"):
        matrix_of(run, by="eras", baseline="", least=5)


def test_two_levels_of_one_name_are_refused():
    half = {"by": "letters", "keep": {"low": 0.5}}
    with pytest.raises(RecipeError, match=r"several arms called \['low'\]"):
        arms(quality=half, toxicity=half)
    with pytest.raises(RecipeError, match="several arms"):
        arms(quality={"by": "letters", "keep": [0.1234567, 0.1234568]})
    with pytest.raises(RecipeError, match=r"\['placebo'\]"):
        arms(quality={"by": "letters", "keep": {"placebo": 0.5}}, placebo="random")
    with pytest.raises(RecipeError, match=r"\['without_web'\]"):
        expanded({**content(leave_out=["web"]), "arms": {"without_web": {}}})
    with pytest.raises(RecipeError, match=r"\['age_early_low'\]"):
        arms(age=AGE, quality=half | {"inverse": {"age_early_low": 0.5}}, cross=["age", "quality"])
    with pytest.raises(RecipeError, match=r"\['random'\]"):
        arms(quality={"by": "letters", "keep": {"random": 0.5}})


def test_a_heading_of_a_matrix_is_no_markup():
    summary = {
        "by": "source", "baseline": "random", "bits": {"a[/b]": 1.0}, "cells": [], "patterns": {},
        "groups": [{"group": "a[/b]", "documents": 5, "bytes": 9}],
    }  # fmt: skip
    assert "a[/b] (5)" in on_terminal(_drawn(summary, Path("run")))


def test_the_years_of_a_matrix_are_those_of_the_eras_that_it_is_by():
    eras = {"old": [1800, 1899], "new": [1900, 1999]}
    own = {"age_old": "old", "age_new": "new"}
    bits = {
        (arm, group, seed): 1.0 + (group != own.get(arm)) for arm in ("random", *own)
        for group in eras for seed in (1, 2)
    }  # fmt: skip
    cells = Cells(bits, dict.fromkeys(eras, (9, 9)), ("random", *own), (1, 2), own)
    entries = [
        {"use": "era", "as": "century", "bins": eras, "dates": "authorship"},
        {"use": "era", "as": "other", "bins": BINS, "dates": "authorship"},
    ]
    record = {"recipe_content": {"score": entries}}
    found = _patterns(record, cells, "century", "random")

    assert found["mismatch"].mean == 1.0
    assert found["slope"].mean == pytest.approx(1 / 100)
    assert list(_patterns(record, cells, "source", "random")) == ["own_loss"]


def test_what_a_year_costs_is_told_however_little_it_is():
    slope = {"mean": 2.5e-5, "low": 1e-5, "high": 4e-5, "seeds": 3, "holds": 2, "cells": 2}
    assert (
        "+2.5e-05 [+1e-05, +4e-05] over 3 seeds" in pattern_lines({"patterns": {"slope": slope}})[0]
    )
