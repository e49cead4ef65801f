"""A small model that sees its context, and a tokenizer to ask it with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tokenizers import Tokenizer

from curator.train.model import Gpt
from curator.train.proxy import Shape
from curator.train.tokenizer import bos_id, load_tokenizer, train_bpe

WORDS = "the cat sat on a mat while two naïve dogs barked at it and ran 12 miles from home "


def small_tokenizer(folder: Path) -> Tokenizer:
    """Return a tokenizer of 300 entries."""
    return load_tokenizer(train_bpe([pa.array([WORDS * 4])], 300, folder))


def seeing_model(context: int = 64) -> Gpt:
    """Return a model whose weights all differ from zero: a fresh one takes no notice of context."""
    model = Gpt(Shape(vocab_size=300, context=context, depth=2, width=16, heads=2), seed=3)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.3, generator=random)
    return model.eval()


def plain_nats(model: Gpt, tokenizer: Tokenizer, text: str) -> tuple[np.ndarray, list]:
    """Return log p of each token of a short text in one plain pass, and the tokens' offsets."""
    encoding = tokenizer.encode(text, add_special_tokens=False)
    tokens = torch.tensor([[bos_id(tokenizer), *encoding.ids]])
    bits = model.bits(tokens[:, :-1], tokens[:, 1:])[0].numpy().astype(np.float64)
    return -bits * np.log(2), encoding.offsets
