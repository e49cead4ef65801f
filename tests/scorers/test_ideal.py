from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.ideal import Ideal
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled

N = 300


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Ideal:
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return Ideal(documents=12, neighbors=5, sets=5000, encoder=encoder)


def fitted(scorer: Ideal, table: pa.Table, folder: Path, shards: int = 3) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return Site(fitted=folder)


def report(site: Site) -> dict:
    return json.loads((site.fitted / "report.json").read_text())


def scores(scorer: Ideal, table: pa.Table, site: Site) -> pa.Table:
    return scorer.process(scorer.load(site), table)


def test_the_documents_chosen_reach_far_more_than_as_many_at_random(scorer: Ideal, tmp_path: Path):
    vectors = clumped(N, 1, clumps=12)
    site = fitted(scorer, embedded(vectors), tmp_path)
    found = scores(scorer, embedded(vectors), site)
    place = found["influence_rank"].to_numpy()
    chosen = np.flatnonzero(~np.isnan(place))

    assert len(chosen) == 12
    assert sorted(place[chosen]) == pytest.approx(1 - np.arange(12)[::-1] / 12)
    gains = found["gain"].to_numpy()[chosen][np.argsort(-place[chosen])]
    assert (np.diff(gains) <= 0).all()
    said = report(site)
    # The choice flatters itself by the sets that it was made from; fresh ones say what is so.
    assert 2 * 12 < said["reached"] < said["reached_by_the_sets"]


def test_equal_texts_do_not_lead_to_themselves(scorer: Ideal, tmp_path: Path):
    vectors = np.repeat(clumped(30, 1), 10, axis=0)  # ten of each: more than five neighbors
    site = fitted(scorer, embedded(vectors), tmp_path)

    assert report(site)["without_edges"] == 0
    assert report(site)["chosen"] == 12


def test_neither_order_nor_shards_change_what_is_chosen(scorer: Ideal, tmp_path: Path):
    table = embedded(clumped(N, 2))
    first = fitted(scorer, table, tmp_path / "a")
    second = fitted(scorer, shuffled(table), tmp_path / "b", shards=7)

    for column in ("influence_rank", "gain"):
        one = by_id(table, scores(scorer, table, first)[column])
        assert one == by_id(table, scores(scorer, table, second)[column])
    assert report(first) == report(second)


def test_no_more_documents_are_looked_at_than_told(scorer: Ideal, tmp_path: Path):
    site = fitted(replace(scorer, among=50), embedded(clumped(N, 2)), tmp_path)

    assert report(site)["among"] == 50


def test_the_release_chooses_by_inflated_cascades(scorer: Ideal, tmp_path: Path):
    table = embedded(clumped(120, 4))
    right = fitted(scorer, table, tmp_path / "right")
    release = replace(scorer, compat="paper_repo")
    theirs = fitted(release, table, tmp_path / "theirs")
    ours, other = (scores(s, table, x) for s, x in ((scorer, right), (release, theirs)))

    # The first of equal out-degrees: the document of the lowest id, whatever it reaches.
    first = other.filter(pc.equal(other["influence_rank"], 1.0))
    assert first["gain"].to_pylist() == [0.0]
    assert ours["influence_rank"].to_pylist() != other["influence_rank"].to_pylist()
    # Nodes activated twice in one step count twice: the total passes the number of documents.
    said = np.nansum(other["gain"].to_numpy())
    assert said > report(right)["reached"]


def test_the_release_way_is_refused_for_many_documents(
    scorer: Ideal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("curator.submodular.release_cascade.MOST", 100)

    with pytest.raises(RecipeError, match="simulate cascades from each of 300"):
        fitted(replace(scorer, compat="paper_repo"), embedded(clumped(N, 2)), tmp_path)


@pytest.mark.parametrize("change", [{"neighbors": N}, {"documents": N}])
def test_as_many_neighbors_or_choices_as_documents_are_refused(
    scorer: Ideal, tmp_path: Path, change: dict
):
    with pytest.raises(RecipeError, match="300 documents have a vector"):
        fitted(replace(scorer, **change), embedded(clumped(N, 2)), tmp_path)


def test_documents_none_of_which_is_near_another_are_refused(scorer: Ideal, tmp_path: Path):
    axes = np.eye(8, dtype=np.float32)
    vectors = np.concatenate([axes, -axes])  # no two with a cosine above 0

    with pytest.raises(RecipeError, match="no node of the graph has an edge"):
        fitted(replace(scorer, documents=3, neighbors=4), embedded(vectors), tmp_path)


def test_a_corpus_without_vectors_is_refused(scorer: Ideal, tmp_path: Path):
    with pytest.raises(RecipeError, match="no document has a vector"):
        fitted(scorer, embedded(np.zeros((5, 8), np.float32)), tmp_path)


@pytest.mark.parametrize("name", ["documents", "neighbors", "among", "sets"])
def test_counts_of_nothing_are_refused(name: str):
    with pytest.raises(RecipeError, match=f"{name}=0"):
        Ideal(**{name: 0})
