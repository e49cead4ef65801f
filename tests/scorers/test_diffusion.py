from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.diffusion import Diffusion
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Diffusion:
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return Diffusion(clusters=4, neighbors=6, encoder=encoder)


def fitted(scorer: Diffusion, table: pa.Table, folder: Path, shards: int = 3) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return Site(fitted=folder)


def groups(scorer: Diffusion, table: pa.Table, site: Site) -> pa.ChunkedArray:
    return scorer.process(scorer.load(site), table)["group"]


def test_clumps_are_groups_also_of_documents_outside_the_sample(scorer: Diffusion, tmp_path: Path):
    vectors = np.repeat(np.eye(8, dtype=np.float32)[:4], 50, axis=0)
    vectors += np.random.default_rng(0).normal(size=vectors.shape).astype(np.float32) * 0.05
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    table = embedded(vectors.astype(np.float16).astype(np.float32))
    site = fitted(replace(scorer, among=80), table, tmp_path)
    found = groups(scorer, table, site).to_numpy()

    assert [len(set(found[at : at + 50])) for at in range(0, 200, 50)] == [1, 1, 1, 1]
    assert len(set(found)) == 4
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["among"] == sum(report["documents_of_each"]) == 80


def test_neither_order_nor_shards_change_groups(scorer: Diffusion, tmp_path: Path):
    table = embedded(clumped(200, 2))
    first = fitted(scorer, table, tmp_path / "a")
    second = fitted(scorer, shuffled(table), tmp_path / "b", shards=5)

    one = by_id(table, groups(scorer, table, first))
    assert one == by_id(table, groups(scorer, table, second))


def test_a_text_without_a_vector_is_in_no_group(scorer: Diffusion, tmp_path: Path):
    vectors = clumped(100, 2)
    vectors[7] = 0
    table = embedded(vectors)

    assert groups(scorer, table, fitted(scorer, table, tmp_path))[7].as_py() is None


def test_the_release_groups_otherwise_and_few_documents_only(
    scorer: Diffusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table = embedded(clumped(150, 2))
    release = replace(scorer, compat="paper_repo")
    ours = groups(scorer, table, fitted(scorer, table, tmp_path / "a"))
    theirs = groups(release, table, fitted(release, table, tmp_path / "b"))

    assert ours.to_pylist() != theirs.to_pylist()
    monkeypatch.setattr("scorers.diffusion.MOST_DENSE", 100)
    with pytest.raises(RecipeError, match="150 x 150 numbers"):
        fitted(release, table, tmp_path / "c")


def test_as_many_groups_as_documents_are_refused(scorer: Diffusion, tmp_path: Path):
    with pytest.raises(RecipeError, match="20 clusters of 20 vectors"):
        fitted(replace(scorer, clusters=20), embedded(clumped(20, 2)), tmp_path)


@pytest.mark.parametrize("settings", [{"clusters": 1}, {"neighbors": 0}, {"among": 0}])
def test_counts_that_make_no_groups_are_refused(settings: dict):
    with pytest.raises(RecipeError, match="wanted 2 or more"):
        Diffusion(**settings)
