from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.schema import score_field
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.prototypes import Prototypes
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled

N = 200


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Prototypes:
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return Prototypes(encoder=encoder, clusters=4)


def pool(values: np.ndarray, *, better: str = "lower", n: int = N) -> pa.Table:
    field = score_field("novelty", unit="cosine", better=better)
    table = embedded(clumped(n, 3))
    return table.append_column(field, pa.array(values, pa.float32(), mask=np.isnan(values)))


def novelty(n: int = N) -> np.ndarray:
    """Values with many ties, as cosines on a grid have."""
    return np.random.default_rng(1).integers(0, 8, n) / 8


def fitted(scorer: Prototypes, table: pa.Table, folder: Path, shards: int = 2) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return Site(fitted=folder)


def scores(scorer: Prototypes, table: pa.Table, site: Site) -> pa.ChunkedArray:
    return scorer.process(scorer.load(site), table)["distance_to_centroid"]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.75, 1.0])
def test_the_share_is_kept_exactly_and_no_better_one_is_dropped(scorer, tmp_path, share):
    scorer, table = replace(scorer, share=share, clusters=None), pool(novelty())

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    kept = found.is_valid().to_numpy()
    assert kept.sum() == round(share * N)
    assert novelty()[kept].max() <= novelty()[~kept].min(initial=np.inf)


def test_distances_are_to_the_nearest_centroid_of_those_kept(scorer, tmp_path):
    table = pool(novelty())
    site = fitted(scorer, table, tmp_path)
    centroids = np.load(tmp_path / "centroids.npy")

    found = scores(scorer, table, site)

    kept = found.is_valid().to_numpy()
    expected = 1 - (clumped(N, 3) @ centroids.T).max(axis=1)
    np.testing.assert_allclose(found.drop_null().to_numpy(), expected[kept], atol=0.0011)


def test_what_is_dropped_moves_no_centroid(scorer, tmp_path):
    values = novelty()
    values[:100], values[100:] = 0.1, 0.9
    table = pool(values)
    half = replace(scorer, share=0.5)
    alone = replace(scorer, share=1.0)

    fitted(half, table, tmp_path / "half")
    fitted(alone, table.slice(0, 100), tmp_path / "alone")

    one, other = (np.load(tmp_path / each / "centroids.npy") for each in ("half", "alone"))
    np.testing.assert_array_equal(one, other)


def test_neither_cut_nor_order_of_the_pool_matters(scorer, tmp_path):
    table = pool(novelty())
    site = fitted(scorer, table, tmp_path / "one", 1)
    again = fitted(scorer, shuffled(table), tmp_path / "other", 5)

    expected = by_id(table, scores(scorer, table, site))

    assert by_id(shuffled(table), scores(scorer, shuffled(table), again)) == expected


def test_a_score_that_is_better_high_is_taken_from_its_high_end(scorer, tmp_path):
    table = pool(novelty(), better="higher")

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    kept = found.is_valid().to_numpy()
    assert novelty()[kept].min() >= novelty()[~kept].max()


def test_a_score_that_neither_way_is_better_is_refused(scorer, tmp_path):
    with pytest.raises(RecipeError, match="'novelty' declares better='neither'"):
        fitted(scorer, pool(novelty(), better="neither"), tmp_path)


def test_documents_without_a_vector_or_an_earlier_score_get_none(scorer, tmp_path):
    values = novelty()
    values[:5] = np.nan
    table = pool(values)
    at = table.schema.get_field_index("vector")
    vectors = table["vector"].to_pylist()
    vectors[9] = None
    table = table.set_column(at, "vector", pa.array(vectors, pa.list_(pa.float16())))
    every = replace(scorer, share=1.0)

    found = scores(every, table, fitted(every, table, tmp_path)).to_pylist()

    assert [row for row, value in enumerate(found) if value is None] == [0, 1, 2, 3, 4, 9]


@pytest.mark.parametrize("share", [0.0, 1.01, -0.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(RecipeError, match=f"share is {share}"):
        Prototypes(share=share)


def test_more_clusters_than_an_eighth_of_those_kept_are_refused(scorer, tmp_path):
    greedy = replace(scorer, clusters=19, share=0.75)

    with pytest.raises(RecipeError, match="clusters is 19 for 150 documents; wanted 1 to 18"):
        fitted(greedy, pool(novelty()), tmp_path)


def test_a_pool_without_the_earlier_score_is_refused(scorer, tmp_path):
    with pytest.raises(RecipeError, match="no document has a score 'novelty'"):
        fitted(scorer, pool(np.full(N, np.nan)), tmp_path)


def test_vectors_of_another_length_are_refused(scorer, tmp_path):
    site = fitted(scorer, pool(novelty()), tmp_path)
    other = embedded(clumped(20, 3, dimensions=4), novelty=pa.array(novelty(20), pa.float32()))

    with pytest.raises(RecipeError, match=r"vectors of \[4\] numbers; wanted 8"):
        scores(replace(scorer, share=1.0), other, site)


def test_it_names_what_it_reads(scorer):
    renamed = replace(scorer, of="semdedup.similarity")

    assert renamed.scores == ("semdedup",)
    assert renamed.reads == ("doc_id", "vector", "semdedup.similarity")
    assert [stage.name for stage in renamed.beside] == ["embed"]
