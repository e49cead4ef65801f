from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.encoder import open_encoder
from curator.embed.vectors import Embed
from curator.errors import RecipeError
from curator.identity import random_bits
from curator.stage import Corpus, Site
from curator.testing import corpus, documents, example_texts, tiny_encoder
from scorers.best_rank import BestRank, best_ranks
from tests.support.vectors import by_id, clumped, corpus_of, shuffled

TEXTS = example_texts("raw", 90)
TARGETS = example_texts("target", 12)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> BestRank:
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return BestRank(encoder=encoder, documents=1000, share=1.0)


def pool(scorer: BestRank, texts: list[str] = TEXTS, language: list | None = None) -> pa.Table:
    table = documents(texts)
    if language is not None:
        at = table.schema.get_field_index("language")
        table = table.set_column(at, "language", pa.array(language, pa.string()))
    embed = Embed(scorer.encoder)
    return table.append_column("vector", embed.process(embed.load(Site()), table)["vector"])


def benchmarks(folder: Path, **texts: list[str]) -> Corpus:
    parts = [corpus(folder / name, found, source=name) for name, found in texts.items()]
    return Corpus(tuple(shard for part in parts for shard in part.shards))


def fitted(
    scorer: BestRank, table: pa.Table, folder: Path, shards: int = 1, **targets: list[str]
) -> Site:
    folder.mkdir(exist_ok=True)
    corpora = {
        "raw": corpus_of(table, folder / "raw", shards),
        "target": benchmarks(folder / "target", **(targets or {"exam": TARGETS})),
    }
    scorer.fit(corpora, folder, Site())
    return Site(fitted=folder)


