"""The same documents in any number of files, on any number of workers: the same selections."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.trial import made_up, recipe, write_files
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.identity import file_digest
from curator.ledger import Store
from curator.recipe import Recipe
from curator.shards import read_shard
from curator.testing import tiny_encoder, tiny_language_model
from pipelines.curate import curate

DOCUMENTS = 240
FILES = 7


@dataclass(frozen=True)
class Made:
    selections: dict[str, str]  # manifest hash of each arm
    draws: dict[str, str]
    tokens: dict[str, str]  # digest of each arm's tokens.bin
    scores: list[dict]  # of every living document, by id
    bytes_of: dict[str, tuple[str, str]]  # id and digest of each artifact


def recipe_of(files, models):
    """Return a recipe whose arms each follow one scorer."""
    exam = {"target": "exam/train"}
    encoder = str(models / "encoder")
    sizes = {"dimensions": 8, "buckets": 1000, "heldout": 0.0}
    score = [
        {"use": "letters"},
        {"use": "similarity", "as": "sim", "learns_from": exam, "encoder": encoder},
        {"use": "ngrams", "as": "dsir", "learns_from": exam},
        {
            "use": "classifier", "as": "good", **sizes,
            "learns_from": {"good": "exam/train", "bad": "pool"},
        },
        {"use": "perplexity", "as": "bits", "model": "ref", "context": 64},
    ]  # fmt: skip
    arms = {
        name: {"select": {"method": "topk", "by": name, "tokens": 9000}}
        for name in ("letters", "sim", "dsir", "good", "bits")
    }
    arms["random"] = {"select": {"method": "random", "tokens": 9000}}
    arms["drawn"] = {
        "select": {"method": "gumbel", "by": "dsir", "temperature": 0.2, "tokens": 9000}
    }
    sections = {
        "score": score, "arms": arms, "train": None, "evaluate": None,
        "models": {"ref": {"path": str(models / "model")}},
    }  # fmt: skip
    return Recipe.model_validate(recipe(files, **sections))


def made(content, folder, engine):
    curated = curate(content, Driver(Store(folder), engine, quiet=True))
    arms = curated.arms.items()
    rows = [row for shard in curated.viewed.shards for row in read_shard(shard).to_pylist()]
    return Made(
        {name: arm.selected.manifest_hash for name, arm in arms},
        {name: arm.account["draw_hash"] for name, arm in arms},
        {name: file_digest(arm.folder / "tokens.bin") for name, arm in arms},
        sorted(rows, key=lambda row: row["doc_id"]),
        {path.stem: (a.id, a.digest) for path, a in Store(folder).artifacts()},
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny_encoder(folder / "encoder")
    tiny_language_model(folder / "model")
    return folder


@pytest.fixture(scope="module")
def cut(models, tmp_path_factory):
    """Return a maker of the recipe over the documents in so many files."""

    def make(files):
        folder = tmp_path_factory.mktemp(f"in-{files}")
        return recipe_of(write_files(made_up(DOCUMENTS), folder, files), models)

    return make


@pytest.fixture(scope="module")
def content(cut):
    return cut(FILES)


@pytest.fixture(scope="module")
def alone(content, tmp_path_factory):
    """Return what one worker makes of the documents in seven files."""
    return made(content, tmp_path_factory.mktemp("alone"), Inline(1))


@pytest.mark.parametrize("files", [1, 64])
def test_selections_do_not_depend_on_how_documents_are_cut_into_files(files, cut, alone, tmp_path):
    other = made(cut(files), tmp_path, Inline(1))

    assert [row["doc_id"] for row in other.scores] == [row["doc_id"] for row in alone.scores]
    for mine, its in zip(other.scores, alone.scores, strict=True):
        assert mine == its
    assert other.selections == alone.selections
    assert other.draws == alone.draws
    assert other.tokens == alone.tokens


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_writes_the_same_bytes(workers, content, alone, tmp_path):
    engine = Inline(workers)
    try:
        other = made(content, tmp_path, engine)
    finally:
        engine.close()

    assert other == alone


@pytest.mark.ray
def test_ray_writes_the_same_bytes(ray_session, content, alone, tmp_path):
    from curator.engine.on_ray import OnRay

    assert made(content, tmp_path, OnRay(2)) == alone


def test_arms_differ_so_that_equal_hashes_say_something(alone):
    assert len(set(alone.selections.values())) == len(alone.selections)
    assert all(len(row) > 6 for row in alone.scores)
