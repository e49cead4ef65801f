"""A finished run as a causal language model with its tokenizer: what scorers ask for bits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from curator.train.attention import apart
from curator.train.checkpoint import load_model
from curator.train.loss import cap_
from curator.train.tokenizer import bos_id, load_tokenizer


class ProxyModel:
    """One of our own proxies: the folder that `curator.train` wrote, with its tokenizer.json.

    Args:
        path: the run's folder.
        device: where the model runs.
        threads: of torch; a process has one setting.
        precision: what matrices are multiplied in, "float32" or "bfloat16".
    """

    def __init__(self, path: Path, *, device: str, threads: int, precision: str) -> None:
        torch.set_num_threads(threads)
        compute = getattr(torch, precision)
        self._model = load_model(path, device=device, compute=compute)
        self._device = device
        self.tokenizer = load_tokenizer(path / "tokenizer.json")
        self.first_token = bos_id(self.tokenizer)
        self.context = self._model.shape.context

    def logits(
        self, tokens_BT: NDArray[np.int64], blocks_BT: NDArray[np.int64] | None = None
    ) -> torch.Tensor:
        """Return log-odds of every next token given its row up to there, (B, T, V) float32.

        Args:
            tokens_BT: what stands in the rows.
            blocks_BT: which text of its row a token is of; none sees another. None: one a row.
        """
        tokens = torch.from_numpy(tokens_BT).to(self._device)
        mask = None if blocks_BT is None else apart(torch.from_numpy(blocks_BT).to(self._device))
        with torch.inference_mode():
            logits: torch.Tensor = self._model.head(self._model(tokens, mask)).float()
            cap_(logits)  # in bits: as the model's own losses count them
            return logits.mul_(math.log(2))

    def bits(
        self, tokens_BT: NDArray[np.int64], targets_BT: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return -log2 p of each target given its row up to there, (B, T) float32."""
        tokens = torch.from_numpy(tokens_BT).to(self._device)
        targets = torch.from_numpy(targets_BT).to(self._device)
        found: NDArray[np.float32] = self._model.bits(tokens, targets).cpu().numpy()
        return found
