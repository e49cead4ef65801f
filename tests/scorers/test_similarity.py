from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.identity import fingerprint
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


def scores(scorer: Similarity, site: Site, texts: list[str]) -> list[float | None]:
    return scorer.process(scorer.load(site), documents(texts))["similarity"].to_pylist()


def test_a_target_example_scores_one(scorer: Similarity, tmp_path: Path):
    assert scores(scorer, fitted(scorer, tmp_path), TARGET[:3]) == [1.0, 1.0, 1.0]


def test_scores_are_cosines_on_the_grid(scorer: Similarity, tmp_path: Path):
    site = fitted(scorer, tmp_path)
    texts = example_texts("raw", 20)
    vectors = scorer.load(site).encoder.encode(texts).astype(np.float64)
    cosines = vectors @ np.load(tmp_path / "targets.npy").T.astype(np.float64)
    found = np.array(scores(scorer, site, texts))

    np.testing.assert_allclose(found, cosines.max(axis=1), atol=0.00005 + 1e-6)  # half the grid
    np.testing.assert_allclose(found * 1e4, np.rint(found * 1e4), atol=1e-3)  # float32


def test_the_mean_of_the_nearest_is_of_the_nearest(scorer: Similarity, tmp_path: Path):
    site = fitted(scorer, tmp_path)
    texts = example_texts("raw", 10)
    vectors = scorer.load(site).encoder.encode(texts).astype(np.float64)
    cosines = np.sort(vectors @ np.load(tmp_path / "targets.npy").T.astype(np.float64), axis=1)
    found = scores(replace(scorer, aggregate="mean_topk", k=3), site, texts)

    np.testing.assert_allclose(found, cosines[:, -3:].mean(axis=1), atol=0.00005 + 1e-6)


def test_a_text_without_tokens_has_no_score(scorer: Similarity, tmp_path: Path):
    assert scores(scorer, fitted(scorer, tmp_path), [""]) == [None]


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
