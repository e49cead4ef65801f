from __future__ import annotations

import json
import pydoc_data.topics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bench.semantic import planted
from curator.dedup.semantic import SemanticDuplicates
from curator.embed.encoder import open_encoder, unit
from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.novelty import Novelty
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled
from tests.support.wide import cut, run_inline

N = 240


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Novelty:
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return Novelty(encoder=encoder, clusters=5, order="hard")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return embedded(clumped(N, 7))


def fitted(scorer: Novelty, table: pa.Table, folder: Path) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", 2)}, folder, Site())
    return Site(fitted=folder)


def scores(
    scorer: Novelty, table: pa.Table, site: Site, shards: int = 1, partitions: int = 1
) -> dict[bytes, float]:
    tables = cut(table, shards)
    told = pa.concat_tables(run_inline(scorer, tables, partitions, site))
    starts = np.cumsum([0, *(each.num_rows for each in tables)])
    rows = told["row"].to_numpy()
    places = starts[(rows >> np.uint64(40)).astype(int)] + (rows & np.uint64(2**40 - 1))
    found = table.take(pa.array(places.astype(np.int64)))
    assert len(set(places.tolist())) == len(places)
    return by_id(found, told["similarity_to_earlier"])


def test_scores_are_those_of_the_definition(scorer: Novelty, table: pa.Table, tmp_path: Path):
    """In a cluster the farthest from the centroid first, then the longest, then by id."""
    site = fitted(scorer, table, tmp_path)
    vectors = clumped(N, 7)
    centroids = np.load(tmp_path / "centroids.npy")
    steps = np.rint(vectors @ centroids.T * 1000)
    own, cosine = steps.argmax(axis=1), steps.max(axis=1)
    ids, texts = table["doc_id"].to_pylist(), table["text"].to_pylist()
    expected = {}
    for cluster in range(5):
        members = [row for row in range(N) if own[row] == cluster]
        members.sort(key=lambda row: (cosine[row], -len(texts[row]), ids[row]))
        for place, row in enumerate(members):
            products = [float(vectors[row] @ vectors[other]) for other in members[:place]]
            expected[ids[row]] = max(products, default=-1.0)

    found = scores(replace(scorer, mode="paper"), table, site)

    assert found.keys() == expected.keys()
    # A cosine on the border of two steps may order its cluster in another way: a few rows.
    near = [abs(found[each] - expected[each]) < 0.0011 for each in found]
    assert np.mean(near) > 0.97


@pytest.mark.parametrize("mode", ["kept_only", "paper"])
@pytest.mark.parametrize("order", ["hard", "easy", "survivors"])
def test_a_threshold_keeps_what_semantic_deduplication_keeps(scorer, table, tmp_path, mode, order):
    scorer = replace(scorer, mode=mode, order=order, eps=0.04)
    site = fitted(scorer, table, tmp_path)
    stage = SemanticDuplicates(eps=0.04, mode=mode, order=order)
    removed = pa.concat_tables(run_inline(stage, [table], 3, site))

    found = scores(scorer, table, site)

    away = {each for each, value in found.items() if np.float32(value) > np.float32(0.96)}
    assert away == set(removed["dropped_id"].to_pylist())
    assert away


@pytest.mark.parametrize("order", ["hard", "easy", "survivors", "random"])
@pytest.mark.parametrize("assign", [1, 2])
def test_neither_cut_nor_order_of_the_pool_matters(scorer, table, tmp_path, order, assign):
    scorer = replace(scorer, order=order, assign=assign)
    site = fitted(scorer, table, tmp_path / "one")
    again = fitted(scorer, shuffled(table), tmp_path / "other")

    expected = scores(scorer, table, site)

    assert scores(scorer, shuffled(table), again, shards=4, partitions=6) == expected
    assert len(expected) == N


