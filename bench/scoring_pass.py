"""Seconds to find the odds of every token of some documents: ours against naive batching.

    python -m bench.scoring_pass FILE,FILE,... [MODEL] [DOCUMENTS] [THREADS]

A FILE is JSON lines with `text`, .zst; documents are taken from them in turn. MODEL is a
transformers folder, a .gguf file or a name of `curator.weights` (smollm2-135m-instruct unless
given). Naive: documents as they come, 8 a batch, padded to the longest, and the 8 likeliest tokens
looked up everywhere. Sorted: the same, like lengths together. Ours: `curator.evaluate.token_odds`.
All cut documents at 2,048 tokens. Prints wall and CPU seconds of each way, and how far its odds are
from ours.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import zstandard
from numpy.typing import NDArray

from curator import weights
from curator.evaluate.token_odds import encode, token_odds
from curator.score.pretrained import PretrainedModel

CONTEXT = 2048
BATCH = 8
CANDIDATES = 8
SURE = 0.99  # ToEdit's threshold
Way = Callable[[], NDArray[np.float32]]


def texts_of(files: list[str], count: int) -> list[str]:
    """Return the first documents of files, one of each in turn."""
    found: list[str] = []
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(zstandard.open(path, "rt")) for path in files]
        for lines in zip(*opened, strict=False):
            found += [json.loads(line)["text"] for line in lines]
            if len(found) >= count:
                break
    return found[:count]


def naive(
    model: PretrainedModel, offsets: NDArray[np.int64], ids: NDArray[np.int64], *, by_length: bool
) -> NDArray[np.float32]:
    """Return ln p of every token, by batches padded to their longest text."""
    nats = np.zeros(len(ids), np.float32)
    lengths = np.diff(offsets)
    rows = np.argsort(-lengths, kind="stable") if by_length else np.arange(len(lengths))
    for begin in range(0, len(rows), BATCH):
        batch = rows[begin : begin + BATCH]
        tokens_BT = np.zeros((len(batch), int(lengths[batch].max())), np.int64)
        for at, row in enumerate(batch.tolist()):
            tokens_BT[at, : lengths[row]] = ids[offsets[row] : offsets[row + 1]]
        for row, found_T in zip(batch.tolist(), _odds(model, tokens_BT), strict=True):
            nats[offsets[row] + 1 : offsets[row + 1]] = found_T[: int(lengths[row]) - 1]
    return nats


@torch.inference_mode()
def _odds(model: PretrainedModel, tokens_BT: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return ln p of each next token, (B, T - 1); a row at a time, or memory would not hold it."""
    hidden: Any = model._model.model(input_ids=torch.from_numpy(tokens_BT), use_cache=False)
    found = []
    for row, hidden_TC in enumerate(hidden.last_hidden_state):
        nats_TV = torch.log_softmax(model._model.lm_head(hidden_TC[:-1]).float(), dim=1)
        nats_TV.topk(CANDIDATES, dim=1)
        targets_T = torch.from_numpy(tokens_BT[row, 1:])
        found.append(nats_TV.gather(1, targets_T[:, None])[:, 0].numpy())
    return np.stack(found)


def main(
    files: str, name: str = "smollm2-135m-instruct", count: str = "64", threads: str = "2"
) -> None:
    """Print a line a way."""
    model = PretrainedModel(weights.find(name), device="cpu", threads=int(threads))
    whole, every = encode(model, texts_of(files.split(","), int(count)))
    sizes = np.minimum(np.diff(whole), CONTEXT)
    place = np.arange(len(every)) - np.repeat(whole[:-1], np.diff(whole))
    ids = every[place < np.repeat(sizes, np.diff(whole))]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    quartiles = np.quantile(sizes, [0.25, 0.5, 0.75]).astype(int).tolist()
    print(f"{len(sizes)} documents, {len(ids):,} tokens; quartiles of lengths: {quartiles}")

    def ours() -> NDArray[np.float32]:
        found = token_odds(model, offsets, ids, context=CONTEXT, candidates=CANDIDATES, above=SURE)
        return found.nats

    ways: dict[str, Way] = {
        "ours": ours,
        "naive": lambda: naive(model, offsets, ids, by_length=False),
        "sorted": lambda: naive(model, offsets, ids, by_length=True),
    }
    first: NDArray[np.float32] | None = None
    for way, run in ways.items():
        wall, cpu = time.perf_counter(), time.process_time()
        nats = run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        first = nats if first is None else first
        far = float(np.abs(np.exp(nats) - np.exp(first)).max(initial=0))
        print(
            f"{way:6} {wall:7.1f} s wall, {cpu:7.1f} CPU s, {len(ids) / cpu:6.0f} tokens a CPU s; "
            f"from ours {far:.1e} in p, {np.abs(nats - first).max(initial=0):.1e} in ln p",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
