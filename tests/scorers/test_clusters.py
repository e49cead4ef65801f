from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from curator.errors import RecipeError
from curator.select.selector import select
from curator.select.spec import SelectSpec
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.clusters import Clusters
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled

N = 240


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    return Clusters(encoder=str(tiny_encoder(tmp_path_factory.mktemp("encoder"))), clusters=6)


def scored(scorer, table, folder, shards=2):
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return scorer.process(scorer.load(Site(fitted=folder)), table)


def test_a_document_is_in_the_cluster_of_its_nearest_centroid(scorer, tmp_path):
    vectors = clumped(N, 3)
    found = scored(scorer, embedded(vectors), tmp_path)["cluster"].to_numpy()

    centroids = np.load(tmp_path / "centroids.npy")
    assert (found == (vectors @ centroids.T).argmax(axis=1)).mean() > 0.99


def test_neither_cut_nor_order_of_the_pool_matters(scorer, tmp_path):
    table = embedded(clumped(N, 3))
    one, other = (
        scored(scorer, table, tmp_path / "one", 1),
        scored(scorer, shuffled(table), tmp_path / "other", 5),
    )
    for column in one.column_names:
        assert by_id(table, one[column]) == by_id(shuffled(table), other[column])


@pytest.mark.parametrize(("evenness", "power"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)])
def test_weights_go_from_one_for_all_to_a_clusters_documents(scorer, tmp_path, evenness, power):
    table = embedded(clumped(N, 3))
    found = scored(replace(scorer, evenness=evenness), table, tmp_path)
    cluster, weight = found["cluster"].to_numpy(), found["weight"].to_numpy()

    np.testing.assert_allclose(weight, np.bincount(cluster)[cluster] ** power, rtol=1e-6)


def test_a_selection_can_take_as_much_of_every_cluster(scorer, tmp_path):
    table = embedded(clumped(N, 3))
    found = scored(scorer, table, tmp_path)
    frame = pl.DataFrame(
        {
            "doc_id": pl.Series(table["doc_id"].to_pylist(), dtype=pl.Binary),
            "source": table["source"].to_pylist(),
            "tokens": [1] * N,
            "cluster": found["cluster"].to_pylist(),
            "weight": found["weight"].to_pylist(),
        }
    )
    spec = SelectSpec(
        "random", tokens=60, quota_by="cluster", quotas="weight", shortfall="redistribute"
    )

    assert set(select(frame.lazy(), spec).asked.values()) == {10}


def test_a_text_without_tokens_is_in_none(scorer, tmp_path):
    vectors = clumped(N, 3)
    vectors[7] = 0
    found = scored(scorer, embedded(vectors), tmp_path)

    assert [row for row, value in enumerate(found["cluster"].to_pylist()) if value is None] == [7]
    assert found["weight"].null_count == 1


def test_an_evenness_that_is_none_is_refused():
    with pytest.raises(RecipeError, match="evenness is 2"):
        Clusters(evenness=2.0)
