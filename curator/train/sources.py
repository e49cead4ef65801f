"""The evaluation of a run while it trains: mean loss of each source of a held-out mixture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from curator.errors import BudgetError, LedgerError, RecipeError
from curator.stage import circumstance
from curator.train.hooks import Measure
from curator.train.loader import Mixture, open_mixture
from curator.train.model import Gpt


@dataclass(frozen=True)
class SourceLosses:
    """Mean loss of every source of a mixture that is not trained on, in nats a token.

    Attributes:
        every_steps: how many steps lie between two measurements.
        rows: of one context that are read of each source, always the same ones; a source with
            less text is read once.
        context: tokens of a row; not more than the proxy's.
        draw_hash: names the mixture, `Mixture.identity`.
        folder: where it lies.
    """

    name: ClassVar[str] = "source_losses"

    every_steps: int
    rows: int
    context: int
    draw_hash: str
    folder: str = circumstance("")

    def __post_init__(self) -> None:
        """Refuse sizes that measure nothing."""
        if min(self.every_steps, self.rows, self.context) < 1:
            raise RecipeError(f"{self} measures nothing; its numbers must be at least 1")

    def open(self) -> Measure:
        """Return the measurement; the texts are read once.

        Raises:
            LedgerError: the folder holds another mixture.
            BudgetError: a source has no text.
        """
        mixture = open_mixture(self.folder)
        if mixture.identity()["draw_hash"] != self.draw_hash:
            raise LedgerError(
                f"holds the mixture {mixture.identity()['draw_hash']!r}, not {self.draw_hash!r}",
                where=self.folder,
            )
        return _Texts(
            {
                source: self._rows(mixture, number)
                for number, source in enumerate(mixture.source_names)
            }
        )

    def _rows(self, mixture: Mixture, source: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of one source, (rows, context) int64."""
        stream = mixture.only(source).stream(0)
        if stream.lap_tokens < 2:
            name = mixture.source_names[source]
            raise BudgetError(f"source {name!r} has no text; leave it out", where=self.folder)
        context = min(self.context, stream.lap_tokens - 1)
        rows = min(self.rows, (stream.lap_tokens - 1) // context)
        places = stream.positions(0, rows * context + 1)
        ids = torch.from_numpy(mixture.tokens[places].astype(np.int64))
        return ids[:-1].view(rows, context), ids[1:].view(rows, context)


@dataclass(frozen=True)
class _Texts:
    """Opened texts by source; calling it measures a model on all of them."""

    by_source: Mapping[str, tuple[torch.Tensor, torch.Tensor]] = field(repr=False)

    def __call__(self, model: Gpt) -> dict[str, float]:
        """Return source -> mean loss in nats a token."""
        device = model.embedding.weight.device
        return {
            source: model.bits(inputs.to(device), targets.to(device)).double().mean().item()
            * math.log(2)
            for source, (inputs, targets) in self.by_source.items()
        }
