"""Tags that are written or asked for must be the tokenizer's; told before anything runs."""

from __future__ import annotations

import pytest

from curator.errors import RecipeError
from curator.recipe import arrange
from pipelines.check import checked, named_problems

TAGS = {"use": "tags", "learns_from": {"corpus": "pool"}}


def told(arm, *, tags=("good", "bad"), evaluate=None):
    content = {
        "corpus": {"tokenizer": {"bpe": 1000, "tags": list(tags)}},
        "arms": {"one": {"select": {"method": "random", "share": 0.5}, **arm}},
        "train": {"proxy": "d1", "tokens": 65_536},
        "evaluate": {"heldout": ["web"]} if evaluate is None else evaluate,
    }
    lines = named_problems(content)
    return [line for line in lines if "tag" in line or "prefix" in line or "trait" in line]


def test_tags_that_the_tokenizer_keeps_are_good():
    assert told({"refine": [TAGS], "prefix": ["good"], "prefix_by": "sentence"}) == []
    assert told({"refine": [{**TAGS, "action": "cut"}]}, tags=()) == []
    markers = {"use": "markers", "sources": ["web"]}
    assert told({"refine": [markers], "prefix": ["source.{source}"]}, tags=("source.web",)) == []


@pytest.mark.parametrize(
    ("arm", "wanted"),
    [
        ({"refine": [{**TAGS, "good": "fine"}]}, "refine.0: writes the tags ['fine']"),
        ({"refine": [{"use": "markers", "sources": ["web"]}]}, "writes the tags ['source.web']"),
        ({"prefix": ["fine"]}, "prefix: no tags ['fine']"),
        ({"prefix": ["source.{source}"]}, "prefix: no tags ['source.web']"),
        ({"prefix_by": "sentence"}, "prefix_by: before every sentence stands one tag"),
        ({"prefix": ["good", "bad"], "prefix_by": "line"}, "before every line stands one tag"),
    ],
)
def test_tags_that_lead_nowhere_are_told(arm, wanted):
    assert any(wanted in line for line in told(arm)), told(arm)


def test_a_prefix_needs_something_to_stand_before():
    assert told({"prefix": ["good"]}) == []
    assert "no held-out text" in told({"prefix": ["good"]}, evaluate={"benchmarks": []})[0]


def test_a_tag_by_source_is_no_tag_of_what_has_no_source():
    evaluate = {"heldout": ["web"], "samples": {"above": 0.5}}
    arm = {"prefix": ["{source}"]}

    assert "another tag for every" in told(arm, tags=("web",), evaluate=evaluate)[0]


def test_a_trait_that_is_none_is_told():
    found = told({}, evaluate={"heldout": ["web"], "samples": {"above": 0.5, "trait": "charm"}})

    assert "evaluate.samples: trait 'charm'" in found[0]


def test_tags_and_samples_of_a_recipe_go_to_its_corpus_and_evaluation(tmp_path):
    (tmp_path / "corpus.yaml").write_text("tokenizer: {bpe: 900}\nevaluate: {heldout: [web]}\n")
    content = {"corpus": "corpus.yaml", "tags": ["a"], "samples": {"above": 0.5}}

    found = arrange(content, tmp_path)

    assert found["corpus"]["tokenizer"] == {"bpe": 900, "tags": ["a"]}
    assert found["evaluate"] == {"heldout": ["web"], "samples": {"above": 0.5}}
    alone = arrange({"tags": ["a"]}, tmp_path)
    assert alone["corpus"]["tokenizer"] == {"bpe": 4096, "tags": ["a"]}


def test_tags_of_a_tokenizer_on_disk_are_refused():
    content = {"name": "x", "corpus": {"tokenizer": {"path": "t.json"}}, "tags": ["a"]}

    with pytest.raises(RecipeError, match="only a BPE trained here"):
        checked(arrange(content, None), "recipe")
