"""A fastText classifier of two kinds of text: how it is trained and asked.

fastText cuts at white space, ends a text at a line break or at the word `</s>`, and takes any word
that begins with its label prefix for a label, so texts are made into harmless single lines first.
Trains at about 3 MB/s a core, with one thread, so the same examples in the same order and the same
seed give the same bytes. Questions go to `fasttext_model`, at about 90 MB/s.
"""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curator.errors import PluginError
from curator.score.fasttext_model import LinearModel, read_model

_PREFIX: Final = "__label__"
_END: Final = "</s>"
_GOOD: Final = _PREFIX + "good"
_BAD: Final = _PREFIX + "bad"
# What a report says of the settings.
CHOSEN: Final = ("learning_rate", "epochs", "dimensions", "min_count", "word_ngrams", "buckets")
# Learning rate * epochs * documents that a small training set should reach, and how far rate and
# epochs are raised for it: measured, see `scaled`.
_STEPS: Final = 10_000.0
_HIGHEST_RATE: Final = 0.5
_MOST_EPOCHS: Final = 50


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


def scaled(settings: Settings, documents: int) -> Settings:
    """Return settings that learn enough from so few documents: first a higher rate, then epochs.

    Published settings are for millions of examples; on thousands, the same ones hardly move the
    weights. The rate goes up to 0.5, the epochs up to 50, until their product with the number of
    documents reaches 10,000; settings that reach it are left alone.
    """
    lacking = _STEPS / max(1.0, settings.learning_rate * settings.epochs * documents)
    if lacking <= 1:
        return settings
    rate = max(settings.learning_rate, min(_HIGHEST_RATE, settings.learning_rate * lacking))
    lacking /= rate / settings.learning_rate
    epochs = max(settings.epochs, min(_MOST_EPOCHS, round(settings.epochs * lacking)))
    return replace(settings, learning_rate=round(rate, 4), epochs=epochs)


def with_rate(settings: Settings, rate: float | None, epochs: int | None) -> Settings:
    """Return settings with what is given of a learning rate and a number of epochs."""
    rate = settings.learning_rate if rate is None else rate
    return replace(
        settings, learning_rate=rate, epochs=settings.epochs if epochs is None else epochs
    )


def neighbors_of(settings: Settings) -> list[Settings]:
    """Return the small grid that is tried around settings, themselves first."""
    rates = (settings.learning_rate, settings.learning_rate / 3, settings.learning_rate * 3)
    grid = [(rates[0], 1.0), (rates[0], 2.0), (rates[1], 1.0), (rates[2], 1.0)]
    return [
        replace(settings, learning_rate=round(rate, 4), epochs=round(settings.epochs * times))
        for rate, times in grid
    ]


def one_line(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the texts with line breaks as spaces, without words that are fastText's own."""
    return _harmless(pc.replace_substring(texts, "\n", " "))


def _harmless(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the texts without label prefixes and ends of lines; nearly always the same texts."""
    if not pl.Series(texts).str.contains_any([_PREFIX, _END]).any():
        return texts
    return pc.replace_substring(pc.replace_substring(texts, _PREFIX, "_label_"), _END, "</s")


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
    import fasttext

    model.save_model(str(path))
    kept = fasttext.load_model(str(path))
    if not np.array_equal(kept.get_output_matrix(), model.get_output_matrix()):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def load(path: Path) -> LinearModel:
    """Return the model kept in `path`, to be asked without fastText.

    Raises:
        PluginError: it tells other classes apart than good and bad.
    """
    model = read_model(path)
    if set(model.labels) != {_GOOD, _BAD}:
        raise PluginError(
            f"labels are {list(model.labels)}; wanted {[_BAD, _GOOD]}: fit the scorer again",
            where=str(path),
        )
    return model


def good_probability(model: LinearModel, texts: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Return P(good) of every text as fastText gives it, (n,) in [0, 1]; NaN without words."""
    good = model.labels.index(_GOOD)  # by name: which label comes first is chance
    return np.clip(model.probabilities(_harmless(texts))[:, good], 0.0, 1.0)


def good_margin(model: LinearModel, texts: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """Return the log-odds of good over bad, (n,) in nats; NaN for a text without words.

    Where probabilities crowd at 0 and at 1, these still tell documents apart.
    """
    margins = model.margins(_harmless(texts))
    found: NDArray[np.float64] = (
        margins[:, model.labels.index(_GOOD)] - margins[:, model.labels.index(_BAD)]
    )
    return found


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
