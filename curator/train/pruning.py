"""Epochs of the same rows: which each visits, chosen as it begins, and the losses met on the way.

A row is a window of one context of the packed mixture, cut once: its loss in one epoch is of the
same tokens as in the next. Losses are those of the forward passes that train, as each row was then
(with dropout, before the step), so that choosing costs no arithmetic; they and every epoch's rows
are part of a checkpoint, and a cut run goes on with the same bytes.

Epochs are of whole batches: the last rows of an epoch's order, fewer than a batch, are not visited.
How many rows an epoch visits is known as it begins, so the rate follows the epochs and not the
steps: a pruned run moves through its schedule as the unpruned one does, in fewer steps.
"""

# Shapes: N rows of the run, B rows of a batch, T positions.
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.identity import settings_of
from curator.train.loader import Mixture, token_batch
from curator.train.packing import Coverage
from curator.train.proxy import Proxy
from curator.train.prune import Prune, choose_rows, saved

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass
class PruneState:
    """What a run has chosen and met so far: part of its checkpoint."""

    losses: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # (N,) nan: none yet
    last: Rows = field(default_factory=lambda: np.zeros(0, np.int32))  # (N,) step of it; -1
    epochs: list[Rows] = field(default_factory=list)  # the rows of each epoch, in whole batches
    weights: list[Floats] = field(default_factory=list)  # aligned

    @property
    def rows_before(self) -> NDArray[np.int64]:
        """Rows visited before each epoch, and after the last: (epochs + 1,)."""
        return np.cumsum([0, *(len(rows) for rows in self.epochs)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint keeps, by name; nothing if no epoch has begun."""
        if not self.epochs:
            return {}
        return {
            "losses": self.losses,
            "last": self.last,
            "rows": np.concatenate(self.epochs),
            "weights": np.concatenate(self.weights),
            "counts": np.array([len(rows) for rows in self.epochs], np.int64),
        }

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> PruneState:
        """Return the state that `arrays` were of."""
        if not arrays:
            return cls()
        cuts = np.cumsum(arrays["counts"])[:-1]
        rows, weights = (np.split(arrays[name], cuts) for name in ("rows", "weights"))
        return cls(arrays["losses"].copy(), arrays["last"].copy(), rows, weights)


@dataclass(frozen=True)
class Pruning:
    """A prune checked against one run: how many rows it reads, and how often."""

    prune: Prune
    rows: int
    batch_rows: int
    budget_steps: int  # plain steps that the budget pays for

    @property
    def plain_steps(self) -> int:
        """How many steps all epochs are if nothing is left out."""
        return self.prune.epochs * (self.rows // self.batch_rows)


def open_pruning(prune: Prune, mixture: Mixture, proxy: Proxy, steps: int) -> Pruning:
    """Return a prune with its rows counted.

    Args:
        prune: the settings.
        mixture: what the run reads.
        proxy: of the run.
        steps: the budget, in plain steps.

    Raises:
        BudgetError: the mixture is smaller than an epoch, or an epoch than a batch.
        RecipeError: more groups than rows; a proxy that averages its last weights.
    """
    there = (mixture.n_tokens - 1) // proxy.context
    rows = prune.rows_of(steps * proxy.batch_rows, there)
    if rows < proxy.batch_rows:
        raise RecipeError(
            f"an epoch is {rows} rows and a batch {proxy.batch_rows}; train on more tokens, or ask "
            "for fewer epochs"
        )
    if proxy.average_share:
        raise RecipeError(
            f"average_share is {proxy.average_share!r}, and how many steps a pruned run takes is "
            "not known before its end; use a proxy without it"
        )
    return Pruning(prune, rows, proxy.batch_rows, steps)


class PrunedBatches:
    """Batches of the rows that an epoch visits; losses of one epoch choose the rows of the next.

    Args:
        mixture: what the run reads.
        pruning: how.
        context: tokens of a row.
        order_seed: of the run.
        state: what steps before have chosen and met; grows.
    """

    def __init__(
        self, mixture: Mixture, pruning: Pruning, context: int, order_seed: int, state: PruneState
    ) -> None:
        self.mixture, self.pruning, self.context = mixture, pruning, context
        self.rows, self.state = pruning.batch_rows, state
        self._order_seed = order_seed
        self.stream = mixture.stream(order_seed, pruning.rows * context + 1)
        if not len(state.losses):
            state.losses = np.full(pruning.rows, np.nan, np.float32)
            state.last = np.full(pruning.rows, -1, np.int32)

    @property
    def batch_tokens(self) -> int:
        """Tokens a step trains on."""
        return self.rows * self.context

    @property
    def window(self) -> tuple[float, float]:
        """Where the part of the mixture that this run reads begins, and its share."""
        return self.stream.window.start, self.stream.window.share

    def over(self, step: int) -> bool:
        """Return whether all epochs are done before `step`."""
        done = len(self.state.epochs) == self.pruning.prune.epochs
        return done and step * self.rows >= int(self.state.rows_before[-1])

    def choose(self, step: int) -> None:
        """Choose the rows of the epoch that begins at `step`, if one does.

        Raises:
            RecipeError: an epoch would have less than a batch; a visited row has no loss.
        """
        state, prune = self.state, self.pruning.prune
        if step * self.rows < int(state.rows_before[-1]):
            return
        epoch = len(state.epochs)
        visited = state.last >= 0
        rows, weights = choose_rows(prune, epoch, state.losses, visited, self._order_seed)
        whole = len(rows) // self.rows * self.rows
        if not whole:
            raise RecipeError(
                f"epoch {epoch} would visit {len(rows)} of {len(visited)} rows, less than a batch "
                f"of {self.rows}; keep more, open more groups, or train on more tokens"
            )
        state.epochs.append(rows[:whole])
        state.weights.append(weights[:whole])

    def chosen(self, step: int) -> Rows:
        """Return the rows of a batch, (B,)."""
        epoch, start = self._at(step)
        return self.state.epochs[epoch][start : start + self.rows]

    def weights(self, step: int) -> Floats:
        """Return how much each row of a batch counts, (B,)."""
        epoch, start = self._at(step)
        return self.state.weights[epoch][start : start + self.rows]

    def meet(self, step: int, losses_B: Floats) -> None:
        """Keep the losses of the rows that `step` trained on, in nats a token."""
        rows = self.chosen(step)
        self.state.losses[rows] = losses_B
        self.state.last[rows] = step

    def plain_step(self, step: int) -> int:
        """Return the step of an unpruned run that is as far through its epochs."""
        epoch, start = self._at(step)
        whole = self.pruning.plain_steps // self.pruning.prune.epochs
        return epoch * whole + start * whole // len(self.state.epochs[epoch])

    def batch(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return inputs and targets of the rows of `step`, each (rows, context) int64."""
        places = self._places(self.chosen(step), self.context + 1)
        ids = token_batch(self.mixture, places).reshape(self.rows, self.context + 1)
        return ids[:, :-1], ids[:, 1:]

    def positions(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the places in tokens.bin of trained tokens `start` to `stop`, whole batches."""
        visits = np.concatenate([np.zeros(0, np.int32), *self.state.epochs])
        return self._places(visits[start // self.context : stop // self.context], self.context)

    def coverage(self, steps: int) -> dict[str, Coverage]:
        """Return per source what `steps` steps trained on; padded is 0, unseen what none did."""
        mixture, names = self.mixture, self.mixture.source_names
        times = np.zeros(self.pruning.rows, np.int64)
        for rows in self.state.epochs:
            times[rows] += 1
        seen = np.zeros(len(names), np.int64)
        touched = np.zeros(len(names), np.int64)
        by_place = np.argsort(mixture.offsets, kind="stable")
        # A stretch of rows at a time: places are eight bytes a token.
        for first in range(0, self.pruning.rows, 4096):
            part = np.arange(first, min(first + 4096, self.pruning.rows))
            places = self._places(part, self.context)
            document = by_place[
                np.searchsorted(mixture.offsets[by_place], places, side="right") - 1
            ]
            often = np.repeat(times[part], self.context)
            source = mixture.sources[document]
            seen += np.bincount(source, often, minlength=len(names)).astype(np.int64)
            touched += np.bincount(source, often > 0, minlength=len(names)).astype(np.int64)
        size = np.bincount(mixture.sources, mixture.lengths, minlength=len(names)).astype(np.int64)
        pairs = zip(names, seen.tolist(), (size - touched).tolist(), strict=True)
        return {name: Coverage(was, rest) for name, was, rest in pairs}

    def account(self, steps: int) -> dict[str, Any]:
        """Return what a record tells of `steps` steps: rows, tokens and the saved share by epoch.

        `budget_tokens` are what the unpruned run may read: what arms are compared at.
        """
        counts = [len(rows) for rows in self.state.epochs]
        rows, tokens = self.pruning.rows, steps * self.batch_tokens
        plain = self.pruning.prune.epochs * rows * self.context
        return {
            "settings": settings_of(self.pruning.prune),
            "rows": rows,
            "visited": counts,
            "saved": [round(share, 6) for share in saved(counts, rows)],
            "saved_share": round(1 - tokens / plain, 6),
            "tokens": tokens,
            "unvisited": int((self.state.last < 0).sum()),
            "budget_tokens": self.pruning.budget_steps * self.batch_tokens,
        }

    def _at(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, and how many of its rows were visited before."""
        before = self.state.rows_before
        epoch = int(np.searchsorted(before, step * self.rows, side="right")) - 1
        return epoch, step * self.rows - int(before[epoch])

    def _places(self, rows: NDArray[np.integer[Any]], length: int) -> NDArray[np.int64]:
        """Return places in tokens.bin of the first `length` tokens of some rows, one after another.

        A loop over rows: each turn is one search in the index, next to a step that trains on it.
        """
        starts = (rows.astype(np.int64) * self.context).tolist()
        parts = [self.stream.positions(start, start + length) for start in starts]
        return np.concatenate([np.zeros(0, np.int64), *parts])
