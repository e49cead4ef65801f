from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import check_scorer, corpus, documents, tiny_language_model
from scorers.divergence import Divergence

TEXTS = [f"A text of number {n} " + "and so on " * n for n in range(12)] + [""]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Divergence:
    folder = tmp_path_factory.mktemp("models")
    models = [str(tiny_language_model(folder / str(seed), seed=seed)) for seed in (0, 1)]
    return Divergence(tuple(models), context=64)


def scores(scorer: Divergence, folder: Path) -> dict[str, list]:
    scorer.fit({"raw": corpus(folder / "raw", TEXTS)}, folder, Site())
    return scorer.process(scorer.load(Site(fitted=folder)), documents(TEXTS)).to_pydict()


def test_two_models_are_as_far_apart_either_way_and_losses_the_other_way(
    scorer: Divergence, tmp_path: Path
):
    found = scores(scorer, tmp_path)
    turned = scores(Divergence(scorer.models[::-1], context=64), tmp_path)

    assert found["divergence"] == turned["divergence"]
    assert found["gap"][:-1] == pytest.approx([-gap for gap in turned["gap"][:-1]], abs=1e-6)
    assert all(0 < one <= np.log(2) for one in found["divergence"][:-1])
    assert found["divergence"][-1] is None
    assert found["characters"][:-1] == [len(text) for text in TEXTS[:-1]]


def test_a_sample_is_read_and_the_rest_is_null(scorer: Divergence, tmp_path: Path):
    some = scores(Divergence(scorer.models, context=64, documents=5), tmp_path)["divergence"]
    every = scores(scorer, tmp_path)["divergence"]

    assert 4 <= sum(one is not None for one in some) <= 5  # one may have no text
    assert all(one in (None, other) for one, other in zip(some, every, strict=True))


def test_the_scorer_keeps_the_contract(scorer: Divergence):
    assert check_scorer(scorer).num_rows > 20


def test_models_of_different_tokenizers_are_refused(scorer: Divergence, tmp_path: Path):
    from tokenizers import Tokenizer

    other = tiny_language_model(tmp_path / "other")
    tokenizer = Tokenizer.from_file(str(other / "tokenizer.json"))
    tokenizer.add_tokens(["zebra"])
    tokenizer.save(str(other / "tokenizer.json"))
    mixed = Divergence((scorer.models[0], str(other)), context=64)
    mixed.fit({"raw": corpus(tmp_path / "raw", TEXTS)}, tmp_path, Site())

    with pytest.raises(RecipeError, match="different tokenizers"):
        mixed.load(Site(fitted=tmp_path))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_are_not_two_models_is_refused(count: int):
    with pytest.raises(RecipeError, match="wanted two"):
        Divergence(("m",) * count)


def test_losses_that_are_no_numbers_are_refused(
    scorer: Divergence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import torch

    scorer.fit({"raw": corpus(tmp_path / "raw", TEXTS)}, tmp_path, Site())
    model = scorer.load(Site(fitted=tmp_path))
    vocabulary = model.changed.tokenizer.get_vocab_size()
    monkeypatch.setattr(
        model.changed, "logits", lambda t: torch.full((*t.shape, vocabulary), float("nan"))
    )

    with pytest.raises(RecipeError, match="not finite"):
        scorer.process(model, documents(TEXTS))
