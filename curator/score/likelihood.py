"""How many bits a causal language model needs for a text, window by window.

Each document is scored by itself from its first-token marker, so its bits are the same alone, in
any batch and at any position. A document longer than the model's context is read in windows that
overlap; only the newest tokens of a window are counted, each token once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from curator.batches import fixed_batches

# Shapes: N documents, W windows, B rows of a batch, T positions.
# A small proxy in bfloat16 reads 1.2 times as fast in batches of 2,048 tokens as of 1,024, and no
# faster in larger ones; in float32 it makes no difference.
_BATCH_TOKENS = 2048
_LOGITS = 1024 * 49_152  # of a batch at most: 200 MB of float32
_TEXTS_AT_ONCE = 1000  # tokenized together: bounds the Python lists that tokenizers return


class LanguageModel(Protocol):
    """A causal model and its tokenizer (of the `tokenizers` library)."""

    tokenizer: Any
    first_token: int  # what a document starts with: never scored itself
    context: int  # positions that the model can read

    def bits(self, tokens_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]) -> Any:
        """Return -log2 p of each target given its row up to there, (B, T) float32 array."""


class Windows(NamedTuple):
    """The pieces that documents are read in.

    Attributes:
        document: (W,) which document; rising.
        start: (W,) position in it of the window's first input.
        length: (W,) inputs, and as many targets, one position later.
        skipped: (W,) leading targets that an earlier window has counted.
    """

    document: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    skipped: NDArray[np.int64]


def windows(n_tokens: NDArray[np.int64], context: int, stride: int) -> Windows:
    """Return the windows over documents of `n_tokens` tokens, the first-token marker not counted.

    Args:
        n_tokens: (N,) tokens to score.
        context: longest window.
        stride: tokens by which a window is ahead of the one before, at most `context`: every
            token but a document's first ones is scored with at least context - stride before it.
    """
    later = -(-np.maximum(n_tokens - context, 0) // stride)
    each = np.where(n_tokens > 0, 1 + later, 0)
    document = np.repeat(np.arange(len(n_tokens)), each)
    number = np.arange(len(document)) - np.repeat(np.cumsum(each) - each, each)
    start = number * stride
    length = np.minimum(n_tokens[document] - start, context)
    skipped = np.where(number > 0, context - stride, 0)
    return Windows(document, start, length, skipped)


def document_bits(
    model: LanguageModel, texts: Sequence[str], *, context: int, stride: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the bits of every text under `model` and the number of its tokens, (N,) each.

    A text without tokens has 0 bits. Texts that spell a special token are encoded as characters.

    Args:
        model: asked for the bits.
        texts: of the documents, (N,).
        context: longest window; the model's own context if that is shorter.
        stride: as in `windows`; half a window if not given.
    """
    longest = min(context, model.context)
    step = min(stride or max(1, longest // 2), longest)
    parts = [
        _bits(model, texts[at : at + _TEXTS_AT_ONCE], longest, step)
        for at in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    bits = [np.zeros(0), *(part[0] for part in parts)]
    counts = [np.zeros(0, np.int64), *(part[1] for part in parts)]
    return np.concatenate(bits), np.concatenate(counts)


class Counted(NamedTuple):
    """One batch to read, and which of its targets count.

    Attributes:
        tokens: (B, T) int64.
        targets: (B, T) the token after each.
        counted: (B, T) bool; each token of a text counts once over all batches.
        window: (n,) which window each of the first n rows is; further rows are filling.
    """

    tokens: NDArray[np.int64]
    targets: NDArray[np.int64]
    counted: NDArray[np.bool_]
    window: NDArray[np.int64]


class Reading(NamedTuple):
    """Texts as a model reads them.

    Attributes:
        n_tokens: (N,) of each text.
        document: (W,) of which text each window is.
        batches: of windows, each in one of them.
    """

    n_tokens: NDArray[np.int64]
    document: NDArray[np.int64]
    batches: Iterator[Counted]

    def totals(self, of_windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum over each text's windows, (N,)."""
        found = np.bincount(self.document, of_windows, minlength=len(self.n_tokens))
        return found.astype(np.float64)


def reading(
    model: LanguageModel, texts: Sequence[str], *, context: int, stride: int | None = None
) -> Reading:
    """Return how `model` reads some texts, as many as are tokenized together.

    Args:
        model: whose tokenizer, first token and context count.
        texts: (N,).
        context: longest window; the model's own context if that is shorter.
        stride: as in `windows`; half a window if not given.
    """
    longest = min(context, model.context)
    step = min(stride or max(1, longest // 2), longest)
    encodings = model.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    ids = [np.array([model.first_token, *one.ids], dtype=np.int64) for one in encodings]
    counts = np.array([len(one) - 1 for one in ids], dtype=np.int64)
    tokens = min(_BATCH_TOKENS, _LOGITS // model.tokenizer.get_vocab_size())
    cut = windows(counts, longest, step)
    return Reading(counts, cut.document, _batches(ids, cut, longest, tokens))


def _batches(
    ids: Sequence[NDArray[np.int64]], cut: Windows, longest: int, tokens: int
) -> Iterator[Counted]:
    for batch in fixed_batches(cut.length, longest=longest, tokens=tokens):
        tokens_BT = np.zeros((batch.size, batch.length), np.int64)
        targets_BT = np.zeros_like(tokens_BT)
        counted_BT = np.zeros(tokens_BT.shape, bool)
        # A loop over windows: each is about to cost the model a thousand times as much.
        for row, window in enumerate(batch.rows.tolist()):
            start, length = int(cut.start[window]), int(cut.length[window])
            piece = ids[cut.document[window]][start : start + length + 1]
            tokens_BT[row, :length], targets_BT[row, :length] = piece[:-1], piece[1:]
            counted_BT[row, cut.skipped[window] : length] = True
        yield Counted(tokens_BT, targets_BT, counted_BT, batch.rows)


def _bits(
    model: LanguageModel, texts: Sequence[str], context: int, stride: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    read = reading(model, texts, context=context, stride=stride)
    window_bits = np.zeros(len(read.document))
    for batch in read.batches:
        found = np.where(batch.counted, model.bits(batch.tokens, batch.targets), 0.0)
        sums = found.sum(axis=1, dtype=np.float64)
        window_bits[batch.window] = sums[: len(batch.window)]
    return read.totals(window_bits), read.n_tokens
