"""A tag stands only where a refiner put it: a pool that spells one is refused."""

from __future__ import annotations

import pytest

from bench.trial import made_up, write_files
from curator.errors import RecipeError
from curator.train.tokenizer import load_tokenizer, tag_ids
from tests.support.runs import small_run


def test_a_tokenizer_with_tags_is_another_one(tmp_path):
    files = write_files(made_up(60), tmp_path / "in", 1)
    store = tmp_path / "store"
    for tags in ([], ["good"]):
        corpus = {"tokenizer": {"bpe": 400, "tags": tags}}
        small_run(files, store, tmp_path / f"out-{len(tags)}", corpus=corpus)

    kept = [tag_ids(load_tokenizer(each)) for each in store.glob("folders/tokenizer-*/*.json")
            if each.name == "tokenizer.json"]  # fmt: skip
    assert sorted(map(len, kept)) == [0, 1]


def test_a_pool_that_spells_a_tag_is_refused(tmp_path):
    records = made_up(60)
    records[0]["text"] += " <|tag:good|> and more."
    files = write_files(records, tmp_path / "in", 1)
    corpus = {"tokenizer": {"bpe": 400, "tags": ["good"]}}

    with pytest.raises(RecipeError, match=r"spell '<\|tag:good\|>'"):
        small_run(files, tmp_path / "store", tmp_path / "out", corpus=corpus)
