"""How much one step on a document lowers a reference's loss, by taking the step: the exact probe.

MATES' oracle (Yu et al. 2024, arXiv:2406.06046): one step of the model's own AdamW on one document,
the reference's loss again, and everything as it was. What is restored lies in memory, a copy in
place; the reference is read in fixed batches without gradient. Costs three forward passes over the
document and one over the reference: 0.1 s for 8,000 tokens of it and a proxy of 0.1M parameters.
"""

# Shapes: N documents, Q parts of a reference.
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.influence.first_order import losses_of
from curator.influence.rows import Rows, Tokens
from curator.influence.state import State, in_precision, optimizer_of


class OneStep:
    """Takes a step on a document, measures, and puts weights and moments back.

    Args:
        state: whose model is stepped.
        parts: of the reference, each in batches.
        scale: of the learning rates at the state's last step. At 1, the paper's, a step on a single
            document raises the loss for nearly all of them and ranks by curvature; .1 is linear.
        precision: what matrices are multiplied in while the reference is read; steps are float32.
    """

    def __init__(
        self,
        state: State,
        parts: Sequence[Sequence[Rows]],
        *,
        scale: float,
        precision: str = "float32",
    ) -> None:
        self.model, self.optimizer = state.model, optimizer_of(state)
        self.judge = state.model if precision == "float32" else in_precision(state.model, precision)
        self.parts, self.factor = parts, scale * state.factor
        weights = list(self.model.parameters())
        moments = [part for w in weights for part in self.optimizer.adam.state[w].values()]
        self._resident: list[Tensor] = [*(weight.data for weight in weights), *moments]
        self._kept = [part.clone() for part in self._resident]
        self._before = self._losses()

    def __call__(self, tokens: Tokens) -> NDArray[np.float64]:
        """Return the fall of each part's loss, (N, Q), in nats a token; NaN without tokens."""
        found = np.full((len(tokens.offsets) - 1, len(self.parts)), np.nan)
        for document in np.flatnonzero(np.diff(tokens.offsets) > 1).tolist():
            ids = tokens.ids[tokens.offsets[document] : tokens.offsets[document + 1]]
            found[document] = self._before - self._after(torch.from_numpy(ids)[None])
        return found

    def _after(self, ids_1T: Tensor) -> NDArray[np.float64]:
        """Return the parts' losses after a step on one document; the step is undone."""
        ids_1T = ids_1T.to(self._resident[0].device)
        try:
            self.model.loss(ids_1T[:, :-1], ids_1T[:, 1:]).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step(self.factor)
            return self._losses()
        finally:
            torch._foreach_copy_(self._resident, self._kept)

    def _losses(self) -> NDArray[np.float64]:
        return np.array([losses_of(self.judge, part) for part in self.parts])
