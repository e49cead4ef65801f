"""From a recipe to proxies that are asked with a tag: what is trained on, what is shared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.trial import made_up, write_files
from curator.ledger import Store
from curator.train.loader import open_mixture
from curator.train.tokenizer import load_tokenizer, tag_ids
from pipelines.matrix import _cells
from pipelines.running import read_run
from tests.support.runs import small_run

PLANT = {"use": "planted_capitals", "bad_share": 0.3}
TAGS = {"use": "tags", "threshold": 0.9, "planted": True, "learns_from": {"corpus": "pool"}}
SELECT = {"select": {"method": "random", "tokens": 4000}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a run with a plain, a tagged and a shuffled arm, asked in two ways."""
    folder = tmp_path_factory.mktemp("tagged")
    (folder / "small.yaml").write_text(
        "{depth: 1, width: 16, heads: 1, context: 32, batch_tokens: 64, precision: fp32}"
    )
    arms = {
        "plain": {**SELECT, "refine": [PLANT]},
        "tagged": {**SELECT, "refine": [PLANT, TAGS], "prefix": ["good"], "prefix_by": "sentence"},
        "untold": {**SELECT, "refine": [PLANT, TAGS]},
        "shuffled": {**SELECT, "refine": [PLANT, {**TAGS, "shuffled": True}], "prefix": ["good"]},
    }
    return small_run(
        write_files(made_up(80), folder / "in", 1),
        folder / "store",
        folder / "out",
        corpus={
            "tokenizer": {"bpe": 400, "tags": ["good", "bad"]},
            "heldout": {"web": {"share": 0.1}, "books": {"share": 0.1}},
        },
        arms=arms,
        train={"proxy": str(folder / "small.yaml"), "tokens": 2048, "seeds": [1]},
        evaluate={"heldout": ["web", "books"], "samples": {"above": 0.9, "count": 8, "tokens": 16}},
    )  # fmt: skip


def test_every_arm_is_measured_on_the_same_text_and_writes(made):
    arms = read_run(made)["arms"]

    for arm in arms.values():
        assert set(arm["evaluation"]) == {
            "heldout/web",
            "heldout/books",
            "heldout",
            "samples#bad_rate",
        }
    bits = {name: arm["evaluation"]["heldout/web"][0] for name, arm in arms.items()}
    assert len({round(value, 9) for value in bits.values()}) == len(bits)


def test_arms_that_differ_in_their_prefix_are_one_run(made):
    arms = read_run(made)["arms"]

    folders = {name: json.dumps(arm["proxies"]) for name, arm in arms.items()}
    assert folders["tagged"] == folders["untold"]
    assert len(set(folders.values())) == 3


def test_tags_are_what_proxies_are_trained_on_and_only_where_they_were_put(made):
    run = read_run(made)
    store = Store(made.parent / "store")
    found = {}
    for folder in sorted(store.root.glob("folders/mixture.*")):
        mixture = open_mixture(folder)
        tags = tag_ids(load_tokenizer(folder / "tokenizer.json"))
        counts = {
            name: int((np.asarray(mixture.tokens) == id_).sum()) for name, id_ in tags.items()
        }
        found[folder.name.split("-")[0].removeprefix("mixture.")] = counts

    assert found["plain"] == {"good": 0, "bad": 0}
    for name in ("tagged", "shuffled"):
        assert found[name]["bad"] == pytest.approx(0.3 * sum(found[name].values()), rel=0.35)
    assert set(run["arms"]) == {"plain", "tagged", "untold", "shuffled"}


def test_a_matrix_has_of_each_arm_what_it_got_as_it_was_asked(made):
    record = read_run(made)
    cells = _cells(record, record["arms"], "source", 1)

    for name, arm in record["arms"].items():
        for group in ("books", "web"):
            assert cells.bits[name, group, 1] == pytest.approx(
                arm["evaluation"][f"heldout/{group}"][0]
            )
