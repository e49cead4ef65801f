"""Documents and reference items as padded rows of tokens, each token's weight beside it.

A document is read alone, in a row whose length its own length decides and in a batch of a fixed
number of rows, so its loss is the same to the last bit whatever is beside it
(`curator.batches`). Reference items are fixed once, so they lie in batches as tight as they can be.
"""

# Shapes: N documents, B rows of a batch, T positions.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.batches import fixed_batches
from curator.evaluate.windows import Windows, only_scored
from curator.score.likelihood import windows
from curator.train.tokenizer import encode

BATCH_TOKENS = 2048  # a small proxy reads no faster in larger ones: curator/score/likelihood.py


class Tokens(NamedTuple):
    """Texts as tokens, each led by the first token.

    Attributes:
        offsets: (N + 1,) text i is ids[offsets[i]:offsets[i + 1]].
        ids: int64.
        counted: (len(ids),) which tokens a loss is of; a first token never is.
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    counted: NDArray[np.bool_]

    @property
    def targets(self) -> NDArray[np.int64]:
        """How many tokens of each text count, (N,)."""
        reached = np.concatenate([[0], np.cumsum(self.counted)])
        return np.diff(reached[self.offsets])


class Rows(NamedTuple):
    """One padded batch.

    Attributes:
        texts: (at most B,) which text each row is of; rows beyond are filling.
        inputs: (B, T) int64.
        targets: (B, T) int64.
        weights: (B, T) float32, 1 where a token counts, else 0.
    """

    texts: NDArray[np.int64]
    inputs: Tensor
    targets: Tensor
    weights: Tensor


def document_tokens(tokenizer: Any, texts: pa.ChunkedArray, most: int) -> Tokens:
    """Return the first `most` tokens of every document, all of which count."""
    offsets, ids = encode(tokenizer, texts)
    kept = np.minimum(np.diff(offsets), most + 1)
    ends = np.concatenate([[0], np.cumsum(kept)])
    place = np.arange(ends[-1]) - np.repeat(ends[:-1] - offsets[:-1], kept)
    return _all_counted(ends, ids[place].astype(np.int64))


def item_tokens(
    tokenizer: Any, texts: pa.ChunkedArray, parts: pa.ChunkedArray | None = None
) -> Tokens:
    """Return every token of reference items; of an item with a prompt, only the answer counts.

    Args:
        tokenizer: of the model.
        texts: of the items.
        parts: where fields stand in each text, in bytes, and which of them ask:
            `curator.dedup.benchmarks.PART`; None: all is answer.
    """
    offsets, ids = encode(tokenizer, texts)
    found = _all_counted(offsets, ids.astype(np.int64))
    asked = [] if parts is None else parts.to_pylist()
    # Items are few; where a part stands in tokens the tokenizer tells text by text.
    for item, told in enumerate(asked):
        if told and any(part["prompt"] for part in told):
            begin, end = int(offsets[item]) + 1, int(offsets[item + 1])
            answers = [part for part in told if not part["prompt"]]
            found.counted[begin:end] = _within(tokenizer, texts[item].as_py(), answers)
    return found


def _within(tokenizer: Any, text: str, answers: Sequence[Any]) -> NDArray[np.bool_]:
    """Return which tokens of a text touch one of the spans."""
    spans = np.array(tokenizer.encode(text, add_special_tokens=False).offsets, np.int64)
    spans = spans.reshape(-1, 2)
    raw, touched = text.encode(), np.zeros(len(spans), bool)
    for part in answers:
        start, end = (len(raw[: part[side]].decode()) for side in ("start", "end"))
        touched |= (spans[:, 0] < end) & (spans[:, 1] > start)
    return touched


def _all_counted(offsets: NDArray[np.int64], ids: NDArray[np.int64]) -> Tokens:
    counted = np.ones(len(ids), bool)
    counted[offsets[:-1]] = False
    return Tokens(offsets, ids, counted)


def document_rows(tokens: Tokens, longest: int, device: str = "cpu") -> Iterator[Rows]:
    """Yield every document that has a token, once, in batches of fixed shapes.

    Args:
        tokens: of the documents.
        longest: tokens that a document may have: what they were cut to.
        device: where the rows are wanted.
    """
    lengths = np.diff(tokens.offsets) - 1
    for batch in fixed_batches(lengths, longest=longest, tokens=BATCH_TOKENS):
        cut = Windows(
            batch.rows,
            tokens.offsets[batch.rows],
            tokens.offsets[batch.rows] + 1,
            tokens.offsets[batch.rows + 1],
        )
        yield _rows(tokens, cut, (batch.size, batch.length), device)


def reference_rows(tokens: Tokens, context: int, device: str = "cpu") -> list[Rows]:
    """Return the items' windows in batches, those of about equal length together.

    Items longer than `context` are read in windows side by side, as training reads them; those
    that overlap would cost twice as much.
    """
    cut = only_scored(_side_by_side(tokens.offsets, context), tokens.counted)
    order = np.argsort(cut.inputs, kind="stable")
    found, last = [], len(order)
    while last > 0:  # from the longest down: the first row of a batch decides its shape
        length = int(cut.inputs[order[last - 1]])
        rows = order[max(0, last - max(1, BATCH_TOKENS // length)) : last]
        found.append(_rows(tokens, Windows(*_taken(cut, rows)), (len(rows), length), device))
        last -= len(rows)
    return found


def _side_by_side(offsets: NDArray[np.int64], context: int) -> Windows:
    cut = windows(np.diff(offsets) - 1, context, context)
    start = offsets[:-1][cut.document] + cut.start
    return Windows(cut.document, start, start + 1, start + cut.length + 1)


def _taken(cut: Windows, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    return cut.document[rows], cut.start[rows], cut.first[rows], cut.stop[rows]


def _rows(tokens: Tokens, cut: Windows, shape: tuple[int, int], device: str) -> Rows:
    """Return windows as one batch of `shape`; rows and positions beyond them are filling."""
    place_BT = cut.start[:, None] + np.arange(shape[1]) + 1  # of the targets
    inside_BT = place_BT < cut.stop[:, None]
    place_BT = np.where(inside_BT, place_BT, 0)
    filled = np.zeros((3, *shape), np.int64)
    filled[0, : len(place_BT)] = np.where(inside_BT, tokens.ids[place_BT - 1], 0)
    filled[1, : len(place_BT)] = np.where(inside_BT, tokens.ids[place_BT], 0)
    scored_BT = inside_BT & (place_BT >= cut.first[:, None])
    filled[2, : len(place_BT)] = scored_BT & tokens.counted[place_BT]
    inputs, targets, weights = torch.from_numpy(filled).to(device)
    return Rows(cut.document, inputs, targets, weights.float())
