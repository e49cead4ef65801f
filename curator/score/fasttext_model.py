"""A saved fastText classifier, read and asked without fastText.

The file is laid out as fastText 0.9 writes it (src/fasttext.cc `saveModel`, src/args.cc,
src/dictionary.cc, src/densematrix.cc), little-endian. Only a linear model is left of it: the
product of the two layers is one weight a row and label, so a text's answer is the mean of its
rows' weights put through a softmax.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import PluginError
from curator.text.fasttext_words import Vocabulary, vocabulary, weight_sums

_MAGIC: Final = 793712314
_VERSION: Final = 12
_SOFTMAX: Final = 3  # args.h, loss_name: hs 1, ns 2, softmax 3, ova 4
_SUPERVISED: Final = 3  # model_name: cbow 1, sg 2, sup 3
_LOSSES: Final = {1: "hs", 2: "ns", 3: "softmax", 4: "ova"}
# fastText answers exp(log(p + 1e-5)) (loss.cc, `std_log`).
_ADDED: Final = 1e-5
_ROWS_AT_ONCE: Final = 65_536
_MOST_NGRAMS: Final = 100  # words: a kernel makes room for n-grams of every length at once
_AFTER_SPELLING: Final = 10  # NUL, how often it was met (8 bytes), word or label (1 byte)


@dataclass(frozen=True)
class LinearModel:
    """What a softmax classifier says, as sums over words and n-grams.

    Attributes:
        known: its words.
        labels: with their prefix, in the model's order.
        weights: (words + buckets, labels - 1) float32: each label's weight less the first label's.
        buckets: of word n-grams.
        word_ngrams: the longest, in words.
    """

    known: Vocabulary
    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    buckets: int
    word_ngrams: int

    def margins(self, texts: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
        """Return every label's logit less the first label's, (n, labels) float64, in nats.

        A text without words has NaN: fastText would answer with the prior of its end of line.
        """
        sums = weight_sums(
            texts, self.known, self.weights, buckets=self.buckets, word_ngrams=self.word_ngrams
        )
        found = np.zeros((len(sums.counts), len(self.labels)))
        found[:, 1:] = sums.totals / np.maximum(sums.counts, 1)[:, None]
        found[(sums.words == 0) | (sums.counts == 0)] = np.nan
        return found

    def probabilities(self, texts: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
        """Return what fastText's `predict(text, k=-1)` says by label, (n, labels), NaN as above.

        Like fastText's, they can pass 1 by 0.00001.
        """
        margins = self.margins(texts)
        raised = np.exp(margins - margins.max(axis=1, keepdims=True, initial=-np.inf))
        shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True) + _ADDED
        return shares


def read_model(path: Path) -> LinearModel:
    """Return the classifier that fastText saved in `path`.

    Raises:
        PluginError: the file is no classifier of the kind that is read here; says which.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    reader = _Reader(mapped, str(path))
    magic, version = reader.numbers("ii")
    if (magic, version) != (_MAGIC, _VERSION):
        raise reader.refusal(f"begins with {magic}, {version}; wanted a model.bin of fastText 0.9")
    (dim, _, _, _, _, ngrams, loss, kind, buckets, _, longest, _) = reader.numbers("12i")
    reader.numbers("d")
    if kind != _SUPERVISED or loss != _SOFTMAX:
        name = _LOSSES.get(loss, str(loss))
        raise reader.refusal(
            f"is model {kind} with loss {name!r}; wanted supervised (3) with 'softmax': train with "
            "`loss='softmax'`"
        )
    if longest > 0:
        raise reader.refusal(f"has sub-words of up to {longest}; train with `maxn=0`")
    if not 1 <= ngrams <= _MOST_NGRAMS or buckets < (ngrams > 1):
        raise reader.refusal(
            f"has n-grams of up to {ngrams} words in {buckets} buckets; wanted 1 to {_MOST_NGRAMS}"
        )
    words, labels = reader.dictionary()
    inputs, outputs = reader.matrix(), reader.matrix()
    if inputs.shape[1] != dim or outputs.shape != (len(labels), dim) or not len(labels):
        raise reader.refusal(f"has layers of {inputs.shape} and {outputs.shape} for dim={dim}")
    if len(inputs) != len(words) + buckets:
        raise reader.refusal(f"has {len(inputs)} rows for {len(words)} words, {buckets} buckets")
    names = tuple(label.decode(errors="replace") for label in labels)
    return LinearModel(
        vocabulary(words, labels), names, _products(inputs, outputs), buckets, ngrams
    )


def _products(inputs: NDArray[np.float32], outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (rows, labels - 1): each row times each label's less the first label's vector."""
    directions = (outputs[1:].astype(np.float64) - outputs[0].astype(np.float64)).T
    weights = np.empty((len(inputs), directions.shape[1]), np.float32)
    for start in range(0, len(inputs), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        weights[part] = inputs[part].astype(np.float64) @ directions
    return weights


class _Reader:
    """Takes a file of fastText apart, refusing to pass its end."""

    def __init__(self, content: mmap.mmap | bytes, where: str) -> None:
        self.content, self.where, self.at = content, where, 0

    def refusal(self, found: str) -> PluginError:
        """Return the error that says what is wrong with the file."""
        return PluginError(f"fastText model {found}", where=self.where)

    def numbers(self, layout: str) -> tuple[Any, ...]:
        """Return the next numbers, as `struct` lays them out without gaps."""
        start = self._pass(struct.calcsize(f"<{layout}"))
        return struct.unpack_from(f"<{layout}", self.content, start)

    def dictionary(self) -> tuple[list[bytes], list[bytes]]:
        """Return the words and the labels, each in the order of its rows."""
        size, words, labels = self.numbers("iii")
        _, pruned = self.numbers("qq")
        if pruned >= 0:
            raise self.refusal("is pruned (quantized); wanted one that is not")
        if min(size, words, labels) < 0 or words + labels != size:
            raise self.refusal(f"has {size} entries for {words} words and {labels} labels")
        entries = []
        for _ in range(size):  # once a worker, 1 us each
            stop = self.content.find(b"\0", self.at)
            if stop < 0:
                stop = len(self.content)  # no end: refused below
            start = self._pass(stop - self.at + _AFTER_SPELLING)
            entries.append(self.content[start:stop])
        return entries[:words], entries[words:]

    def matrix(self) -> NDArray[np.float32]:
        """Return a matrix that is not quantized, a view of the file."""
        (quantized,) = self.numbers("?")
        if quantized:
            raise self.refusal("is quantized; wanted one that is not")
        rows, columns = self.numbers("qq")
        if min(rows, columns) < 0:
            raise self.refusal(f"has a layer of {rows} x {columns}")
        start = self._pass(4 * rows * columns)
        values = np.frombuffer(self.content, "<f4", rows * columns, start)
        return values.reshape(rows, columns)

    def _pass(self, size: int) -> int:
        """Return where the next `size` bytes begin, and stand behind them."""
        start = self.at
        if start + size > len(self.content):
            raise self.refusal(
                f"ends after {len(self.content)} bytes; wanted {size} at {start}: copy it again"
            )
        self.at += size
        return start
