"""Bits of single tokens: many texts in one batch, and short ones side by side in one row.

A row that holds several texts has a block-diagonal causal mask, so that none sees another
(siyan-zhao/prepacking); rotary positions are relative and need no restart. Scores are the same
packed and unpacked to within 1e-4 of themselves. Only the wanted tokens meet the vocabulary,
which is most of the arithmetic of a small proxy: the answers of a test cost little more than
their tokens.
"""

# Shapes: N windows, B rows, T positions of a row, K wanted tokens.
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.windows import Windows, cut_windows, only_scored
from curator.train.attention import apart
from curator.train.loss import token_bits

if TYPE_CHECKING:
    from curator.train.model import Gpt

BATCH_TOKENS = 8192
Ids = NDArray[np.uint16 | np.uint32]


class Batch(NamedTuple):
    """Some windows laid out in rows.

    Attributes:
        windows: (n,) which.
        row: (n,) the row each stands in.
        column: (n,) the position it begins at.
        shape: rows and positions.
    """

    windows: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    shape: tuple[int, int]


def bits_of_tokens(
    model: Gpt,
    offsets: NDArray[np.int64],
    ids: Ids,
    *,
    wanted: NDArray[np.bool_] | None = None,
    targets: Ids | None = None,
    packed: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return -log2 p of every wanted token given what stands before it in its document, (tokens,).

    First tokens and those not wanted have 0.

    Args:
        model: asked on the device its weights are on.
        offsets: (n + 1,) where documents begin in `ids`, each with its first token.
        ids: tokens of all documents.
        wanted: (tokens,) which to score; all but first tokens unless given.
        targets: (tokens,) what to score in the place of each token, which is still what is read.
        packed: whether short texts share a row.
        progress: called with the windows scored and all of them.
    """
    windows = cut_windows(offsets, model.shape.context)
    if wanted is None:
        wanted = np.ones(len(ids), dtype=np.bool_)
    else:
        windows = only_scored(windows, wanted)
    found = np.zeros(len(ids), dtype=np.float32)
    lay = packed_batches if packed else padded_batches
    done = 0
    for batch in lay(windows.inputs, model.shape.context):
        places, bits = _batch_bits(
            model, ids, windows, batch, wanted, ids if targets is None else targets
        )
        found[places] = bits
        done += len(batch.windows)
        if progress is not None:
            progress(done, len(windows.start))
    return found


def padded_batches(lengths: NDArray[np.int64], context: int) -> Iterator[Batch]:
    """Yield batches of one window a row, like lengths together so that little is padding."""
    order = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(order):
        width = int(lengths[order[begin]])
        part = order[begin : begin + max(1, BATCH_TOKENS // width)]
        yield Batch(part, np.arange(len(part)), np.zeros_like(part), (len(part), width))
        begin += len(part)


def packed_batches(lengths: NDArray[np.int64], context: int) -> Iterator[Batch]:
    """Yield batches of full rows, several windows in each."""
    rows, columns = first_fit(lengths, context)
    order = np.argsort(rows, kind="stable")
    at_once = max(1, BATCH_TOKENS // context)
    borders = np.arange(0, int(rows.max(initial=-1)) + 1 + at_once, at_once)
    ends = np.searchsorted(rows[order], borders)
    for number, (begin, end) in enumerate(itertools.pairwise(ends)):
        part = order[begin:end]
        if len(part):
            row = rows[part] - borders[number]
            width = int((columns[part] + lengths[part]).max())
            yield Batch(part, row, columns[part], (int(row.max()) + 1, width))


def first_fit(
    lengths: NDArray[np.int64], capacity: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row and the column of each length: first-fit decreasing, (N,) each.

    Taken from the longest down, each goes to the first row that has room. All of one length are
    placed at once, so the cost is the number of different lengths times that of rows.

    Raises:
        RecipeError: a length is not from 1 to `capacity`.
    """
    if len(lengths) and not (lengths.min() >= 1 and lengths.max() <= capacity):
        raise RecipeError(
            f"lengths from {lengths.min()} to {lengths.max()}; wanted 1 to {capacity}, the row"
        )
    order = np.argsort(-lengths, kind="stable")
    room = np.zeros(0, dtype=np.int64)
    placed = []
    sizes, counts = np.unique(lengths, return_counts=True)
    for size, count in zip(sizes[::-1].tolist(), counts[::-1].tolist(), strict=True):
        short = max(0, count - int((room // size).sum()))
        opened = -(-short // (capacity // size))
        room = np.concatenate([room, np.full(opened, capacity, dtype=np.int64)])
        fits = room // size
        before = np.cumsum(fits) - fits
        taken = np.clip(count - before, 0, fits)
        placed.append(np.repeat(np.arange(len(room)), taken))
        room -= taken * size
    rows, columns = np.zeros_like(lengths), np.zeros_like(lengths)
    rows[order] = np.concatenate([*placed, np.zeros(0, dtype=np.int64)])
    within = order[np.argsort(rows[order], kind="stable")]  # by row, longest first
    ends = np.cumsum(lengths[within])
    begins = ends - lengths[within]
    new = np.diff(rows[within], prepend=-1) != 0
    columns[within] = begins - np.repeat(begins[new], np.diff([*np.flatnonzero(new), len(within)]))
    return rows, columns


@torch.no_grad()
def _batch_bits(
    model: Gpt,
    ids: Ids,
    windows: Windows,
    batch: Batch,
    wanted: NDArray[np.bool_],
    targets: Ids,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the places of the wanted tokens of a batch and the bits of each, (K,) both."""
    lengths = windows.inputs[batch.windows]
    begins = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    source = np.repeat(windows.start[batch.windows], lengths) + within
    cell = np.repeat(batch.row * batch.shape[1] + batch.column, lengths) + within
    tokens = np.zeros(batch.shape[0] * batch.shape[1], dtype=np.int64)
    tokens[cell] = ids[source]
    asked = wanted[source + 1] & (source + 1 >= np.repeat(windows.first[batch.windows], lengths))
    device = model.head.weight.device
    places = source[asked] + 1
    tokens_BT = torch.from_numpy(tokens.reshape(batch.shape)).to(device)
    targets_K = torch.from_numpy(targets[places].astype(np.int64)).to(device)
    hidden_BTC = model(tokens_BT, _apart(batch, lengths, cell, device))
    hidden_KC = hidden_BTC.flatten(0, 1)[torch.from_numpy(cell[asked]).to(device)]
    bits_K = token_bits(hidden_KC, model.head.weight, targets_K, model.compute)
    found: NDArray[np.float32] = bits_K.cpu().numpy()
    return places, found


def _apart(
    batch: Batch, lengths: NDArray[np.int64], cell: NDArray[np.int64], device: torch.device
) -> torch.Tensor | None:
    """Return (B, 1, T, T) bool, true where a query may look; None where rows hold one text each."""
    if not batch.column.any():
        return None  # right padding cannot reach earlier positions
    block = np.zeros(batch.shape[0] * batch.shape[1], dtype=np.int32)
    block[cell] = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    block_BT = torch.from_numpy(block.reshape(batch.shape)).to(device)
    return apart(block_BT)
