from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from curator.errors import RecipeError
from curator.evaluate import token_odds as module
from curator.evaluate.token_odds import encode, token_odds
from curator.score.pretrained import PretrainedModel
from curator.testing import tiny_language_model
from tests.support.trained import trained_run

TEXTS = ["is it so", "x", "", "a longer question than that, of more tokens " * 3, "a <s> b", "so"]


@pytest.fixture(scope="module", params=["llama", "proxy"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param == "llama":
        folder = tiny_language_model(tmp_path_factory.mktemp("model"))
        return PretrainedModel(folder, device="cpu", threads=1)
    from curator.train.language_model import ProxyModel

    folder = trained_run(TEXTS * 9, tmp_path_factory.mktemp("proxy"), context=64)
    return ProxyModel(folder, device="cpu", threads=1, precision="float32")


def alone(model: Any, ids: np.ndarray) -> torch.Tensor:
    """Return ln p of every token of the vocabulary after each of a text's tokens, in float64."""
    logits = model.logits(ids[None, :-1])[0].double()
    return torch.log_softmax(logits, dim=1)


def test_odds_are_those_of_each_text_by_itself(model: Any):
    offsets, ids = encode(model, TEXTS)
    found = token_odds(model, offsets, ids, context=model.context)
    short = [row for row in range(len(TEXTS)) if offsets[row + 1] - offsets[row] <= model.context]

    assert len(short) >= 5
    for row in short:
        text = ids[offsets[row] : offsets[row + 1]]
        assert found.nats[offsets[row]] == 0
        if len(text) > 1:
            by_itself = alone(model, text)[torch.arange(len(text) - 1), text[1:]]
            np.testing.assert_allclose(
                found.nats[offsets[row] + 1 : offsets[row + 1]], by_itself.numpy(), atol=1e-4
            )


def test_candidates_are_the_likeliest_tokens_where_the_model_is_sure(model: Any):
    offsets, ids = encode(model, TEXTS)
    found = token_odds(model, offsets, ids, context=model.context, candidates=3, above=0.004)

    np.testing.assert_array_equal(
        found.sites, np.flatnonzero((np.exp(found.nats) > 0.004) & (found.nats != 0))
    )
    assert len(found.sites)
    for site, tokens, nats in zip(found.sites, found.candidates, found.candidate_nats, strict=True):
        row = int(np.searchsorted(offsets, site, side="right")) - 1
        text = ids[offsets[row] : offsets[row + 1]]
        if len(text) > model.context:
            continue
        best = alone(model, text)[site - offsets[row] - 1].topk(3)
        np.testing.assert_allclose(nats, best.values.numpy(), atol=1e-4)
        assert set(tokens.tolist()) == set(best.indices.tolist())


def test_texts_beyond_the_context_are_judged_once_with_half_a_context_before(model: Any):
    offsets, ids = encode(model, [TEXTS[3] * 4])
    context = 16
    found = token_odds(model, offsets, ids, context=context)

    assert len(ids) > 2 * context
    for begin in range(0, len(ids) - context - 1, context // 2):
        by_itself = alone(model, ids[begin : begin + context + 1])
        fresh = np.arange(context // 2 if begin else 0, context)
        np.testing.assert_allclose(
            found.nats[begin + 1 + fresh],
            by_itself[fresh, ids[begin + 1 + fresh]].numpy(),
            atol=1e-4,
        )


def test_long_texts_stand_alone_and_short_ones_share_rows(
    model: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_ROW", 24)
    offsets, ids = encode(model, TEXTS * 4)
    widths = []
    logits = model.logits

    def watched(tokens: np.ndarray, blocks: np.ndarray | None = None) -> torch.Tensor:
        widths.append((blocks is not None, tokens.shape[1]))
        return logits(tokens, blocks)

    monkeypatch.setattr(model, "logits", watched)
    packed = token_odds(model, offsets, ids, context=model.context)
    monkeypatch.setattr(module, "_ROW", 1)
    apart = token_odds(model, offsets, ids, context=model.context)

    assert any(shared and width <= 24 for shared, width in widths)
    assert any(not shared and width > 24 for shared, width in widths)
    np.testing.assert_allclose(packed.nats, apart.nats, atol=1e-4)


def test_there_are_no_more_candidates_than_tokens(model: Any):
    offsets, ids = encode(model, ["a b c d e f"])
    size = model.logits(np.array([[model.first_token]])).shape[2]

    found = token_odds(model, offsets, ids, context=8, candidates=size + 1, above=1e-9)

    assert found.candidates.shape == (len(found.sites), size)


def test_no_texts_have_no_odds(model: Any):
    offsets, ids = encode(model, [])
    found = token_odds(model, offsets, ids, context=8, candidates=2, above=0.5)

    assert len(found.nats) == 0
    assert found.candidates.shape == (0, 2)


def test_a_tokenizer_of_another_model_is_refused(model: Any):
    ids = np.array([model.first_token, 10_000_000])

    with pytest.raises(RecipeError, match="the tokenizer is another model's"):
        token_odds(model, np.array([0, 2]), ids, context=8)
