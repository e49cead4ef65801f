from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.identity import id_matrix, uniform
from curator.stage import Site
from curator.submodular.engines import naive
from curator.submodular.functions import FacilityLocation, GraphCut, LogDeterminant
from curator.submodular.similarity import STEP, similarities
from curator.testing import tiny_encoder
from scorers.submodular import Submodular
from tests.support.vectors import clumped, corpus_of, embedded, shuffled
from tests.support.wide import cut, run_inline

N = 120
COLUMNS = ("earliness", "gain", "partition")


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Submodular:
    return Submodular(encoder=str(tiny_encoder(tmp_path_factory.mktemp("encoder"))), rows=30)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return embedded(clumped(N, 7))


def fitted(scorer: Submodular, table: pa.Table, folder: Path) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", 2)}, folder, Site())
    return Site(fitted=folder)


def scores(scorer, table, site, shards=1, partitions=1) -> dict[bytes, tuple[float, float, int]]:
    tables = cut(table, shards)
    told = pa.concat_tables(run_inline(scorer, tables, partitions, site))
    starts = np.cumsum([0, *(each.num_rows for each in tables)])
    rows = told["row"].to_numpy()
    places = starts[(rows >> np.uint64(40)).astype(int)] + (rows & np.uint64(2**40 - 1))
    ids = table["doc_id"].take(pa.array(places.astype(np.int64))).to_pylist()
    columns = [told[name].to_pylist() for name in COLUMNS]
    return dict(zip(ids, zip(*columns, strict=True), strict=True))


@pytest.mark.parametrize(
    ("function", "make", "negative"),
    [
        ("facility_location", FacilityLocation, "clip"),
        ("facility_location", FacilityLocation, "shift"),
        ("graph_cut", lambda kernel: GraphCut(kernel, 0.4), "clip"),
        ("log_det", lambda kernel: LogDeterminant(kernel, unit=STEP), "clip"),
    ],
)
def test_documents_are_ranked_as_greedy_takes_them(
    scorer, table, tmp_path, function, make, negative
):
    scorer = replace(scorer, rows=N, function=function, negative=negative)
    found = scores(scorer, table, fitted(scorer, table, tmp_path))
    ids = table["doc_id"].to_pylist()
    chance = uniform(id_matrix(table["doc_id"]), "submodular.ties", 0)
    shift = "shift" if function == "log_det" else negative
    kernel = similarities(clumped(N, 7), negative=shift)

    expected = naive(make(kernel), N, chance=chance)

    unit = 1 if function == "log_det" else STEP
    order = sorted(ids, key=lambda each: -found[each][0])
    assert order == [ids[row] for row in expected.order.tolist()]
    gains = [found[each][1] for each in order]
    np.testing.assert_allclose(gains, expected.gains * unit, rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(
        [found[each][0] for each in order], (N - np.arange(N)) / N, rtol=1e-6
    )


def test_every_document_has_a_gain_at_or_above_zero_and_a_place(scorer, table, tmp_path):
    site = fitted(scorer, table, tmp_path)
    for function in ("facility_location", "graph_cut", "log_det"):
        found = scores(replace(scorer, function=function), table, site)

        assert len(found) == N
        assert min(gain for _, gain, _ in found.values()) >= 0
        for part in {part for *_, part in found.values()}:
            places = sorted(share for share, _, own in found.values() if own == part)
            np.testing.assert_allclose(places, np.arange(1, len(places) + 1) / len(places))


def test_partitions_have_about_the_rows_wanted(scorer, table, tmp_path):
    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    sizes = np.bincount([part for *_, part in found.values()])
    assert len(sizes) == 4
    assert sizes.min() > 15  # binomial around 30, sd 4.7
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == {
        "documents": N, "function": "facility_location", "partitions": 4, "rows": 30,
    }  # fmt: skip


@pytest.mark.parametrize("partition", ["chance", "kmeans"])
@pytest.mark.parametrize("function", ["facility_location", "graph_cut", "log_det"])
def test_neither_cut_nor_order_of_the_pool_matters(scorer, table, tmp_path, partition, function):
    scorer = replace(scorer, partition=partition, function=function)
    site = fitted(scorer, table, tmp_path / "one")
    again = fitted(scorer, shuffled(table), tmp_path / "other")

    expected = scores(scorer, table, site)

    assert scores(scorer, shuffled(table), again, shards=3, partitions=5) == expected
    assert len(expected) == N


def test_clusters_are_partitions_of_what_is_alike(scorer, table, tmp_path):
    clusters = replace(scorer, partition="kmeans", rows=20)
    found = scores(clusters, table, fitted(clusters, table, tmp_path))

    parts = np.array([found[each][2] for each in table["doc_id"].to_pylist()])
    alike = clumped(N, 7) @ clumped(N, 7).T
    same = parts[:, None] == parts[None, :]
    assert alike[same].mean() > alike[~same].mean() + 0.3


def test_another_seed_makes_other_partitions(scorer, table, tmp_path):
    one = scores(scorer, table, fitted(scorer, table, tmp_path / "one"))
    other = replace(scorer, seed=1)

    assert scores(other, table, fitted(other, table, tmp_path / "other")) != one


def test_a_document_without_a_vector_gets_no_score(scorer, tmp_path):
    vectors = clumped(60, 1)
    vectors[7] = 0
    table = embedded(vectors)

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    assert set(table["doc_id"].to_pylist()) - set(found) == {table["doc_id"][7].as_py()}


def test_a_partition_of_one_is_refused(scorer, tmp_path):
    table = embedded(clumped(1, 1))

    with pytest.raises(BudgetError, match="partition 0 has 1 documents; wanted 2 to 20,000"):
        scores(scorer, table, fitted(scorer, table, tmp_path))


def test_a_partition_above_the_largest_is_refused(scorer, table, tmp_path):
    site = fitted(scorer, table, tmp_path)
    small = replace(scorer, largest=30)

    with pytest.raises(BudgetError, match=r"wanted 2 to 30, the `largest`.*change `rows`"):
        scores(small, table, site)


def test_vectors_of_another_encoder_than_that_of_the_fit_are_refused(scorer, table, tmp_path):
    site = fitted(scorer, table, tmp_path)
    other = tiny_encoder(tmp_path / "encoder")
    (other / "tokenizer.json").write_text("{}")

    with pytest.raises(RecipeError, match="partitions were fitted to vectors of"):
        replace(scorer, encoder=str(other)).load(site)
    with pytest.raises(LedgerError, match="was not fitted"):
        scorer.load(Site())


def test_vectors_that_are_not_finite_or_of_length_one_are_refused(scorer, table, tmp_path):
    site = fitted(scorer, table, tmp_path)
    blank = clumped(60, 1)
    blank[3, 2] = np.nan
    for broken in (clumped(60, 1) * 0.5, blank):
        with pytest.raises(RecipeError, match="not finite or not of length one"):
            scores(scorer, embedded(broken), site)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"function": "facility"}, "function is 'facility'"),
        ({"rows": 1}, "rows=1, largest=20000; wanted 2 <= rows <= largest"),
        ({"rows": 500, "largest": 100}, "wanted 2 <= rows <= largest"),
        ({"weight": 0.6}, "weight is 0.6; wanted 0 to 0.5"),
    ],
)
def test_settings_without_meaning_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        Submodular(**settings)
