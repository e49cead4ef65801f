from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.evaluate.language_models import load_language_model
from curator.evaluate.losses import LossColumns, corpus_losses, read_losses
from curator.identity import fingerprint
from curator.score.likelihood import document_bits
from curator.stage import Site
from curator.testing import check_scorer, corpus, documents, example_texts, tiny_language_model
from tests.support.planted_losses import loss_table, pool


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    folder = tmp_path_factory.mktemp("models")
    return tuple(
        str(tiny_language_model(folder / f"m{n}", seed=n, uniform=n == 2)) for n in range(3)
    )


def test_losses_keep_the_contract(models):
    scored = check_scorer(LossColumns(models, documents=20, context=64))

    assert scored["loss_bits"].type == pa.list_(pa.float64())


def scored(stage: LossColumns, texts: list[str], folder: Path) -> pa.Table:
    folder.mkdir(exist_ok=True)
    stage.fit({"raw": corpus(folder, texts)}, folder, Site())
    return stage.process(stage.load(Site(fitted=folder)), documents(texts))


def test_each_document_is_scored_alone_by_every_model(models, tmp_path: Path):
    texts = [*example_texts("raw", 6), "", "short"]
    found = read_losses(scored(LossColumns(models, context=64), texts, tmp_path), 3)
    for k, name in enumerate(models):
        model = load_language_model(name, Site())
        for row, text in enumerate(texts):
            bits, tokens = document_bits(model, [text], context=64)
            assert found.tokens[row, k] == tokens[0]
            if tokens[0]:
                assert found.bits[row, k] == pytest.approx(bits[0], abs=2**-11)
    assert np.isnan(found.bits[6]).all()
    assert found.size.tolist() == [len(text) for text in texts]


def test_a_uniform_model_needs_the_same_bits_for_every_token(models, tmp_path: Path):
    found = read_losses(scored(LossColumns(models, context=64), ["Some text."], tmp_path), 3)

    assert found.bits[0, 2] == pytest.approx(found.tokens[0, 2] * np.log2(288), abs=0.01)


def test_the_score_is_the_mean_over_models_of_bits_per_byte(models, tmp_path: Path):
    table = scored(LossColumns(models, context=64, max_characters=40), ["x y " * 50, ""], tmp_path)
    found = read_losses(table, 3)

    assert table["mean_bits_per_byte"].to_pylist() == [
        pytest.approx(found.bits[0].mean() / 40, abs=6e-5),
        None,
    ]


def test_outside_the_sample_nothing_is_scored(models, tmp_path: Path):
    table = scored(LossColumns(models, documents=5, context=64), example_texts("raw", 12), tmp_path)

    assert table["loss_bits"].null_count == 7
    assert all(table[name].null_count == 7 for name in table.column_names)


def test_where_models_lie_is_not_identity_but_their_content_and_order_are(models, tmp_path: Path):
    moved = str(tiny_language_model(tmp_path / "moved", seed=0))
    names = [
        fingerprint(LossColumns(each).identity())
        for each in (models, (moved, *models[1:]), models[::-1])
    ]

    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "models are missing"),
        ({"models": ("x",), "stride": 0}, "wanted 1 <= stride <= context"),
        ({"models": ("x",), "stride": 300}, "wanted 1 <= stride <= context"),
        ({"models": ("x",), "documents": 0}, "documents=0; wanted 1 or more"),
        ({"models": ("x",), "max_characters": 0}, "max_characters=0; wanted 1 or more"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        LossColumns(**settings)


def test_models_that_read_less_than_the_context_are_refused(models):
    with pytest.raises(RecipeError, match="losses from different windows do not compare"):
        LossColumns(models, context=128).open_models(Site())


def test_losses_of_other_models_are_refused():
    with pytest.raises(RecipeError, match=r"of \[2\] models, 3 are named"):
        read_losses(loss_table([[1, 2]]), 3)


def test_losses_are_read_shard_by_shard_without_what_was_not_scored(tmp_path: Path):
    raw, _ = pool(tmp_path, [[1, 2], None, [3, 4], [np.nan] * 2, [5, 6]], shards=2)
    parts = [found for _, found in corpus_losses(raw, ("a", "b"), ("doc_id",))]

    assert np.concatenate([part.bits for part in parts]).tolist() == [[1, 2], [3, 4], [5, 6]]


def test_models_that_cover_other_documents_are_refused(tmp_path: Path):
    raw, _ = pool(tmp_path, [[1, 2], [np.nan, 4]])
    with pytest.raises(RecipeError, match=r"\{'a': 1\} documents have no loss"):
        list(corpus_losses(raw, ("a", "b")))
