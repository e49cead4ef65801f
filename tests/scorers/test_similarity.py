from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.vectors import Embed
from curator.errors import RecipeError
from curator.identity import fingerprint
from curator.schema import vector_matrix
from curator.stage import Site
from curator.testing import corpus, documents, example_texts, tiny_encoder
from scorers.similarity import Similarity

TARGET = example_texts("target", 25)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Similarity:
    return Similarity(encoder=str(tiny_encoder(tmp_path_factory.mktemp("encoder"))))


def fitted(scorer: Similarity, folder: Path, texts: list[str] = TARGET) -> Site:
    scorer.fit({"target": corpus(folder / "target", texts, shards=2)}, folder, Site())
    return Site(fitted=folder)


def embedded(scorer: Similarity, texts: list[str]) -> pa.Table:
    embed = scorer.beside[0]
    return embed.process(embed.load(Site()), documents(texts))


def scores(scorer: Similarity, site: Site, texts: list[str]) -> list[float | None]:
    return scorer.process(scorer.load(site), embedded(scorer, texts))["similarity"].to_pylist()


def cosines(scorer: Similarity, folder: Path, texts: list[str]) -> np.ndarray:
    vectors = vector_matrix(embedded(scorer, texts)["vector"]).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ np.load(folder / "targets.npy").T.astype(np.float64)


def test_a_target_example_scores_one(scorer: Similarity, tmp_path: Path):
    assert scores(scorer, fitted(scorer, tmp_path), TARGET[:3]) == [1.0, 1.0, 1.0]


def test_scores_are_cosines_on_the_grid(scorer: Similarity, tmp_path: Path):
    site = fitted(scorer, tmp_path)
    texts = example_texts("raw", 20)
    found = np.array(scores(scorer, site, texts))

    nearest = cosines(scorer, tmp_path, texts).max(axis=1)
    np.testing.assert_allclose(found, nearest, atol=0.00005 + 1e-6)  # half the grid
    np.testing.assert_allclose(found * 1e4, np.rint(found * 1e4), atol=1e-3)  # float32


def test_the_mean_of_the_nearest_is_of_the_nearest(scorer: Similarity, tmp_path: Path):
    site = fitted(scorer, tmp_path)
    texts = example_texts("raw", 10)
    nearest = np.sort(cosines(scorer, tmp_path, texts), axis=1)[:, -3:]
    found = scores(replace(scorer, aggregate="mean_topk", k=3), site, texts)

    np.testing.assert_allclose(found, nearest.mean(axis=1), atol=0.00005 + 1e-6)


def test_a_text_without_tokens_has_no_score(scorer: Similarity, tmp_path: Path):
    assert scores(scorer, fitted(scorer, tmp_path), [""]) == [None]


def test_a_vector_without_direction_or_of_another_encoder_is_refused(
    scorer: Similarity, tmp_path: Path
):
    site = fitted(scorer, tmp_path)
    for vectors, message in (
        ([[0.0] * 8], "no length"),
        ([[float("inf")] * 8], "not finite"),
        ([[1.0] * 7], "vectors of 8 dimensions"),
        ([[1.0] * 8, [1.0] * 7], r"lengths \[8, 7\]"),
    ):
        table = pa.table({"vector": pa.array(vectors, pa.list_(pa.float16()))})
        with pytest.raises(RecipeError, match=message):
            scorer.process(scorer.load(site), table)


def test_documents_are_read_as_vectors_that_one_stage_makes_for_all(scorer: Similarity):
    assert scorer.reads == ("vector",)
    assert scorer.beside == (Embed(scorer.encoder, scorer.max_characters),)


def test_only_the_beginning_counts(scorer: Similarity, tmp_path: Path):
    short = replace(scorer, max_characters=10)
    site = fitted(short, tmp_path)

    assert scores(short, site, ["ten letters and others"]) == scores(short, site, ["ten letter!"])


def test_targets_are_kept_by_id_up_to_a_limit(scorer: Similarity, tmp_path: Path):
    few = replace(scorer, targets=5)
    fitted(few, tmp_path, TARGET * 2)

    assert json.loads((tmp_path / "report.json").read_text())["targets"] == 5


@pytest.mark.parametrize("texts", [[], [""]])
def test_a_target_that_says_nothing_is_refused(scorer: Similarity, tmp_path: Path, texts: list):
    with pytest.raises(RecipeError, match="wanted at least one"):
        fitted(scorer, tmp_path, texts)


def test_where_the_encoder_lies_is_not_identity_but_what_it_is(scorer: Similarity, tmp_path: Path):
    moved = replace(scorer, encoder=str(tiny_encoder(tmp_path / "moved")))
    other = replace(scorer, encoder=str(tiny_encoder(tmp_path / "other")))
    (tmp_path / "other" / "tokenizer.json").write_text("{}")

    assert fingerprint(moved.identity()) == fingerprint(scorer.identity())
    assert fingerprint(other.identity()) != fingerprint(scorer.identity())


def test_an_absent_encoder_is_found_missing_before_anything_runs():
    with pytest.raises(RecipeError, match="hf download nobody/nothing"):
        Similarity(encoder="nobody/nothing").identity()
