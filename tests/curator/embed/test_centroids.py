from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.centroids import cluster_count, learn_centroids
from curator.errors import RecipeError
from tests.support.vectors import clumped, corpus_of, embedded, shuffled


def learned(table: pa.Table, folder, shards: int = 1, clusters: int | None = 4, **more):
    corpus = corpus_of(table, folder, shards)
    return learn_centroids(corpus, clusters, purpose="test", seed=3, where="here", **more)


def test_order_and_cut_of_a_corpus_do_not_matter(tmp_path):
    table = embedded(clumped(200, 1))

    one = learned(table, tmp_path / "one")
    other = learned(shuffled(table), tmp_path / "other", shards=3)

    np.testing.assert_array_equal(one.centroids, other.centroids)
    assert one.documents == other.documents == 200


def test_every_clump_gets_a_centroid(tmp_path):
    vectors = clumped(200, 1, clumps=4, spread=0.02)

    centroids = learned(embedded(vectors), tmp_path).centroids

    assert (vectors @ centroids.T).max(axis=1).min() > 0.95


def test_only_documents_that_count_are_learned_from(tmp_path):
    vectors = np.concatenate([np.eye(8)[[0]].repeat(40, 0), np.eye(8)[[1]].repeat(40, 0)])
    table = embedded(vectors.astype(np.float32), score=pa.array(np.arange(80)))

    found = learned(
        table, tmp_path, 2, 1, reads=("score",), counts=lambda t: t["score"].to_numpy() < 40
    )

    np.testing.assert_allclose(found.centroids, np.eye(8)[[0]], atol=1e-6)
    assert found.documents == 40


def test_documents_without_a_vector_do_not_count(tmp_path):
    vectors = clumped(50, 1)
    vectors[:10] = 0

    assert learned(embedded(vectors), tmp_path).documents == 40


def test_there_are_as_many_clusters_as_the_square_root_if_each_can_have_eight():
    assert cluster_count(40_000, None, where="x") == 200
    assert cluster_count(40, None, where="x") == 5
    assert cluster_count(3, None, where="x") == 1


@pytest.mark.parametrize("clusters", [0, 26])
def test_clusters_of_fewer_than_eight_documents_are_refused(clusters):
    with pytest.raises(RecipeError, match=f"clusters is {clusters} for 200 documents; wanted 1 to"):
        cluster_count(200, clusters, where="x")


def test_a_corpus_without_vectors_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="no document has a vector"):
        learned(embedded(np.zeros((5, 8), np.float32)), tmp_path)
