from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.influence.sketch import Sketch
from curator.schema import vector_matrix
from curator.stage import Corpus, Site
from curator.testing import check_scorer, corpus, documents, example_texts
from scorers.less import Less
from tests.support.trained import trained_run

TEXTS = example_texts("raw", 24)
EXAMPLES = {"one": example_texts("target", 5), "two": example_texts("good", 3)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    texts = example_texts("raw", 60)
    return tuple(str(trained_run(texts, folder / str(steps), steps=steps)) for steps in (8, 16))


def target(folder: Path, **subtasks: list[str]) -> Corpus:
    parts = [corpus(folder / name, texts, source=name) for name, texts in subtasks.items()]
    return Corpus(tuple(shard for part in parts for shard in part.shards))


def with_sketches(scorer, texts: list[str]) -> pa.Table:
    table = documents(texts)
    for stage in scorer.beside:
        made = stage.process(stage.load(Site()), table)
        for column in made.column_names:
            table = table.append_column(made.schema.field(column), made[column])
    return table


def scores(scorer: Less, texts: list[str], folder: Path, **subtasks: list[str]) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    scorer.fit({"target": target(folder, **(subtasks or EXAMPLES))}, folder, Site())
    site = Site(fitted=folder)
    found = scorer.process(scorer.load(site), with_sketches(scorer, texts))["less"]
    return found.to_numpy(zero_copy_only=False)


def unit(stage: Sketch, texts: list[str]) -> np.ndarray:
    made = stage.process(stage.load(Site()), documents(texts))
    rows = vector_matrix(made[stage.column]).astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_scores_are_the_largest_mean_cosine_over_subtasks_weighed_by_rates(runs, tmp_path):
    scorer = Less(models=runs, dimensions=128, rates=(3.0, 1.0), layers=("blocks",))

    found = scores(scorer, TEXTS, tmp_path)

    expected = np.zeros((len(TEXTS), 2))
    for run, share in zip(runs, (0.75, 0.25), strict=True):
        steps = unit(Sketch(run, 128, precondition="adam"), TEXTS)
        for subtask, examples in enumerate(EXAMPLES.values()):
            cosines = steps @ unit(Sketch(run, 128), examples).T
            expected[:, subtask] += share * cosines.mean(axis=1)
    np.testing.assert_allclose(found, expected.max(axis=1), atol=1e-6)  # the grid
    mean = replace(scorer, aggregate="mean")
    np.testing.assert_allclose(
        scores(mean, TEXTS, tmp_path / "mean"), expected.mean(axis=1), atol=1e-6
    )


def test_models_weigh_by_the_rates_they_ended_with_unless_told(runs, tmp_path):
    scores(Less(models=runs, dimensions=64), TEXTS[:2], tmp_path)

    report = json.loads((tmp_path / "report.json").read_text())
    assert report["rates"] == [0.003, 0.003]  # of the matrices of `trained_run`
    assert report["examples"] == {"one": 5, "two": 3}


def test_the_released_code_takes_another_step(runs, tmp_path):
    scorer = Less(models=runs[:1], dimensions=128)
    paper = replace(scorer, compat="paper_repo")

    right, released = (scores(each, TEXTS, tmp_path / each.compat) for each in (scorer, paper))

    # Nearly the same order: what is left out is a constant factor and an epsilon.
    assert not np.array_equal(right, released)
    assert np.corrcoef(right, released)[0, 1] > 0.9


def test_how_large_a_documents_gradient_is_has_no_part(runs, tmp_path):
    """Unnormalized products prefer short documents, whose gradients are large."""
    scorer = Less(models=runs[:1], dimensions=64, precondition="none")
    found = scores(scorer, TEXTS, tmp_path)
    table = with_sketches(scorer, TEXTS)
    larger = pa.array([[4 * x for x in row] for row in table["gradient0"].to_pylist()])
    larger = pa.table({"gradient0": larger.cast(pa.list_(pa.float16()))})

    again = scorer.process(scorer.load(Site(fitted=tmp_path)), larger)["less"]

    np.testing.assert_array_equal(again.to_numpy(), found)  # four times: exact in half precision
    assert np.abs(found).max() <= 1


def test_examples_decide_by_their_ids_and_not_by_shards(runs, tmp_path):
    scorer = Less(models=runs[:1], dimensions=64, targets=4)
    table = documents(TEXTS, source="exam")
    (tmp_path / "a").mkdir()
    scorer.fit({"target": corpus(tmp_path / "whole", TEXTS, source="exam")}, tmp_path / "a", Site())
    (tmp_path / "b").mkdir()
    backwards = corpus(tmp_path / "cut", TEXTS[::-1], source="exam", shards=3)
    scorer.fit({"target": backwards}, tmp_path / "b", Site())

    for name in ("pulls.npy", "report.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert table.num_rows > 4


def test_a_target_of_other_sketches_is_refused(runs, tmp_path):
    scorer = Less(models=runs[:1], dimensions=64, layers=("blocks",))
    scores(scorer, TEXTS[:2], tmp_path)
    site = Site(fitted=tmp_path)

    with pytest.raises(RecipeError, match="seed 0, not 1"):
        replace(scorer, seed=1).load(site)
    with pytest.raises(RecipeError, match="dimensions 64, not 32"):
        replace(scorer, dimensions=32).load(site)
    with pytest.raises(RecipeError, match=r"layers \('blocks',\), not \('head',\)"):
        replace(scorer, layers=("head",)).load(site)
    with pytest.raises(RecipeError, match="fitted with 1 models, 2 are named"):
        replace(scorer, models=runs).load(site)


def test_documents_of_other_sketches_are_refused(runs, tmp_path):
    scorer = Less(models=runs[:1], dimensions=64, layers=("blocks",))
    scores(scorer, TEXTS[:2], tmp_path)
    strange = with_sketches(replace(scorer, seed=1), TEXTS)

    with pytest.raises(RecipeError, match="seed 0, not 1"):
        scorer.process(scorer.load(Site(fitted=tmp_path)), strange)


def test_sketches_of_zero_are_refused(runs, tmp_path):
    scorer = Less(models=runs[:1], dimensions=4)
    scores(scorer, TEXTS[:2], tmp_path)
    zero = pa.array([[0.0, 0.0, 0.0, 0.0]], pa.list_(pa.float16()))

    with pytest.raises(RecipeError, match="have no length"):
        scorer.process(scorer.load(Site(fitted=tmp_path)), pa.table({"gradient0": zero}))


def test_the_contract_is_kept(runs):
    check_scorer(Less(models=runs[:1], dimensions=64))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": ()}, "models are missing"),
        ({"targets": 0}, "wanted 1 example or more"),
        ({"aggregate": "sum"}, "wanted 'max' or 'mean'"),
        ({"rates": (1.0, 2.0)}, "wanted a finite number above 0 for each"),
        ({"rates": (0.0,)}, "wanted a finite number above 0 for each"),
        ({"rates": (float("nan"),)}, "wanted a finite number above 0 for each"),
        ({"rates": (float("inf"),)}, "wanted a finite number above 0 for each"),
        ({"dimensions": 0}, "wanted 1 or more"),
        ({"precondition": "sgd"}, "precondition is 'sgd'"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Less(**{"models": ("x",), **settings})


def test_an_empty_target_is_refused(runs, tmp_path):
    with pytest.raises(RecipeError, match="role 'target' has no text"):
        scores(Less(models=runs[:1], dimensions=8), TEXTS, tmp_path, none=[""])
