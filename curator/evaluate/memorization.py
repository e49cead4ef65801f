"""How much of its training text a proxy has by heart, by how often each text was there.

A sequence is extractable when the model, given its first `prefix` tokens, continues greedily with
exactly the next `continuation` (Carlini et al. 2023, arXiv:2202.07646; 32 and 32
tokens as in EleutherAI/pythia, predictable-memorization). The share of tokens that match says more
at proxy sizes, where few sequences are extractable.
"""

# Shapes: N sequences, K tokens of a prefix, M of a continuation.
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from curator.errors import BudgetError, RecipeError

if TYPE_CHECKING:
    from curator.train.loader import Mixture
    from curator.train.model import Gpt

PREFIX = 32
CONTINUATION = 32
BATCH_ROWS = 128
BUCKETS = pa.schema(
    [
        pa.field("copies", pa.int64(), nullable=False),  # the least of the bucket: 1, 2, 4, ...
        pa.field("sequences", pa.int64(), nullable=False),
        pa.field("matched", pa.float64(), nullable=False),  # mean share of tokens, 0 to 1
        pa.field("extractable", pa.float64(), nullable=False),  # share of sequences, 0 to 1
    ]
)


@dataclass(frozen=True)
class Sequences:
    """Token sequences to test, all of one length, and how often each was trained on."""

    ids: NDArray[np.int64]  # (N, K + M)
    copies: NDArray[np.int64]  # (N,)


@torch.no_grad()
def greedy(model: Gpt, prefix_NK: NDArray[np.int64], tokens: int) -> NDArray[np.int64]:
    """Return what the model holds most likely after each prefix, (N, `tokens`) int64.

    Raises:
        RecipeError: prefix and continuation together are longer than the model's context.
    """
    width = prefix_NK.shape[1] + tokens
    if width > model.shape.context:
        raise RecipeError(
            f"{width} tokens do not fit a context of {model.shape.context}; ask for fewer"
        )
    device = model.head.weight.device
    found = []
    # One product a token over all sequences; contexts are too short for a cache of keys to pay.
    for start in range(0, len(prefix_NK), BATCH_ROWS):
        rows = torch.from_numpy(prefix_NK[start : start + BATCH_ROWS]).to(device)
        for _ in range(tokens):
            logits = model.head(model(rows)[:, -1])  # the cap keeps the order of logits
            rows = torch.cat((rows, logits.argmax(-1, keepdim=True)), dim=1)
        found.append(rows[:, -tokens:].cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, tokens), dtype=np.int64)


def matched_share(
    model: Gpt, ids: NDArray[np.int64], *, prefix: int = PREFIX
) -> NDArray[np.float64]:
    """Return the share of each continuation that greedy decoding gets right, (N,), 0 to 1.

    Args:
        model: the proxy.
        ids: (N, K + M) training sequences.
        prefix: K, the tokens that are given.

    Raises:
        RecipeError: a sequence is no longer than its prefix.
    """
    if ids.ndim != 2 or ids.shape[1] <= prefix:
        raise RecipeError(
            f"sequences have shape {ids.shape}; wanted more than {prefix} tokens in each row"
        )
    guesses = greedy(model, ids[:, :prefix], ids.shape[1] - prefix)
    share: NDArray[np.float64] = (guesses == ids[:, prefix:]).mean(axis=1)
    return share


def memorization(model: Gpt, sequences: Sequences, *, prefix: int = PREFIX) -> pa.Table:
    """Return one row for each doubling of `copies`: see `BUCKETS`.

    Raises:
        BudgetError: there are no sequences.
    """
    if not len(sequences.ids):
        raise BudgetError("no sequence to test; take them from longer documents")
    matched = matched_share(model, sequences.ids, prefix=prefix)
    bucket = 2 ** np.floor(np.log2(np.maximum(sequences.copies, 1))).astype(np.int64)
    rows = []
    for least in np.unique(bucket):
        inside = matched[bucket == least]
        rows.append((int(least), len(inside), inside.mean(), (inside == 1).mean()))
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    return pa.table(columns, schema=BUCKETS)


def training_sequences(
    mixture: Mixture, *, count: int, length: int = PREFIX + CONTINUATION, seed: int = 0
) -> Sequences:
    """Return the first tokens of documents of a mixture, and how many copies each has in it.

    Every number of copies is drawn from alike, as far as it goes: rare repeats would be missed by
    a plain sample.

    Args:
        mixture: what the proxy was trained on.
        count: at most how many sequences.
        length: tokens of each, without the token that begins a document.
        seed: of the draw.

    Raises:
        BudgetError: no document is that long.
    """
    ids, first, copies = np.unique(
        mixture.doc_ids.view("V16").ravel(), return_index=True, return_counts=True
    )
    long = mixture.lengths[first] > length
    first, copies = first[long], copies[long]
    if not len(first):
        raise BudgetError(
            f"none of {len(ids)} documents has {length} tokens; ask for shorter sequences"
        )
    levels, level = np.unique(copies, return_inverse=True)
    # A random order inside each number of copies, then the first of each, the second of each, ...
    turn = np.random.default_rng(seed).permutation(len(first))
    rank = np.empty(len(first), dtype=np.int64)
    for number in range(len(levels)):
        inside = turn[level[turn] == number]
        rank[inside] = np.arange(len(inside))
    chosen = np.lexsort((turn, rank))[:count]
    starts = mixture.offsets[first[chosen]] + 1
    places = starts[:, None] + np.arange(length)
    return Sequences(mixture.tokens[places].astype(np.int64), copies[chosen].astype(np.int64))
