"""Mistakes in staged arms are told before anything runs."""

from __future__ import annotations

import pytest

from pipelines.check import named_problems

SCORES = [
    {"use": "perplexity", "as": "ppl", "model": "learner"},
    {"use": "distill", "as": "learned", "of": "ppl", "model": "linear"},
    {"use": "letters"},
]
STAGED = {"stages": 2, "model": "learner"}


def told(arms: dict, **changes) -> list[str]:
    content = {
        "score": SCORES,
        "arms": {name: {"select": {"share": 0.5} | arm.pop("select", {}), **arm}
                 for name, arm in arms.items()},
        "train": {"proxy": "d1", "tokens": 65_536},
        **changes,
    }  # fmt: skip
    return [line for line in named_problems(content) if line.startswith(("arms", "score"))]


@pytest.mark.parametrize("by", ["ppl", "learned"])
def test_an_arm_that_ranks_by_what_asks_its_own_state_is_good(by):
    assert told({"one": {"select": {"by": by}, "staged": STAGED}}) == []


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ({"select": {"by": "letters"}, "staged": STAGED}, "ranks by 'letters', which does not ask"),
        ({"select": {"by": "ppl"}, "staged": STAGED | {"model": "warm"}}, "no score asks a model"),
        ({"select": {"by": "ppl"}, "staged": STAGED | {"warmup": 0.0}}, "before its first step"),
        ({"select": {"by": "ppl"}, "staged": STAGED | {"probed": 0.0}}, "no document in common"),
        ({"select": {"by": "ppl"}, "staged": STAGED | {"stages": 60}}, "too few for a warm-up"),
        ({"select": {"by": "ppl"}, "staged": STAGED, "pick": {"method": "uniform", "keep": 0.5}},
         "reads its mixtures as they are"),
        ({"select": {"by": "ppl"}}, "the state of a staged run, and this arm has no such stages"),
        ({"select": {"method": "gumbel", "by": "ppl", "temperature": 0}, "staged": STAGED},
         "temperature is 0; wanted a number above 0"),
    ],
)  # fmt: skip
def test_stages_that_cannot_be_are_refused(arm, wanted):
    others = {"two": {"select": {"by": "learned"}, "staged": STAGED}}
    assert any(wanted in line for line in told({"one": dict(arm), **others}))


@pytest.mark.parametrize("models", [5, True, "learners", [["learner"]]])
def test_models_that_are_no_list_of_names_ask_no_state(models):
    strange = {"use": "letters", "as": "strange", "models": models}
    lines = told({"one": {"select": {"by": "strange"}, "staged": STAGED}}, score=[*SCORES, strange])

    assert any(line.startswith("arms.one.staged.model: ") for line in lines)


def test_a_placebo_takes_the_stages_of_its_arm():
    arms = {
        "one": {"select": {"by": "ppl"}, "staged": STAGED},
        "beside": {"select": {"method": "placebo", "of": "one", "share": None}},
    }
    assert told({name: dict(arm) for name, arm in arms.items()}) == []
    arms["beside"]["staged"] = STAGED
    assert any("leave it out" in line for line in told(arms))


@pytest.mark.parametrize(
    ("train", "wanted"),
    [
        (None, "there is no `train`"),
        ({"proxy": "d1", "tokens": 65_536, "trunk": {"arm": "one", "tokens": 9999}}, "train.trunk"),
        ({"proxy": "d1", "tokens": 65_536, "start": "warm"}, "train.start"),
    ],
)
def test_stages_need_a_training_from_first_weights(train, wanted):
    lines = told({"one": {"select": {"by": "ppl"}, "staged": STAGED}}, train=train)
    assert any(line.startswith("arms.one.staged") and wanted in line for line in lines)


def test_a_plain_arm_may_ask_a_model_of_the_recipe_by_that_name():
    arms = {
        "one": {"select": {"by": "ppl"}, "staged": STAGED},
        "plain": {"select": {"by": "ppl"}},
    }
    models = {"learner": {"train": {"proxy": "d1", "tokens": 8192}}}
    assert told(arms, models=models) == []
