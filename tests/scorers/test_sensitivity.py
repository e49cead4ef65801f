from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.sensitivity import Sensitivity
from tests.support.vectors import by_id, column, corpus_of, embedded, shuffled

N, D = 300, 6


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_encoder(tmp_path_factory.mktemp("encoder")))


def rows(seed=0):
    """Return (N, D) rows of unequal lengths, exact in half precision."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(N, D)) * np.exp(rng.normal(size=(N, 1)))
    return found.astype(np.float16).astype(np.float64)


def table_of(matrix):
    return embedded(np.ones((len(matrix), 2))).append_column("gradient", column(matrix))


def scored(scorer, table, folder, shards=2):
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return scorer.process(scorer.load(Site(fitted=folder)), table)["sensitivity"]


def test_at_two_it_is_the_leverage_of_gradients_whose_length_counts(tmp_path):
    matrix = rows()
    found = scored(Sensitivity(model="m"), table_of(matrix), tmp_path).to_numpy()

    expected = np.einsum("nd,de,ne->n", matrix, np.linalg.inv(matrix.T @ matrix), matrix)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["total"] == pytest.approx(D)
    assert report["kind"] == "leverage"


@pytest.mark.parametrize("settings", [{"p": 1.0}, {"p": 3.0}, {"p": 1.0, "root": True}, {}])
def test_neither_cut_nor_order_of_the_pool_matters(settings, tmp_path):
    scorer, table = Sensitivity(model="m", **settings), table_of(rows())
    one = scored(scorer, table, tmp_path / "one", 1)
    other = scored(scorer, shuffled(table), tmp_path / "other", 5)

    assert by_id(table, one) == by_id(shuffled(table), other)


def test_a_document_without_a_gradient_or_with_none_but_zeros_has_none(tmp_path):
    matrix = rows()
    table = table_of(matrix).drop_columns("gradient")
    values = [None, np.zeros(D, np.float16), *matrix.astype(np.float16)[2:]]
    table = table.append_column("gradient", pa.array(values, pa.list_(pa.float16())))

    found = scored(Sensitivity(model="m"), table, tmp_path)

    assert found.is_valid().to_pylist() == [False, False] + [True] * (N - 2)


def test_vectors_have_one_length_and_only_rare_directions_count(encoder, tmp_path):
    table = embedded(rows()).drop_columns("vector")
    unit = np.tile(np.eye(2), (50, 1))
    unit[:50] = [1, 0]
    table = embedded(unit)
    found = scored(Sensitivity(features="vectors", encoder=encoder), table, tmp_path).to_numpy()

    assert found[:50] == pytest.approx(1 / 75, rel=1e-3)
    assert found[51] == pytest.approx(1 / 25, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"p": 0.5}, "p is 0.5; wanted 1 or more"),
        ({"p": 4.0}, "below 4"),
        ({"p": 2.0, "root": True}, "leave `root` out"),
        ({"ridge": -1.0}, "ridge is -1.0"),
        ({"features": "letters"}, "wanted 'gradients' or 'vectors'"),
        ({"model": ""}, "model is missing"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        Sensitivity(**{"model": "m", **settings})


def test_a_shard_without_features_takes_nothing_away(tmp_path):
    table = table_of(rows())
    bare = embedded(np.ones((N + 9, 2))).slice(N)
    bare = bare.append_column("gradient", pa.nulls(9, table.schema.field("gradient").type))
    alone = scored(Sensitivity(model="m", p=1.0), table, tmp_path / "alone", 1)
    whole = pa.concat_tables([bare, table])
    for shards in (1, len(whole) // 9):
        beside = scored(Sensitivity(model="m", p=1.0), whole, tmp_path / str(shards), shards)
        assert beside.to_pylist() == [None] * 9 + alone.to_pylist()


def test_a_pool_of_too_few_directions_needs_a_ridge(tmp_path):
    matrix = rows()
    matrix[:, 0] = matrix[:, 1]
    with pytest.raises(RecipeError, match="5 of 6 directions"):
        scored(Sensitivity(model="m"), table_of(matrix), tmp_path / "none")
    ridged = scored(Sensitivity(model="m", ridge=1e-3), table_of(matrix), tmp_path / "ridge")
    assert ridged.null_count == 0
