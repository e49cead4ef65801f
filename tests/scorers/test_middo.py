"""Each diagnosis flags its own kind, nobody in clean text, and refuses what it cannot measure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.score.flags import Bounds, learn_bounds
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.middo import Complexity, Diversity, Quality
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled


def fitted(scorer, table: pa.Table, folder: Path, shards: int = 3) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return Site(fitted=folder)


def scored(scorer, table: pa.Table, folder: Path, shards: int = 3) -> pa.Table:
    site = fitted(scorer, table, folder, shards)
    return scorer.process(scorer.load(site), table)


def of(**columns) -> pa.Table:
    count = len(next(iter(columns.values())))
    plain = embedded(clumped(count, 0))
    for name, values in columns.items():
        plain = plain.append_column(name, pa.array(values, pa.float32()))
    return plain


def test_limits_are_the_mean_and_deviations_of_numpy_or_the_floor():
    rows = np.random.default_rng(0).normal(5, 2, (500, 2))
    bounds, report = learn_bounds(
        [rows[:100], rows[100:]], deviations=1.5, floor=8.0, most_missing=0, where="x"
    )
    moving = rows.mean(0) + 1.5 * rows.std(0)

    np.testing.assert_allclose(bounds.limits, np.maximum(moving, 8.0), rtol=1e-12)
    assert report["flagged"] == (rows > np.maximum(moving, 8.0)).all(1).sum()
    assert report["flagged_without_floor"] == (rows > moving).all(1).sum() > report["flagged"]


def test_bounds_do_not_depend_on_the_order_of_rows():
    rows = (
        np.random.default_rng(1).lognormal(size=(999, 1))
        * 10.0 ** np.arange(-4, 5).repeat(111)[:, None]
    )
    one, _ = learn_bounds([rows], deviations=1, floor=0, most_missing=0, where="x")
    other, _ = learn_bounds([rows[::-1]], deviations=1, floor=0, most_missing=0, where="x")

    assert one == other


def test_excess_is_the_least_distance_in_deviations():
    bounds = Bounds((1.0, 10.0), (0.5, 5.0), (0.0, 0.0))

    assert bounds.excess(np.array([[2.0, 15.0], [2.0, 0.0]])).tolist() == [1.0, -2.0]


def test_too_hard_is_high_under_both_models(tmp_path):
    before = [2.0] * 17 + [6.0, 6.0, 2.0]
    after = [1.5] * 17 + [5.0, 1.5, 5.0]
    found = scored(Complexity(), of(before=before, after=after), tmp_path)

    assert np.flatnonzero(found["flagged"]).tolist() == [17]


def test_clean_text_has_nobody_flagged_though_somebody_is_always_beyond_a_deviation(tmp_path):
    bits = np.random.default_rng(2).normal(1.8, 0.05, 200)
    table = of(before=bits, after=bits - 0.3)
    found = scored(Complexity(), table, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())

    assert sum(found["flagged"].to_pylist()) == 0
    assert report["flagged_without_floor"] > 10


def test_alike_documents_are_not_flagged(tmp_path):
    found = scored(Complexity(floor=0.0), of(before=[5.0] * 9, after=[5.0] * 9), tmp_path)

    assert found["flagged"].to_pylist() == [0] * 9
    assert found["excess"].to_pylist() == [0.0] * 9


def test_badly_rated_is_below_the_mean_grade_of_all_judges(tmp_path):
    names = ("clarity", "completeness", "factuality")
    grades = {name: [8.0] * 19 + [2.0] for name in names}
    grades["clarity"][3] = 5.0
    found = scored(Quality(), of(**grades), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())

    assert np.flatnonzero(found["flagged"]).tolist() == [19]
    assert report["limits"] == [5.0]
    assert report["means"][0] == pytest.approx(np.mean([8.0] * 18 + [7.0, 2.0]), abs=1e-4)


@pytest.mark.parametrize("missing", [2, 20])
def test_too_many_missing_scores_are_refused(tmp_path, missing):
    grades = [7.0] * (40 - missing) + [None] * missing
    scorer = Quality(grades=("g",))
    if missing == 2:
        assert scored(scorer, of(g=grades), tmp_path)["flagged"].null_count == 2
    else:
        with pytest.raises(RecipeError, match="20 of 40 documents have no value"):
            scored(scorer, of(g=grades), tmp_path)


def test_a_loss_under_one_model_alone_counts_as_missing(tmp_path):
    before, after = [2.0] * 40, [1.0] * 40
    before[0] = after[1] = None
    found = scored(Complexity(most_missing=0.1), of(before=before, after=after), tmp_path)

    assert found["flagged"].null_count == 2
    with pytest.raises(RecipeError, match="2 of 40 documents"):
        fitted(Complexity(most_missing=0.04), of(before=before, after=after), tmp_path / "b")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_encoder(tmp_path_factory.mktemp("encoder")))


def test_nearness_is_the_mean_cosine_of_the_two_nearest_others(encoder, tmp_path):
    vectors = clumped(80, 3)
    table = embedded(vectors)
    found = scored(Diversity(encoder=encoder), table, tmp_path)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    wanted = np.sort(cosines, axis=1)[:, -2:].mean(axis=1)

    np.testing.assert_allclose(found["nearness"].to_numpy(), wanted, atol=1e-3)


def test_alone_is_far_from_its_two_nearest_and_a_pair_is_not_two(encoder, tmp_path):
    vectors = np.zeros((50, 8), np.float32)
    vectors[:46] = np.eye(8, dtype=np.float32)[np.arange(46) % 3]
    vectors[46], vectors[47:49] = np.eye(8)[5], np.eye(8)[6]  # alone; a pair of duplicates
    found = scored(Diversity(encoder=encoder), embedded(vectors), tmp_path)

    # The last has no vector. Of a pair each has one near neighbor: a mean of 0.5, not below it.
    assert np.flatnonzero(found["flagged"].fill_null(0)).tolist() == [46]
    assert found["flagged"].to_pylist()[49] is None


def test_neither_order_nor_shards_change_a_diagnosis(encoder, tmp_path):
    table, scorer = embedded(clumped(120, 4)), Diversity(encoder=encoder, among=60, floor=1.0)
    one = scored(scorer, table, tmp_path / "a", shards=1)
    other = shuffled(table)
    two = scored(scorer, other, tmp_path / "b", shards=5)

    for name in scorer.writes.names:
        assert by_id(table, one[name]) == by_id(other, two[name])


def test_fewer_than_three_documents_have_no_two_neighbors(encoder, tmp_path):
    with pytest.raises(RecipeError, match="2 documents have a vector"):
        fitted(Diversity(encoder=encoder), embedded(clumped(2, 0)), tmp_path, shards=1)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Complexity, {"before": "a", "after": "a"}),
        (Complexity, {"deviations": -1.0}),
        (Complexity, {"floor": float("nan")}),
        (Quality, {"grades": ()}),
        (Quality, {"grades": ("a", "a")}),
        (Quality, {"most_missing": 1.5}),
        (Diversity, {"among": 2}),
    ],
)
def test_settings_that_diagnose_nothing_are_refused(kind, settings):
    with pytest.raises(RecipeError):
        kind(**settings)


def test_nothing_is_diagnosed_before_a_fit():
    with pytest.raises(RecipeError, match="has not been fitted"):
        Complexity().load(Site())
