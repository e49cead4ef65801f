"""A proxy beside a datastore that text can be taken out of again: LM, LM + kNN, and removal.

    python -m bench.knn_lm PROXY_FOLDER FILE.jsonl[.zst] --stored 300 --asked 40

SILO's other half (Min et al. 2023, arXiv:2308.04430, after Khandelwal et al. 2020,
arXiv:1911.00172): p(y) = lam p_kNN(y) + (1 - lam) p_LM(y), where p_kNN weighs the next tokens of
the nearest stored states by exp(-d^2 / tau). The proxy was trained without the file's source; its
first documents are stored, the next tune lam and tau, the last are measured. Then a stored
document is asked about, taken out, and asked about again: without it the store must answer as if
it had never been there, and an empty store must give the proxy's own numbers to the last bit.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import zstandard
from numpy.typing import NDArray

from curator.embed.neighbors import Neighbors
from curator.influence.rows import document_rows, document_tokens
from curator.train.checkpoint import load_model
from curator.train.tokenizer import load_tokenizer

TAUS = (4.0, 8.0, 16.0, 32.0, 64.0)
LAMS = (0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class States:
    """What a model makes of every position of some texts.

    Attributes:
        keys: (n, C) float32, the last hidden state before each token.
        tokens: (n,) the token that came.
        owner: (n,) the text it is of.
        bits: (n,) what it cost the model.
    """

    keys: NDArray[np.float32]
    tokens: NDArray[np.int64]
    owner: NDArray[np.int64]
    bits: NDArray[np.float64]

    def where(self, mask: NDArray[np.bool_]) -> States:
        return States(self.keys[mask], self.tokens[mask], self.owner[mask], self.bits[mask])

    def without(self, owner: int) -> States:
        return self.where(self.owner != owner)


@torch.no_grad()
def states_of(folder: Path, texts: list[str]) -> States:
    model = load_model(folder, compute=torch.float32).eval()
    context = model.shape.context
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    column = pa.chunked_array([pa.array(texts, pa.large_string())])
    parts: list[tuple[NDArray, ...]] = []
    for rows in document_rows(document_tokens(tokenizer, column, context), context):
        hidden = model(rows.inputs).float().numpy()
        bits = model.bits(rows.inputs, rows.targets).numpy()
        counted = rows.weights.numpy() > 0
        owner = np.zeros(counted.shape, np.int64)
        owner[: len(rows.texts)] = rows.texts[:, None]
        parts.append((hidden[counted], rows.targets.numpy()[counted], owner[counted],
                      bits[counted]))  # fmt: skip
    keys, tokens, owners, costs = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(owners, kind="stable")
    return States(keys[order], tokens[order], owners[order], costs[order].astype(np.float64))


def neighbor_odds(
    store: States, asked: States, k: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return squared distances of the k nearest and whether each was followed by what came.

    States are RMS-normed and so of one length: the largest products are the nearest.
    """
    if not len(store.keys):
        empty = np.zeros((len(asked.keys), 0))
        return empty, empty.astype(np.bool_)
    products, rows = Neighbors(store.keys).top_k(asked.keys, min(k, len(store.keys)))
    norms = (store.keys.astype(np.float64) ** 2).sum(1)
    own = (asked.keys.astype(np.float64) ** 2).sum(1)[:, None]
    distances = own + norms[rows] - 2 * products
    return np.maximum(distances, 0.0), store.tokens[rows] == asked.tokens[:, None]


def mixed_bits(
    bits: NDArray[np.float64],
    distances: NDArray[np.float64],
    right: NDArray[np.bool_],
    tau: float,
    lam: float,
) -> NDArray[np.float64]:
    """Return what each token costs the mixture; the model's own bits where nothing is stored."""
    if not distances.shape[1]:
        return bits
    weights = np.exp(-(distances - distances.min(axis=1, keepdims=True)) / tau)
    found = (weights * right).sum(axis=1) / weights.sum(axis=1)
    return -np.log2(lam * found + (1 - lam) * np.exp2(-bits))


def per_byte(bits: NDArray[np.float64], folder: Path, texts: list[str]) -> float:
    """Return bits a byte of the part of the texts that was read."""
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    context = load_model(folder).shape.context
    read = [tokenizer.encode(text).ids[: context + 1] for text in texts]
    size = sum(len(tokenizer.decode(ids, skip_special_tokens=True).encode()) for ids in read)
    return float(bits.sum()) / size


def read(path: Path, count: int) -> list[str]:
    with path.open("rb") as file:
        packed = path.suffix == ".zst"
        stream = zstandard.ZstdDecompressor().stream_reader(file) if packed else file
        lines = itertools.islice(io.TextIOWrapper(stream, "utf-8"), count)
        return [json.loads(line)["text"] for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proxy", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--stored", type=int, default=300)
    parser.add_argument("--asked", type=int, default=40)
    parser.add_argument("-k", type=int, default=256)
    given = parser.parse_args()
    torch.set_num_threads(1)
    texts = read(given.file, given.stored + 2 * given.asked)
    split = (given.stored, given.stored + given.asked)
    store = states_of(given.proxy, texts[: split[0]])
    dev = states_of(given.proxy, texts[split[0] : split[1]])
    test_texts = texts[split[1] :]
    test = states_of(given.proxy, test_texts)
    odds = neighbor_odds(store, dev, given.k)
    tau, lam = min(
        itertools.product(TAUS, LAMS), key=lambda pair: mixed_bits(dev.bits, *odds, *pair).sum()
    )
    mixed = mixed_bits(test.bits, *neighbor_odds(store, test, given.k), tau, lam)
    print(
        f"{len(store.keys):,} states of {given.stored} documents, k {given.k}, tau {tau:g}, lam "
        f"{lam:g} (tuned on {given.asked} others); {given.asked} more documents, bits a byte: LM "
        f"{per_byte(test.bits, given.proxy, test_texts):.4f}, LM + kNN "
        f"{per_byte(mixed, given.proxy, test_texts):.4f}"
    )
    removal(store, given.k, tau, lam)


def removal(store: States, k: int, tau: float, lam: float) -> None:
    """Print what a stored document costs with itself in the store, taken out, and never in."""
    asked = store.where(store.owner == 0)
    held = mixed_bits(asked.bits, *neighbor_odds(store, asked, k), tau, lam)
    gone = mixed_bits(asked.bits, *neighbor_odds(store.without(0), asked, k), tau, lam)
    never = store.where(store.owner > 0)
    fresh = mixed_bits(asked.bits, *neighbor_odds(never, asked, k), tau, lam)
    empty = store.where(np.zeros(len(store.keys), np.bool_))
    alone = mixed_bits(asked.bits, *neighbor_odds(empty, asked, k), tau, lam)
    print(
        f"a stored document, bits a token: {held.mean():.3f} with itself, {gone.mean():.3f} taken "
        f"out, {asked.bits.mean():.3f} by the model alone; taken out = never stored: "
        f"{np.array_equal(gone, fresh)}; empty store = model: "
        f"{np.array_equal(alone, asked.bits)}; perplexity {math.pow(2, held.mean()):.1f} to "
        f"{math.pow(2, gone.mean()):.1f}"
    )


if __name__ == "__main__":
    main()
