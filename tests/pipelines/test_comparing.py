"""Which metric leads, and what is compared where there is nothing to measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.trial import recipe
from curator.engine.driver import Driver
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import Recipe
from pipelines.comparing import compare_arms, headline_of
from pipelines.rereading import Nothing
from pipelines.tokenizing import Tokens


@pytest.mark.parametrize(
    ("final_target", "metrics", "leading"),
    [
        ("exam/test", ["heldout/a", "heldout/b", "exam/test", "heldout"], "exam/test"),
        (None, ["heldout/a", "heldout/b", "exam/train", "heldout"], "heldout"),
        (None, ["heldout/a", "exam/train"], "heldout/a"),
    ],
)
def test_the_final_target_leads_then_the_mean_of_what_was_held_out(final_target, metrics, leading):
    assert headline_of(final_target, metrics) == leading


def test_a_final_target_that_was_not_measured_is_not_replaced_by_another_metric():
    with pytest.raises(RecipeError, match="'exam/test#accuracy' was not measured"):
        headline_of("exam/test#accuracy", ["heldout/a", "exam/test", "exam/test#gold_bits"])


def test_where_nothing_is_to_be_measured_there_is_no_evidence(tmp_path):
    content = Recipe.model_validate(recipe(tmp_path, evaluate={}))
    driver = Driver(Store(tmp_path), Nothing(), quiet=True)
    proxies = {"random": [Path("a")], "sim": [Path("b")]}

    assert compare_arms(content, proxies, {}, None, Tokens(tmp_path, "t"), driver) is None
