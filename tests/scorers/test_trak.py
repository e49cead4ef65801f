from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.influence.sketch import Sketch
from curator.schema import vector_matrix
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import check_scorer, corpus, documents, example_texts
from scorers.trak import Trak
from tests.support.trained import trained_run

TEXTS = example_texts("raw", 24)
EXAMPLES = example_texts("target", 5)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    texts = example_texts("raw", 60)
    return tuple(
        str(trained_run(texts, folder / str(seed), seed=seed, optimizer="muon")) for seed in (1, 2)
    )


def with_sketches(scorer: Trak, texts: list[str]) -> pa.Table:
    table = documents(texts)
    for stage in scorer.beside:
        made = stage.process(stage.load(Site()), table)
        for column in made.column_names:
            table = table.append_column(made.schema.field(column), made[column])
    return table


def fitted(scorer: Trak, table: pa.Table, folder: Path) -> Site:
    folder.mkdir(exist_ok=True)
    shard = write_shard(table, folder / "raw.arrow", name="raw")
    target = corpus(folder / "target", EXAMPLES, source="exam")
    scorer.fit({"target": target, "raw": Corpus((shard,))}, folder, Site())
    return Site(fitted=folder)


def scores(scorer: Trak, table: pa.Table, site: Site) -> np.ndarray:
    return scorer.process(scorer.load(site), table)["trak"].to_numpy(zero_copy_only=False)


def test_scores_are_those_of_the_paper(runs, tmp_path):
    scorer = Trak(models=runs, dimensions=64, ridge=0.3, layers=("blocks",))
    table = with_sketches(scorer, TEXTS)

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    expected = np.zeros(len(TEXTS))
    for number, run in enumerate(runs):
        phi = vector_matrix(table[f"gradient{number}"]).astype(np.float64)
        stage = Sketch(run, 64, output="margin")
        made = stage.process(stage.load(Site()), documents(EXAMPLES, source="exam"))
        examples = vector_matrix(made["gradient"]).astype(np.float64)
        kernel = phi.T @ phi
        kernel += 0.3 * np.trace(kernel) / 24 * np.eye(64)  # as 24 documents have rank 24
        p = table[f"gradient{number}_probability"].to_numpy()
        expected += (examples @ np.linalg.inv(kernel) @ phi.T).mean(axis=0) * (1 - p)
    # A unit of its own, so up to one factor; the grid is 0.0001 of numbers of about 1.
    np.testing.assert_allclose(
        found, expected * (found @ expected) / (expected @ expected), atol=3e-4
    )
    assert 0.2 < np.sqrt(np.mean(found**2)) < 2


def test_what_all_documents_share_is_divided_out(runs, tmp_path):
    """With a large ridge it is the plain inner product, which a common direction rules."""
    table = with_sketches(Trak(models=runs[:1], dimensions=64), TEXTS)
    phi = vector_matrix(table["gradient0"]).astype(np.float64)
    common = phi.mean(axis=0) / np.linalg.norm(phi.mean(axis=0))
    shares = {}
    for ridge in (0.01, 1e6):
        scorer = Trak(models=runs[:1], dimensions=64, ridge=ridge)
        fitted(scorer, table, tmp_path / str(ridge))
        (pull,) = np.load(tmp_path / str(ridge) / "pulls.npy")[0]
        shares[ridge] = (pull @ common) ** 2 / (pull @ pull)

    assert shares[0.01] < 0.5 * shares[1e6]


def test_it_needs_no_optimizer_state(runs, tmp_path):
    for run in runs:  # of Muon
        assert (
            json.loads((Path(run) / "run.json").read_text())["proxy"]["rates"]["optimizer"]
            == "muon"
        )
    scorer = Trak(models=runs[:1], dimensions=32)
    table = with_sketches(scorer, TEXTS)

    assert len(scores(scorer, table, fitted(scorer, table, tmp_path))) == len(TEXTS)


def test_too_few_documents_without_a_ridge_are_refused(runs, tmp_path):
    scorer = Trak(models=runs[:1], dimensions=64, ridge=0.0)

    with pytest.raises(
        RecipeError, match="gradients of 24 documents in 64 dimensions with ridge 0"
    ):
        fitted(scorer, with_sketches(scorer, TEXTS), tmp_path)


def test_the_contract_is_kept(runs):
    check_scorer(Trak(models=runs[:1], dimensions=32))


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(RecipeError, match="ridge is -1"):
        Trak(models=("x",), ridge=-1)
    with pytest.raises(RecipeError, match="ridge is inf"):
        Trak(models=("x",), ridge=float("inf"))
    with pytest.raises(RecipeError, match="models are missing"):
        replace(Trak(models=("x",)), models=())
