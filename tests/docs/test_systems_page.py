"""The corpus file that the page of systems shows is one that they can be run on."""

from __future__ import annotations

from ruamel.yaml import YAML

from curator.corpus_spec import CorpusSpec
from curator.recipe import RECIPES
from pipelines.check import load_recipe
from tests.docs.pages import blocks, rows, text_of

PAGE = "docs/systems.md"


def test_the_corpus_that_is_shown_reads_every_source_that_it_uses():
    content = YAML(typ="safe").load(blocks(PAGE, "yaml")[0])
    content.pop("evaluate")
    corpus = CorpusSpec.model_validate(content)
    read = {entry["source"] for entry in corpus.ingest}
    used = {spec.source for spec in corpus.benchmarks.values() if spec.source} | set(corpus.heldout)
    used |= {
        str(role).removeprefix("source:") for role in corpus.roles.values() if "source:" in role
    }

    assert used <= read


def test_every_system_has_a_recipe_with_itself_a_random_arm_and_a_placebo():
    for name in rows(text_of(PAGE)):
        arms = load_recipe(RECIPES / f"{name}.yaml").arms
        assert {"random", name, "placebo"} <= arms.keys()
