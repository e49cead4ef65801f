"""A fastText classifier of two kinds of text: how it is trained, judged and asked.

fastText cuts at white space, ends a text at a line break and takes any word that begins with its
label prefix for a label, so texts are made into harmless single lines first. Trains at about
3 MB/s and predicts at about 15 MB/s a core; trained with one thread on rows sorted by id, so the
same examples and seed give the same bytes.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_PREFIX = "__label__"
_GOOD = _PREFIX + "good"
_BAD = _PREFIX + "bad"
# What fastText reads as space between words (dictionary.cc, readWord): a text of nothing else
# has no words, yet fastText would still answer, with the prior of its end-of-line token.
_BLANK = r"\A[ \n\r\t\v\f\x00]*\z"


@dataclass(frozen=True)
class Settings:
    """fastText's own settings; defaults are those of the DCLM quality classifier.

    Li et al. 2024, "DataComp-LM" (arXiv:2406.11794), `baselines/train_fasttext_classifier.py`:
    lr 0.1, dim 100, ws 5, epoch 5, minCount 1; wordNgrams 2 in the classifier they kept.
    `buckets` is ours: fastText's 2,000,000 would make every model an 800 MB file.
    """

    learning_rate: float = 0.1
    dimensions: int = 100
    window: int = 5
    epochs: int = 5
    min_count: int = 1
    word_ngrams: int = 2
    buckets: int = 100_000
    seed: int = 0


def one_line(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the texts with line breaks as spaces and without words that read as labels."""
    return pc.replace_substring(pc.replace_substring(texts, "\n", " "), _PREFIX, "_label_")


def train(good: pa.Array, bad: pa.Array, settings: Settings, order: NDArray[np.int64]) -> Any:
    """Return a fastText model that tells `good` from `bad`.

    Args:
        good: texts, (g,).
        bad: texts, (b,).
        settings: fastText's settings.
        order: (g + b,) the order in which fastText meets the rows of `good` then `bad`. It learns
            row by row, so this order is part of the result.
    """
    import fasttext

    lines = pa.concat_arrays([_labelled(good, _GOOD), _labelled(bad, _BAD)])
    with tempfile.TemporaryDirectory(prefix="curator-fasttext-") as folder:
        path = Path(folder) / "examples.txt"
        path.write_bytes(_bytes_of(lines.take(pa.array(order))))
        return fasttext.train_supervised(
            input=str(path),
            label=_PREFIX,
            lr=settings.learning_rate,
            dim=settings.dimensions,
            ws=settings.window,
            epoch=settings.epochs,
            minCount=settings.min_count,
            wordNgrams=settings.word_ngrams,
            bucket=settings.buckets,
            seed=settings.seed,
            thread=1,  # more would race for the weights: another model every time
            verbose=0,
        )


def save(model: Any, path: Path) -> None:
    """Write a model.

    Raises:
        OSError: there was no room. fastText does not look whether its writes succeed, so the part
            that it writes last is read back.
    """
    model.save_model(str(path))
    if not np.array_equal(load(path).get_output_matrix(), model.get_output_matrix()):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def load(path: Path) -> Any:
    """Return the fastText model kept in `path`."""
    import fasttext

    return fasttext.load_model(str(path))


def good_probability(model: Any, texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return P(good) of every text, float32 in [0, 1]; null for a text without words.

    The probability is read by the label's name: fastText sorts labels by probability, so the
    first one is good for some texts and bad for others.
    """
    empty = pc.match_substring_regex(texts, _BLANK)
    lines = one_line(texts).to_pylist()  # fastText takes Python strings; it works on them in C++
    labels, probabilities = model.predict(lines, k=-1) if lines else ([], [])
    share = _by_name(labels, probabilities)
    return pa.array(share, mask=np.asarray(empty.to_numpy(zero_copy_only=False), dtype=bool))


def auc(good: NDArray[np.floating[Any]], bad: NDArray[np.floating[Any]]) -> float:
    """Return the chance that a good score exceeds a bad one, ties counting half: in [0, 1].

    Mann-Whitney's U over the number of pairs. NaN if either side is empty.
    """
    if not len(good) or not len(bad):
        return float("nan")
    ascending = np.sort(bad)
    below = np.searchsorted(ascending, good, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(ascending, good, side="right").sum(dtype=np.int64)
    return float((below + not_above) / (2 * len(good) * len(bad)))


def _by_name(
    labels: Sequence[Sequence[str]], probabilities: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the probability that stands beside `_GOOD` in each answer, (n,) float32.

    Two labels a text, so this is a reshape and a comparison over all rows at once. fastText adds
    1e-5 before its logarithm (loss.cc, `std_log`), so its numbers can pass 1 by that much.
    """
    if not len(labels):
        return np.zeros(0, np.float32)
    names = np.asarray(labels).reshape(-1, 2)
    values = np.asarray(probabilities, dtype=np.float32).reshape(-1, 2)
    good = np.where(names[:, 0] == _GOOD, values[:, 0], values[:, 1])
    return np.clip(good, 0.0, 1.0)


def _labelled(texts: pa.Array, label: str) -> pa.Array:
    lines = one_line(texts.cast(pa.large_string()))
    ends = pa.scalar("\n", pa.large_string())
    return pc.binary_join_element_wise(
        pa.scalar(label + " ", pa.large_string()), lines, ends, pa.scalar("", pa.large_string())
    )


def _bytes_of(lines: pa.Array) -> memoryview:
    """Return a freshly made text array's characters end to end, without a copy."""
    _, offsets_buffer, values = lines.buffers()
    stop = int(np.frombuffer(offsets_buffer, np.int64)[len(lines)])
    return memoryview(values)[:stop]
