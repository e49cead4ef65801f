"""Proxies write documents, by the policy that is asked for."""

from __future__ import annotations

import json

import pytest

from curator.errors import RecipeError
from curator.refine.sample import Sample
from curator.stage import Site
from curator.testing import documents, example_texts
from tests.support.trained import trained_run

TEXTS = example_texts("raw", 6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(trained_run(example_texts("raw"), tmp_path_factory.mktemp("run")))


def test_every_generation_writes_a_document_of_its_own_beside_the_originals(run: str):
    refiner = Sample(models=(run, run), max_tokens=8, temperature=2.0)
    made = refiner.refine(refiner.load(Site()), documents(TEXTS))
    about = [json.loads(one)["generation"] for one in made.children["about"].to_pylist()]
    texts = made.children["text"].to_pylist()

    assert made.children["row"].to_pylist() == [*range(6)] * 2
    assert about == [1] * 6 + [2] * 6
    assert texts[:6] != texts[6:]  # one model, other chances
    assert made.outcome["keep"].to_pylist() == [True] * 6


def test_replacing_asks_the_latest_model_alone_and_keeps_no_original(run: str):
    refiner = Sample(models=("gone", run), policy="replace", acknowledged=True, max_tokens=8)
    made = refiner.refine(refiner.load(Site()), documents(TEXTS))

    assert made.children.num_rows == 6
    assert made.outcome["reason"].to_pylist() == ["replaced"] * 6
    assert not any(made.outcome["keep"].to_pylist())


def test_what_is_written_begins_with_the_words_that_it_was_given(run: str):
    refiner = Sample(models=(run,), prompt_words=3, max_tokens=4)
    texts = refiner.refine(Site(), documents(TEXTS)).children["text"].to_pylist()

    assert all(new[:9] == old[:9] for new, old in zip(texts, TEXTS, strict=True))


def test_a_document_is_written_by_its_own_chance_whatever_stands_around_it(run: str):
    refiner = Sample(models=(run,), max_tokens=8)
    table = documents(TEXTS)
    whole = refiner.refine(Site(), table).children["text"].to_pylist()

    assert refiner.refine(Site(), table.slice(2, 2)).children["text"].to_pylist() == whole[2:4]
    assert refiner.refine(Site(), table.slice(0, 0)).children.num_rows == 0


def test_a_policy_says_whether_originals_stay():
    replace = Sample(models=("m",), policy="replace", acknowledged=True)

    assert replace.misplaced(beside=False) == ""
    assert "beside: false" in replace.misplaced(beside=True)
    assert "beside: true" in Sample(models=("m",)).misplaced(beside=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"models": ()},
        {"models": ("m",), "policy": "replace"},
        {"models": ("m",), "max_tokens": 0},
        {"models": ("m",), "prompt_words": -1},
        {"models": ("m",), "prompt_words": 10**6},
        {"models": ("m",), "temperature": -1.0},
        {"models": ("m",), "temperature": float("inf")},
        {"models": ("m",), "top_p": 0.0},
    ],
)
def test_settings_that_write_nothing_or_collapse_by_oversight_are_refused(settings):
    with pytest.raises(RecipeError):
        Sample(**settings)


@pytest.mark.parametrize("text", ["a" * 1_000_000 + " b", " " * 1_000_000 + "b c"])
def test_a_word_of_a_million_letters_is_no_prompt(run: str, text: str):
    refiner = Sample(models=(run,), max_tokens=2, prompt_words=3)
    made = refiner.refine(refiner.load(Site()), documents([text]))

    assert len(made.children["text"][0].as_py()) < 1000


def test_as_many_words_as_may_be_asked_for_are_found(run: str):
    refiner = Sample(models=(run,), max_tokens=2, prompt_words=1000)
    made = refiner.refine(refiner.load(Site()), documents(["so it is " * 400]))

    assert made.children["text"][0].as_py().startswith("so it is " * 333 + "so ")
