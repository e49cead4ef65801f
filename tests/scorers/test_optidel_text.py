from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.stage import Site
from scorers.optidel_text import OptidelText
from tests.support.compared_runs import runs

THREE = OptidelText(models=("a", "b", "c"))


def scored(full, short, early, scorer=THREE):
    table = pa.table({"full": full, "short": short, "early": early})
    return scorer.process(None, table).to_pydict()


def test_hard_is_what_context_tells_little_of_and_noise_is_what_nobody_learns():
    found = scored([1.0, 2.0, 5.0], [2.0, 2.25, 5.25], [1.5, 3.0, 5.0])

    assert found["hardness"] == [-1.0, -0.25, -0.25]
    assert found["learned"] == [0.5, 1.0, 0.0]
    assert found["hard_and_learnable"] == [-1.0, -0.25, None]


def test_a_high_loss_alone_is_not_hard():
    """The pitfall of B19: the second text costs more bits, and context tells as much of both."""
    found = scored([1.0, 5.0], [2.0, 6.0], [2.0, 6.0])

    assert found["hardness"][0] == found["hardness"][1]


def test_a_margin_asks_for_more_to_be_learned():
    scorer = OptidelText(models=("a", "b", "c"), least_learned=0.75)
    found = scored([1.0, 2.0], [2.0, 2.5], [1.5, 3.0], scorer)

    assert found["hard_and_learnable"] == [None, -0.5]


def test_a_document_that_one_model_did_not_score_has_nothing():
    found = scored([1.0, None, 1.0], [2.0, 2.0, None], [2.0, 2.0, 2.0])

    assert found["hardness"] == [-1.0, None, None]
    assert found["learned"] == [1.0, None, None]


def test_models_of_one_recipe_are_compared(tmp_path):
    scorer = OptidelText(models=runs(tmp_path))

    assert scorer.load(Site()) is None
    assert scorer.scores == ("full", "short", "early")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"short": {"context": 8, "tokenizer": "two"}}, "different tokenizers"),
        ({"early": {"tokens": 10, "tokenizer": "two"}}, "different tokenizers"),
        ({"short": {"context": 8, "tokens": 900}}, "wanted equal budgets"),
        ({"short": {"context": 256}}, "wanted a shorter context"),
        ({"early": {"tokens": 1000}}, "an earlier model"),
    ],
)
def test_models_that_differ_in_more_than_their_context_are_refused(tmp_path, changed, said):
    with pytest.raises(RecipeError, match=said):
        OptidelText(models=runs(tmp_path, **changed)).load(Site())


def test_a_model_of_unknown_budget_is_refused(tmp_path):
    names = list(runs(tmp_path))
    (tmp_path / "short" / "run.json").unlink()
    with pytest.raises(RecipeError, match="its budget is not known"):
        OptidelText(models=tuple(names)).load(Site())


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"models": ("a", "b")}, "wanted three"), ({"short": "full"}, "three columns")],
)
def test_settings_that_compare_nothing_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        OptidelText(**{"models": ("a", "b", "c"), **settings})


def test_scores_are_on_their_grid():
    found = scored(np.array([1.00004]), np.array([2.0]), np.array([2.0]))
    assert found["hardness"] == [-1.0]
