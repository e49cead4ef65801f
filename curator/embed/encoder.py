"""Texts as unit vectors: static word vectors for speed, sentence encoders for meaning.

A vector depends on its text alone. Static vectors are means of table rows, added up text by text;
a sentence encoder sees batches of one fixed shape per text length, so what else is in a batch
changes no bit. Measured on one core (docs/scorers.md): `wordllama` 4 MB/s, `minilm` 0.01 MB/s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from curator import weights
from curator.batches import Batch, fixed_batches
from curator.errors import RecipeError

# Shapes: N texts, D dimensions, V vocabulary, T tokens.
Vectors = NDArray[np.float32]

_TEXTS_AT_ONCE = 1024  # tokenized together: answers take many times the memory of their texts
_BATCH_TOKENS = 2048  # a sentence encoder's batch is this many tokens whatever their length


class Encoder(Protocol):
    """Turns texts into vectors."""

    @property
    def dimensions(self) -> int:
        """Length of every vector."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) unit vectors; a row of zeros for a text without tokens."""


def open_encoder(name: str, *, device: str = "cpu", threads: int = 1) -> Encoder:
    """Return the encoder that `name` stands for.

    Args:
        name: "wordllama"; "minilm"; a folder of static vectors (`model.safetensors` and
            `tokenizer.json`, as model2vec writes them); a sentence-transformers folder; or the
            hub id of either, if the local cache has it.
        device: where a sentence encoder runs; static vectors stay on the CPU.
        threads: for tokenizing and matrix products.

    Raises:
        RecipeError: it is not here (with the command that brings it), or it is no encoder.
    """
    if threads == 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else it takes every core there is
    if name == "wordllama":
        return StaticEncoder(weights.find(name), weights.find("wordllama-tokenizer"))
    path = weights.find(name)
    if (path / "modules.json").is_file():
        return SentenceEncoder(path, device=device, threads=threads)
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


class SentenceEncoder:
    """A sentence-transformers model, run in batches whose shape the text's own length decides."""

    def __init__(self, path: Path, *, device: str = "cpu", threads: int = 1) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        quiet: Any = logging.disable_progress_bar  # transformers' helpers have no types
        quiet()
        torch.set_num_threads(threads)
        self._model: Any = SentenceTransformer(str(path), device=device, local_files_only=True)
        self._longest = int(self._model.max_seq_length or 512)
        self._special_tokens = int(self._model.tokenizer.num_special_tokens_to_add())

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return (N, D) unit vectors of the texts' beginnings (the model's longest input)."""
        return _in_portions(self._encode, texts, self.dimensions)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        vectors_ND = np.zeros((len(texts), self.dimensions), np.float32)
        tokens = self._model.tokenizer(list(texts), truncation=True, max_length=self._longest)
        lengths = np.array([len(ids) for ids in tokens["input_ids"]], dtype=np.int64)
        lengths[lengths <= self._special_tokens] = 0  # no tokens of its own: nothing to encode
        for batch in fixed_batches(lengths, longest=self._longest, tokens=_BATCH_TOKENS):
            found = self._forward(self._padded(tokens, batch))
            vectors_ND[batch.rows] = found[: len(batch.rows)]
        return unit(vectors_ND)

    def _padded(self, tokens: Any, batch: Batch) -> Any:
        """Return model inputs of the batch's shape; missing rows repeat the first one."""
        rows = batch.rows.tolist()
        chosen = rows + [rows[0]] * (batch.size - len(rows))
        features = {name: [tokens[name][row] for row in chosen] for name in tokens}
        return self._model.tokenizer.pad(
            features, padding="max_length", max_length=batch.length, return_tensors="pt"
        )

    def _forward(self, features: Any) -> Vectors:
        import torch

        with torch.inference_mode():
            moved = {name: tensor.to(self._model.device) for name, tensor in features.items()}
            vectors: Vectors = self._model(moved)["sentence_embedding"].float().cpu().numpy()
        return vectors


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