def scores(scorer: BestRank, table: pa.Table, site: Site) -> pa.ChunkedArray:
    return scorer.process(scorer.load(site), table)["best_rank"]


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def expected(scorer: BestRank, table: pa.Table, targets: list[str], share: float) -> np.ndarray:
    """The definition: sort everything for every target, take the best rank, margin, chance."""
    vectors = np.array(table["vector"].to_pylist(), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    steps = np.rint((open_encoder(scorer.encoder).encode(targets) @ vectors.T) / 1e-4)
    ids = np.array([list(each) for each in table["doc_id"].to_pylist()], np.uint8)
    n = len(vectors)
    rank, margin = np.full(n, n + 1), np.zeros(n)
    for row in steps:
        order = np.lexsort((random_bits(ids, "best_rank", 0), -row))
        gaps = np.append(-np.diff(row[order]), 20_000)
        for place, document in enumerate(order):
            better = place + 1 < rank[document]
            wider = place + 1 == rank[document] and gaps[place] > margin[document]
            if better or wider:
                rank[document], margin[document] = place + 1, gaps[place]
    order = np.lexsort((random_bits(ids, "best_rank.places", 0), -margin, rank))
    value = np.zeros(n)
    value[order] = 1 - np.arange(n) / n
    return np.where(value > 1 - share, value, np.nan)


def test_places_are_those_of_sorting_everything(scorer: BestRank, tmp_path: Path):
    table = pool(scorer)

    found = scores(scorer, table, fitted(scorer, table, tmp_path)).to_numpy()

    best = expected(scorer, table, TARGETS, share=0.1)
    known = ~np.isnan(best)
    assert known.sum() == 9
    np.testing.assert_allclose(found[known], best[known], rtol=1e-6)
    assert found[~known].max() < found[known].min()


def test_with_all_ranked_every_place_is_taken_once(scorer: BestRank, tmp_path: Path):
    table, every = pool(scorer), replace(scorer, ranked=1.0)

    found = scores(every, table, fitted(every, table, tmp_path)).to_numpy()

    np.testing.assert_allclose(found, expected(every, table, TARGETS, share=1.0), rtol=1e-6)
    np.testing.assert_allclose(np.sort(found), np.arange(1, 91) / 90, rtol=1e-6)


@pytest.mark.parametrize("aggregate", ["max", "mean_log", "mean_reciprocal"])
def test_ranks_are_of_the_whole_sample_however_it_is_cut(scorer, tmp_path, aggregate):
    table, scorer = pool(scorer), replace(scorer, aggregate=aggregate, ranked=0.5)
    whole = fitted(scorer, table, tmp_path / "whole")
    parts = fitted(scorer, shuffled(table), tmp_path / "parts", shards=7)

    found = by_id(table, scores(scorer, table, whole))

    assert by_id(shuffled(table), scores(scorer, shuffled(table), parts)) == found
    files = [(tmp_path / each / "report.json").read_text() for each in ("whole", "parts")]
    assert files[0] == files[1]


def test_a_document_a_little_near_to_everything_does_not_win():
    """A hub has the best mean cosine; ranks see that every target has a nearer document."""
    targets = np.eye(8, dtype=np.float32)[:4]
    hub = np.append(np.full(4, 0.5), np.zeros(4))
    own = np.hstack([np.eye(4) * 0.9, np.eye(4) * np.sqrt(1 - 0.81)])
    vectors = np.vstack([hub, own]).astype(np.float32)
    ids = np.arange(80, dtype=np.uint8).reshape(5, 16)

    rank, _ = best_ranks(targets, ids, vectors, 5)

    assert (vectors @ targets.T).mean(axis=1).argmax() == 0
    assert rank.tolist() == [2, 1, 1, 1, 1]


def test_of_equal_ranks_the_larger_margin_comes_first():
    targets = np.eye(8, dtype=np.float32)[:2]
    angles = np.deg2rad([10, 30, 80, 75])  # margins to the next: 20 and 5 degrees
    vectors = np.zeros((4, 8), np.float32)
    vectors[:2, 0], vectors[:2, 2] = np.cos(angles[:2]), np.sin(angles[:2])
    vectors[2:, 1], vectors[2:, 3] = np.sin(angles[2:]), np.cos(angles[2:])
    ids = np.arange(64, dtype=np.uint8).reshape(4, 16)

    rank, margin = best_ranks(targets, ids, vectors, 1)

    assert rank.tolist() == [1, 0, 1, 0]
    assert margin[0] > margin[2] > 0


def test_lists_are_made_longer_until_enough_documents_are_ranked(scorer, tmp_path):
    copies = [TARGETS[0]] * 3  # examples that all rank the same documents best
    table, half = pool(scorer), replace(scorer, ranked=0.5)

    site = fitted(half, table, tmp_path, exam=[f"{text} {n}" for n, text in enumerate(copies)])

    told = report(tmp_path)
    assert told["ranked_share"] >= 0.5
    assert told["ranks_kept"] >= 15
    found = scores(half, table, site).to_numpy()
    assert (found > 0).sum() == round(told["ranked_share"] * 90)


def test_benchmarks_have_equally_many_examples_unless_all_are_asked_for(scorer, tmp_path):
    table = pool(scorer)
    texts = {"small": TARGETS[:3], "large": example_texts("other", 30)}

    fitted(scorer, table, tmp_path / "balanced", **texts)
    fitted(replace(scorer, balance=False), table, tmp_path / "all", **texts)
    fitted(replace(scorer, targets=2), table, tmp_path / "few", **texts)

    assert report(tmp_path / "balanced")["examples"] == {"large": 3, "small": 3}
    assert report(tmp_path / "all")["examples"] == {"large": 30, "small": 3}
    assert report(tmp_path / "few")["examples"] == {"large": 1, "small": 1}


def test_a_target_can_be_the_mean_of_a_benchmark_or_of_all(scorer, tmp_path):
    table = pool(scorer)
    texts = {"one": TARGETS[:6], "two": TARGETS[6:]}
    fits = {}
    for granularity in ("example", "benchmark", "all"):
        folder = tmp_path / granularity
        fitted(replace(scorer, granularity=granularity), table, folder, **texts)
        fits[granularity] = report(folder)

    assert {name: told["targets"] for name, told in fits.items()} == {
        "example": 12,
        "benchmark": 2,
        "all": 1,
    }
    assert all(told["ranked_share"] >= 0.1 for told in fits.values())


def test_documents_outside_the_sample_have_no_score(scorer, tmp_path):
    table, few = pool(scorer), replace(scorer, documents=20)

    found = scores(few, table, fitted(few, table, tmp_path))

    assert len(found) - found.null_count == 20
    assert report(tmp_path)["documents"] == 20


def test_half_of_a_small_pool_is_left_unjudged(scorer, tmp_path):
    half = replace(scorer, share=0.5)

    fitted(half, pool(half), tmp_path)

    assert report(tmp_path)["documents"] == 45


def test_a_document_that_is_there_twice_counts_once(scorer, tmp_path):
    table = pool(scorer)
    twice = pa.concat_tables([table, table])

    found = scores(scorer, table, fitted(scorer, twice, tmp_path / "twice"))

    assert found.equals(scores(scorer, table, fitted(scorer, table, tmp_path / "once")))


def test_documents_without_tokens_are_not_judged(scorer, tmp_path):
    table = pool(scorer, [*TEXTS[:30], ""])

    found = scores(scorer, table, fitted(scorer, table, tmp_path)).to_pylist()

    assert [row for row, value in enumerate(found) if value is None] == [30]


def test_documents_of_other_languages_are_the_worst_and_are_counted(scorer, tmp_path):
    language = ["de" if row < 10 else "en" for row in range(90)]
    english = replace(scorer, languages=("en",), ranked=1.0)
    table = pool(english, language=language)

    found = scores(english, table, fitted(english, table, tmp_path)).to_numpy()

    assert (found[:10] == 0).all()
    assert found[10:].min() > 0
    assert report(tmp_path)["other_languages"] == {"de": 10}


def test_a_pool_of_several_languages_is_refused_unless_one_is_named(scorer, tmp_path):
    mixed = pool(scorer, language=["de" if row < 40 else "en" for row in range(90)])

    with pytest.raises(RecipeError, match=r"several languages \(en 50, de 40\)"):
        fitted(scorer, mixed, tmp_path / "unnamed")
    with pytest.raises(RecipeError, match="50 of 90 documents are in languages that no example"):
        fitted(replace(scorer, languages=("de",)), mixed, tmp_path / "other")


@pytest.mark.parametrize("texts", [[], ["only one"], ["one", ""]])
def test_fewer_than_two_documents_are_refused(scorer, tmp_path, texts):
    with pytest.raises(RecipeError, match=r"has no documents|1 documents of the pool have"):
        fitted(scorer, pool(scorer, texts), tmp_path)


@pytest.mark.parametrize("texts", [[], [""]])
def test_a_target_that_says_nothing_is_refused(scorer, tmp_path, texts):
    with pytest.raises(RecipeError, match="none with tokens; wanted at least one"):
        fitted(scorer, pool(scorer), tmp_path, exam=texts)


def test_vectors_of_other_dimensions_or_lengths_are_refused(scorer, tmp_path):
    table = pool(scorer)
    at = table.schema.get_field_index("vector")
    for name, vectors, message in (
        ("short", clumped(90, 1, dimensions=4), r"vectors of \[4\] numbers; wanted 8"),
        ("long", clumped(90, 1) * 3, "not of length one"),
    ):
        lists = pa.array(list(vectors.astype(np.float16)), pa.list_(pa.float16()))
        with pytest.raises(RecipeError, match=message):
            fitted(scorer, table.set_column(at, "vector", lists), tmp_path / name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"documents": 1}, "documents is 1"),
        ({"targets": 0}, "targets 0"),
        ({"ranked": 0.0}, "ranked is 0.0"),
        ({"ranked": 1.5}, "ranked is 1.5"),
        ({"share": 0.0}, "share is 0.0"),
    ],
)
def test_settings_that_rank_nothing_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        BestRank(**settings)
