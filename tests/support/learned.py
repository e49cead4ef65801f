"""A small model that has learned certain texts, for tests of what a model gives away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tokenizers import Tokenizer

from curator.train.model import Gpt
from curator.train.optim import Optimizer
from curator.train.proxy import Rates, Shape
from curator.train.tokenizer import encode, load_tokenizer, train_bpe


def learned(
    texts: Sequence[str], folder: Path, *, context: int = 128, steps: int = 120, vocab: int = 300
) -> tuple[Gpt, Tokenizer]:
    """Return a model of two layers trained on `texts` as they come, and its tokenizer."""
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(train_bpe([pa.array(texts)], vocab, folder))
    _, ids = encode(tokenizer, pa.array(texts, pa.large_string()))
    shape = Shape(vocab_size=vocab, context=context, depth=2, width=64, heads=2)
    model = Gpt(shape, seed=1)
    optimizer = Optimizer(model, Rates())
    random = np.random.default_rng(0)
    stream = torch.from_numpy(ids.astype(np.int64))
    for step in range(steps):
        starts = random.integers(0, len(stream) - context - 1, 8)
        rows = torch.stack([stream[s : s + context + 1] for s in starts])
        model.loss(rows[:, :-1], rows[:, 1:]).backward()
        optimizer.step(min(1.0, 2 * (1 - step / steps)))
    return model.eval(), tokenizer
