"""A small run in its folder, with optimizer state, for tests of what is computed from a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from curator.identity import settings_of
from curator.train.checkpoint import TRUNK, Position, save_checkpoint, save_weights
from curator.train.model import Gpt
from curator.train.optim import Optimizer
from curator.train.proxy import Proxy, Rates
from curator.train.tokenizer import digest, encode, load_tokenizer, train_bpe

IDENTITY = "0" * 32


def trained_run(
    texts: Sequence[str],
    folder: Path,
    *,
    arch: str = "gpt",
    steps: int = 20,
    optimizer: str = "adamw",
    vocab: int = 300,
    context: int = 32,
    width: int = 32,
    depth: int = 2,
    seed: int = 1,
    tags: Sequence[str] = (),
) -> Path:
    """Return the folder of a model trained on `texts` as they come, kept as a trunk is."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    path = train_bpe([pa.array(texts)], vocab, folder, tags)
    _, ids = encode(load_tokenizer(path), pa.array(texts, pa.large_string()))
    matrix = 0.003 if optimizer == "adamw" else 0.01
    proxy = Proxy(
        depth=depth, width=width, heads=max(1, width // 32), context=context,
        batch_tokens=8 * context, arch=arch, precision="fp32",
        rates=Rates(optimizer=optimizer, matrix=matrix),
    )  # fmt: skip
    model = Gpt(proxy.shape(vocab), seed=seed)
    steppers = Optimizer(model, proxy.rates)
    random = np.random.default_rng(seed)
    stream, position = torch.from_numpy(ids.astype(np.int64)), Position()
    for _ in range(steps):
        starts = random.integers(0, len(stream) - context - 1, 8)
        rows = torch.stack([stream[s : s + context + 1] for s in starts])
        loss = model.loss(rows[:, :-1], rows[:, 1:])
        loss.backward()
        steppers.step(1.0)
        position.losses.append(loss.item())
    save_weights(folder, model)
    save_checkpoint(folder / TRUNK, IDENTITY, position, model, steppers)
    record = {
        "status": "finished", "identity": IDENTITY, "proxy": settings_of(proxy),
        "vocab_size": vocab, "steps": steps, "tokens": steps * proxy.batch_tokens, "seed": seed,
        "order_seed": seed, "dropout_seed": seed, "first_loss": position.losses[0],
        "final_loss": position.losses[-1], "window": [0.0, 1.0], "precision": "float32",
        "mixture": {"tokenizer_digest": digest(path)},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    return folder
