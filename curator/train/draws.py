"""Batches whose rows are drawn from sources by a schedule of weights.

Every source has a stream of its own, cut into rows; each row of a batch goes to the source that
is furthest behind its weight. The draw is deterministic, and at every point of a run a source has
had its share to within about one row (measured: 1.07 rows at most, 2 to 20 sources of Dirichlet
weights), where drawing by chance is off by the root of their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError
from curator.identity import canonical
from curator.train.checkpoint import Evaluated
from curator.train.loader import Mixture, token_batch
from curator.train.online import Mixing, check_weights
from curator.train.packing import Coverage


@dataclass(frozen=True, slots=True)
class Told:
    """The weights that held from a step on."""

    step: int
    weights: dict[str, float]


class DrawnBatches:
    """Batches of (rows, context) inputs and next tokens, each row of one source.

    Stateless but for what it remembers of the draws: `batch(step)` depends on the mixture, the
    schedule, the order seed, the steps and the evaluations up to `step`.

    Args:
        mixing: schedule and cap.
        evaluated: what the run has measured, growing while it trains.

    Raises:
        BudgetError: a source would be read more often than its cap, if that is known beforehand.
    """

    def __init__(
        self,
        mixture: Mixture,
        mixing: Mixing,
        *,
        rows: int,
        context: int,
        order_seed: int,
        steps: int,
        evaluated: Sequence[Evaluated] = (),
    ) -> None:
        self.mixture, self.mixing = mixture, mixing
        self.rows, self.context, self.steps = rows, context, steps
        self._evaluated = evaluated
        count = len(mixture.source_names)
        self._streams = [mixture.only(source).stream(order_seed) for source in range(count)]
        self._sizes = np.array([stream.lap_tokens for stream in self._streams])
        self._source = np.zeros(steps * rows, dtype=np.int32)  # of every row drawn so far
        self._number = np.zeros(steps * rows, dtype=np.int64)  # of the row within its source
        self._counts = np.zeros(count, dtype=np.int64)
        self._credit = np.zeros(count)
        self._drawn = 0  # steps
        self.told: list[Told] = []
        if not mixing.schedule.online:
            self._draw_to(steps)

    @property
    def batch_tokens(self) -> int:
        """Tokens a step trains on."""
        return self.rows * self.context

    @property
    def window(self) -> tuple[float, float]:
        """Runs of an arm may read the same text: nothing keeps their windows apart."""
        return 0.0, 1.0

    def batch(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return inputs and targets of `step`, each (rows, context) int64.

        Raises:
            BudgetError: a source is read more often than its cap.
        """
        self._draw_to(step + 1)
        ids = token_batch(self.mixture, self._places(step * self.rows, (step + 1) * self.rows))
        return ids[:, :-1], ids[:, 1:]

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of inputs `start` to `stop`, whole rows."""
        places = self._places(start // self.context, stop // self.context)
        return places[:, :-1].ravel()

    def coverage(self, steps: int) -> dict[str, Coverage]:
        """Return per source what `steps` steps trained on."""
        seen = np.bincount(self._source[: steps * self.rows], minlength=len(self._counts))
        seen *= self.context
        unseen = np.maximum(self._sizes - seen, 0)
        pairs = zip(self.mixture.source_names, seen.tolist(), unseen.tolist(), strict=True)
        return {name: Coverage(was, rest) for name, was, rest in pairs}

    def account(self, every: int) -> dict[str, Any]:
        """Return what a record tells: schedule, cap, and the weights every so many steps."""
        kept: list[Told] = []
        for told in self.told:
            if kept and told.step // every == kept[-1].step // every:
                continue
            kept.append(told)
        return {
            "schedule": canonical(self.mixing.schedule),
            "max_epochs": self.mixing.max_epochs,
            "weights": [asdict(told) for told in kept],
        }

    def _draw_to(self, steps: int) -> None:
        """Draw the rows of the steps before `steps`; a loop, as each depends on those before."""
        names = self.mixture.source_names
        for step in range(self._drawn, steps):
            evaluated = [each for each in self._evaluated if each.steps <= step]
            given = self.mixing.schedule.weights(step / self.steps, evaluated)
            weights = dict(given)
            if not self.told or weights != self.told[-1].weights:
                check_weights(weights, names)
                self.told.append(Told(step, weights))
            weight = np.array([weights.get(name, 0.0) for name in names])
            closed = np.where(weight > 0, 0.0, -np.inf)
            for row in range(step * self.rows, (step + 1) * self.rows):
                self._credit += weight
                source = int((self._credit + closed).argmax())
                self._credit[source] -= 1
                self._source[row] = source
                self._number[row] = self._counts[source]
                self._counts[source] += 1
            self._check_caps(step)
            self._drawn = step + 1

    def _check_caps(self, step: int) -> None:
        epochs = self._counts * self.context / self._sizes
        worst = int(epochs.argmax())
        if epochs[worst] > self.mixing.max_epochs:
            raise BudgetError(
                f"source {self.mixture.source_names[worst]!r} would be read "
                f"{epochs[worst]:.2f} times by step {step + 1} of {self.steps}, its "
                f"{self._sizes[worst]:,} tokens at most {self.mixing.max_epochs:g} times; lower "
                "its weight, raise max_epochs, or add text"
            )

    def _places(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of rows `first` to `last` and of the token after each.

        Returns:
            (last - first, context + 1) int64.
        """
        places = np.zeros((last - first, self.context + 1), dtype=np.int64)
        sources, numbers = self._source[first:last], self._number[first:last]
        for source in np.unique(sources):
            mine = np.flatnonzero(sources == source)
            # Rows of one source are consecutive in its stream: one look-up serves them all.
            start = int(numbers[mine[0]]) * self.context
            stream = self._streams[source]
            along = stream.positions(start, start + len(mine) * self.context + 1)
            starts = np.arange(len(mine)) * self.context
            places[mine] = along[starts[:, None] + np.arange(self.context + 1)]
        return places
