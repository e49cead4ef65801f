"""Memorization: greedy continuations against a loop, and repeats found where they were planted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from curator.errors import BudgetError, RecipeError
from curator.evaluate.memorization import (
    Sequences,
    greedy,
    matched_share,
    memorization,
    training_sequences,
)
from curator.train.loader import open_mixture
from curator.train.model import Gpt
from curator.train.proxy import Shape
from curator.train.tokenizer import encode
from tests.support.learned import learned
from tests.support.mixtures import write_mixture


@pytest.fixture(scope="module")
def model():
    shape = Shape(vocab_size=50, context=32, depth=1, width=32, heads=1)
    model = Gpt(shape, seed=3)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(1))
    return model.eval()


def test_a_greedy_token_is_the_likeliest_by_the_models_own_bits(model):
    prefix = np.random.default_rng(0).integers(0, 50, (3, 5))

    found = greedy(model, prefix, 4)

    for row, start in enumerate(prefix):
        text = list(start)
        for token in found[row]:
            inputs = torch.tensor([text] * 50)
            targets = torch.zeros_like(inputs)
            targets[:, -1] = torch.arange(50)
            assert token == model.bits(inputs, targets)[:, -1].argmin()
            text.append(token)


def test_text_learned_by_heart_is_extractable_and_new_text_is_not(tmp_path):
    random = np.random.default_rng(5)
    words = ["".join(chr(97 + c) for c in random.integers(0, 26, 5)) for _ in range(80)]
    known = " ".join(random.permutation(words)[:60])
    fresh = " ".join(random.permutation(words)[:60])
    model, tokenizer = learned([known] * 12, tmp_path, steps=70)
    offsets, ids = encode(tokenizer, pa.array([known, fresh], pa.large_string()))
    rows = np.stack([ids[a + 1 : a + 41] for a in offsets[:-1]]).astype(np.int64)

    table = memorization(model, Sequences(rows, np.array([12, 1])), prefix=16)

    assert table["copies"].to_pylist() == [1, 8]
    assert table["extractable"].to_pylist() == [0.0, 1.0]
    assert matched_share(model, rows, prefix=16)[1] < 0.5


def test_sequences_come_from_every_number_of_copies(tmp_path):
    documents = [("s", [number, *range(1, 20)]) for number in range(20, 50)]
    folder = write_mixture(tmp_path / "m", documents + documents[:2] * 3)

    found = training_sequences(open_mixture(folder), count=4, length=10)

    assert sorted(found.copies.tolist()) == [1, 1, 4, 4]
    assert found.ids.shape == (4, 10)
    assert found.ids[:, 0].min() >= 20  # the token that begins a document is left out


def test_sequences_longer_than_any_document_are_refused(tmp_path):
    folder = write_mixture(tmp_path / "m", [("s", [1, 2, 3])])

    with pytest.raises(BudgetError, match="none of 1 documents has 10 tokens"):
        training_sequences(open_mixture(folder), count=4, length=10)


def test_what_does_not_fit_the_context_is_refused(model):
    with pytest.raises(RecipeError, match="33 tokens do not fit a context of 32"):
        greedy(model, np.zeros((1, 30), dtype=np.int64), 3)
