"""Texts as unit vectors: static word vectors for speed, sentence encoders for meaning.

A vector depends on its text alone. Static vectors are means of table rows, added up text by text;
a sentence encoder's matrix products have fixed shapes, so what else is in a batch changes no bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from curator import weights
from curator.errors import RecipeError

if TYPE_CHECKING:
    from curator.embed.bert import Precision

# Shapes: N texts, D dimensions, V vocabulary.
Vectors = NDArray[np.float32]

_TEXTS_AT_ONCE = 1024  # tokenized together: answers take many times the memory of their texts


class Encoder(Protocol):
    """Turns texts into vectors."""

    @property
    def dimensions(self) -> int:
        """Length of every vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) unit vectors; a row of zeros for a text without tokens."""


def open_encoder(
    name: str, *, device: str = "cpu", threads: int = 1, precision: Precision = "bfloat16"
) -> Encoder:
    """Return the encoder that `name` stands for.

    Args:
        name: "wordllama"; "minilm"; a folder of static vectors (`model.safetensors` and
            `tokenizer.json`, as model2vec writes them); a sentence-transformers folder; or the
            hub id of either, if the local cache has it.
        device: where a sentence encoder runs; static vectors stay on the CPU.
        threads: for tokenizing and matrix products.
        precision: of a sentence encoder's matrix products; static vectors are float32.

    Raises:
        RecipeError: it is not here (with the command that brings it), or it is no encoder.
    """
    from pickle import UnpicklingError  # what torch ends in where a pickle holds more than weights

    from safetensors import SafetensorError

    if threads == 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else it takes every core there is
    if name == "wordllama":
        return StaticEncoder(weights.find(name), weights.find("wordllama-tokenizer"))
    path = weights.find(name)
    try:
        return _opened(path, device=device, threads=threads, precision=precision)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, UnpicklingError) as error:
        raise RecipeError(
            f"{str(path)!r} cannot be read as an encoder ({type(error).__name__}: "
            f"{str(error)[:200]}); wanted its files as they were published: fetch them again"
        ) from error


def _opened(path: Path, *, device: str, threads: int, precision: Precision) -> Encoder:
    if (path / "modules.json").is_file():
        from curator.embed.bert import is_bert
        from curator.embed.sentence import BertEncoder, SentenceEncoder

        kind = BertEncoder if is_bert(path) else SentenceEncoder
        return kind(path, precision=precision, device=device, threads=threads)
    if (path / "model.safetensors").is_file() and (path / "tokenizer.json").is_file():
        return StaticEncoder(path / "model.safetensors", path / "tokenizer.json")
    raise RecipeError(
        f"{str(path)!r} is no encoder; wanted a sentence-transformers folder (modules.json) or "
        "static vectors (model.safetensors and tokenizer.json)"
    )


def encoder_digest(name: str) -> str:
    """Return what names an encoder by content: the digest of its weights and tokenizer.

    Raises:
        RecipeError: it is not here; the message has the command that brings it.
    """
    if name == "wordllama":
        return weights.digest(weights.find(name)) + weights.digest(
            weights.find(f"{name}-tokenizer")
        )
    return weights.digest(weights.find(name))


class StaticEncoder:
    """The mean of the word vectors of a text's tokens, at unit length."""

    def __init__(self, vectors: Path, tokenizer: Path) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        tables = list(load_file(vectors).values())
        if len(tables) != 1 or tables[0].ndim != 2:
            shapes = [table.shape for table in tables]
            raise RecipeError(
                f"{str(vectors)!r} has arrays {shapes}; wanted one (tokens, dimensions)"
            )
        self._table_VD = tables[0].astype(np.float32)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return int(self._table_VD.shape[1])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) unit vectors; a row of zeros for a text without tokens."""
        return _in_portions(self._encode, texts, self.dimensions)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        from scipy.sparse import csr_array

        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [np.zeros(0, np.int32), *(np.array(one.ids, np.int32) for one in encodings)]
        bounds = np.cumsum([len(part) for part in ids])
        # A tokenizer may know more tokens than the table has rows (added special tokens).
        known = np.minimum(np.concatenate(ids), len(self._table_VD) - 1)
        ones = np.ones(len(known), np.float32)
        # One text's rows are added up one after the other: no other text matters. Thirty times
        # as fast as gathering the rows and reducing them.
        counts_NV = csr_array((ones, known, bounds), shape=(len(texts), len(self._table_VD)))
        return unit(np.asarray(counts_NV @ self._table_VD))


def unit(vectors_ND: Vectors) -> Vectors:
    """Return the rows at length one; zeros stay zeros."""
    norms = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    scaled: Vectors = vectors_ND / np.maximum(norms, np.float32(1e-12))
    return scaled


def _in_portions(
    encode: Callable[[Sequence[str]], Vectors], texts: Sequence[str], dimensions: int
) -> Vectors:
    """Return all texts' vectors, holding the tokens of no more than a portion of them."""
    parts = [encode(texts[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(texts), _TEXTS_AT_ONCE)]
    return np.concatenate([np.zeros((0, dimensions), np.float32), *parts])
