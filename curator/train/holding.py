"""The loss on documents that a run holds back, measured while it trains: a curriculum's guide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.stage import circumstance
from curator.train.hooks import Measure
from curator.train.loader import Mixture, token_batch
from curator.train.model import Gpt, document_mask
from curator.train.opening import HELD_BACK, Iterative, held_back
from curator.train.proxy import Proxy


@dataclass(frozen=True)
class HeldBack:
    """Nats a token on rows of text that the run never reads.

    Attributes:
        every_steps: from one measurement to the next.
        tokens: that are measured.
        inputs: (rows, context + 1) int64.
        batch_rows: measured at once.
        bos: the token that begins documents, where attention ends at their borders; None: it
            does not.
    """

    every_steps: int
    tokens: int
    inputs: NDArray[np.int64] = circumstance(None)  # noqa: RUF009 - a field
    batch_rows: int = circumstance(1)
    bos: int | None = circumstance(None)

    name: ClassVar[str] = HELD_BACK

    def open(self) -> Measure:
        """Return the measurement."""
        text = torch.from_numpy(self.inputs)

        @torch.no_grad()
        def measured(model: Gpt) -> Mapping[str, float]:
            bits = 0.0
            for start in range(0, len(text), self.batch_rows):
                part = text[start : start + self.batch_rows].to(model.head.weight.device)
                read, wanted = part[:, :-1], part[:, 1:]
                mask = None if self.bos is None else document_mask(read, self.bos)
                bits += float(model.bits(read, wanted, mask).double().sum())
            return {HELD_BACK: bits * float(np.log(2)) / self.tokens}

        return measured


def open_held_back(
    settings: Iterative, mixture: Mixture, proxy: Proxy, steps: int, order_seed: int
) -> HeldBack:
    """Return the measurement of a run.

    Args:
        settings: of its curriculum.
        mixture: what it reads.
        proxy: of the run.
        steps: of the run.
        order_seed: of the run.

    Raises:
        RecipeError: what is held back makes no row of a context, or is too much.
    """
    tokens = steps * proxy.batch_rows * proxy.context
    stream = mixture.stream(order_seed, tokens)
    rows = held_back(stream, settings, tokens)
    _, first = np.unique(mixture.doc_ids[rows], axis=0, return_index=True)  # copies count once
    rows = rows[np.sort(first)]
    places = np.concatenate(
        [mixture.offsets[row] + np.arange(mixture.lengths[row]) for row in rows.tolist()]
    )
    width = proxy.context + 1
    whole = len(places) // width
    if not whole:
        raise RecipeError(
            f"held_back is {len(places)} tokens of whole documents, and a row of this proxy is "
            f"{width}; hold more back"
        )
    inputs = token_batch(mixture, places[: whole * width]).reshape(whole, width)
    bos = mixture.bos_id if proxy.document_mask else None
    return HeldBack(settings.every, whole * proxy.context, inputs, proxy.batch_rows, bos)