def test_two_alike_in_two_clusters_are_found_by_assigning_twice(scorer, tmp_path):
    angles = np.deg2rad([0, 1, 2, 3, 4, 5, 6, 7, 88, 89, 90, 91, 92, 93, 94, 95, 45, 45.4])
    vectors = np.zeros((18, 8), np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    table = embedded(vectors)
    pair = table["doc_id"].to_pylist()[16:]
    once = replace(scorer, clusters=2, mode="paper")
    site = fitted(once, table, tmp_path)
    centroids = np.zeros((2, 8), np.float32)  # the border runs between the last two
    centroids[:, :2] = [[1, 0], [0, 1]]
    np.save(tmp_path / "centroids.npy", centroids)

    apart = scores(once, table, site)
    together = scores(replace(once, assign=2), table, site)

    assert all(apart[each] < 0.8 for each in pair)
    assert max(together[each] for each in pair) > 0.999
    assert min(together[each] for each in pair) < 0.8  # only the later one goes


def test_another_seed_gives_another_random_order(scorer, table, tmp_path):
    random = replace(scorer, order="random")
    site = fitted(random, table, tmp_path)

    assert scores(random, table, site) != scores(replace(random, seed=1), table, site)


def test_a_document_without_a_vector_gets_no_score(scorer, tmp_path):
    vectors = clumped(60, 1)
    vectors[7] = 0
    table = embedded(vectors)

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    assert set(table["doc_id"].to_pylist()) - set(found) == {table["doc_id"][7].as_py()}


def test_the_fit_says_what_it_learned_from(scorer, table, tmp_path):
    fitted(scorer, table, tmp_path)

    report = json.loads((tmp_path / "report.json").read_text())
    assert report == {"clusters": 5, "documents": N, "sampled": N, "seed": 0}


@pytest.mark.parametrize("eps", [0.0, 0.0004, 2.0, -0.1])
def test_a_distance_that_no_two_vectors_have_is_refused(eps):
    with pytest.raises(RecipeError, match=f"eps is {eps}; wanted a cosine distance in"):
        Novelty(eps=eps)


def test_counts_below_one_are_refused():
    with pytest.raises(RecipeError, match="assign is 0"):
        Novelty(assign=0)
    with pytest.raises(RecipeError, match="clusters 0"):
        Novelty(clusters=0)


def test_more_clusters_than_an_eighth_of_the_documents_are_refused(scorer, table, tmp_path):
    with pytest.raises(RecipeError, match="clusters is 31 for 240 documents; wanted 1 to 30"):
        fitted(replace(scorer, clusters=31), table, tmp_path)


def test_vectors_without_direction_are_refused(scorer, table, tmp_path):
    site = fitted(scorer, table, tmp_path)
    broken = embedded(clumped(10, 1) * 0.5)

    with pytest.raises(RecipeError, match="not of length one"):
        fitted(scorer, embedded(clumped(80, 1) * 0.5), tmp_path / "broken")
    with pytest.raises(RecipeError, match="not of length one"):
        run_inline(scorer, [broken], 1, site)


def test_centroids_of_another_encoder_are_refused(scorer, table, tmp_path):
    site = fitted(scorer, table, tmp_path)
    other = tiny_encoder(tmp_path / "other")
    (other / "tokenizer.json").write_text("{}")

    with pytest.raises(RecipeError, match="centroids were learned from vectors of encoder"):
        replace(scorer, encoder=str(other)).load(site)


def test_planted_copies_with_noise_are_found_and_little_else(tmp_path):
    """Five copies of 30 passages of Python's own help, one word of twenty changed."""
    topics = "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items()))
    passages = list(dict.fromkeys(p for p in topics.split("\n\n") if len(p.split()) >= 40))[:400]
    texts, copy_of = planted(passages, 30, np.random.default_rng(0))
    vectors = unit(open_encoder("wordllama").encode(texts).astype(np.float16).astype(np.float32))
    table = embedded(vectors)
    scorer = Novelty(eps=0.1, order="survivors")

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    removed = np.array([found[each] > 0.9005 for each in table["doc_id"].to_pylist()])
    # Of an original and its five copies one may stay: the longest need not be the original.
    family = np.where(copy_of >= 0, copy_of, np.arange(len(texts)))
    of_family = np.isin(family, np.unique(copy_of[copy_of >= 0]))
    assert removed[of_family].sum() >= 0.95 * 5 * 30
    assert removed[~of_family].mean() < 0.05
