"""Sentence encoders: transformers whose vectors stand for what texts mean.

BERT runs here (`curator.embed.bert`), any other model in sentence-transformers. Either way a
document's vector does not depend on the documents beside it: matrix products have fixed shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.batches import Batch, fixed_batches
from curator.embed.bert import Bert, Precision, longest_input
from curator.embed.packing import STEP, Packed, packed
from curator.embed.tokenizing import Beginnings

# Shapes: N texts, D dimensions, T rows (tokens) of a batch.
_ROWS = 2048  # of a batch: weights and states of a layer stay in the cache of a core
_ROWS_ON_A_GPU = 65_536
_TEXTS_AT_ONCE = 4096  # tokenized and packed together


class BertEncoder:
    """A sentence encoder whose transformer is BERT, over packed documents."""

    def __init__(
        self, path: Path, *, precision: Precision, device: str = "cpu", threads: int = 1
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        longest = longest_input(path)
        rows = _ROWS if device == "cpu" else _ROWS_ON_A_GPU
        self._rows = max(rows, -(-longest // STEP) * STEP)  # a document lies in one batch
        self._model = Bert(path, precision=precision, device=device, rows=self._rows)
        self._tokens = Beginnings(path / "tokenizer.json", longest)

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return self._model.dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, D) unit vectors of the texts' beginnings (the model's longest input)."""
        vectors_ND = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            ids = self._tokens(texts[start : start + _TEXTS_AT_ONCE])
            lengths = np.array([len(one) for one in ids], np.int64)
            for batch in packed(lengths, self._rows):
                found_ND = self._means(ids, lengths, batch)
                norms = np.linalg.norm(found_ND, axis=1, keepdims=True)
                vectors_ND[start + batch.documents] = found_ND / norms
        return vectors_ND

    def _means(
        self, ids: list[NDArray[np.int64]], lengths: NDArray[np.int64], batch: Packed
    ) -> NDArray[np.float32]:
        ids_T, places_T = np.zeros(self._rows, np.int64), np.zeros(self._rows, np.int64)
        for number, start in zip(batch.documents.tolist(), batch.starts.tolist(), strict=True):
            ids_T[start : start + len(ids[number])] = ids[number]
            places_T[start : start + len(ids[number])] = np.arange(len(ids[number]))
        return self._model.means(ids_T, places_T, batch, lengths[batch.documents])


class SentenceEncoder:
    """Any sentence-transformers model, in batches whose shape the text's own length decides."""

    def __init__(
        self, path: Path, *, precision: Precision, device: str = "cpu", threads: int = 1
    ) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        quiet: Any = logging.disable_progress_bar  # transformers' helpers have no types
        quiet()
        torch.set_num_threads(threads)
        self._model: Any = SentenceTransformer(str(path), device=device, local_files_only=True)
        self._half = precision == "bfloat16"
        self._rows = _ROWS if device == "cpu" else _ROWS_ON_A_GPU
        self._longest = int(self._model.max_seq_length or 512)
        self._special_tokens = int(self._model.tokenizer.num_special_tokens_to_add())

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (N, D) unit vectors of the texts' beginnings (the model's longest input)."""
        parts = [
            self._encode(texts[start : start + _TEXTS_AT_ONCE])
            for start in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        return np.concatenate([np.zeros((0, self.dimensions), np.float32), *parts])

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors_ND = np.zeros((len(texts), self.dimensions), np.float32)
        tokens = self._model.tokenizer(list(texts), truncation=True, max_length=self._longest)
        lengths = np.array([len(ids) for ids in tokens["input_ids"]], dtype=np.int64)
        lengths[lengths <= self._special_tokens] = 0  # no tokens of its own: nothing to encode
        for batch in fixed_batches(lengths, longest=self._longest, tokens=self._rows):
            found = self._forward(self._padded(tokens, batch))
            vectors_ND[batch.rows] = found[: len(batch.rows)]
        norms = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = vectors_ND / np.maximum(norms, np.float32(1e-12))
        return scaled

    def _padded(self, tokens: Any, batch: Batch) -> Any:
        """Return model inputs of the batch's shape; missing rows repeat the first one."""
        rows = batch.rows.tolist()
        chosen = rows + [rows[0]] * (batch.size - len(rows))
        features = {name: [tokens[name][row] for row in chosen] for name in tokens}
        return self._model.tokenizer.pad(
            features, padding="max_length", max_length=batch.length, return_tensors="pt"
        )

    def _forward(self, features: Any) -> NDArray[np.float32]:
        import torch

        device = self._model.device
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._half),
        ):
            moved = {name: tensor.to(device) for name, tensor in features.items()}
            vectors: NDArray[np.float32] = (
                self._model(moved)["sentence_embedding"].float().cpu().numpy()
            )
        return vectors
