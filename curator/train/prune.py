"""Which rows of a mixture an epoch visits, by the losses that they had when last trained on.

For runs of several epochs. SeTa (Zhou et al., CVPR 2025) draws a share of all rows, parts them into
groups by loss and trains on a window of groups that slides from easy to hard and begins again.
InfoBatch (Qin et al., ICLR 2024, arXiv:2303.04947) drops rows of less than the mean loss by chance
and lets those that stay count for them, so that an epoch's gradient is on average that of all.
Both end with a part in which nothing is left out by its loss.

The baseline to beat is `random`, SeTa with one group. A `placebo` follows the same rule with losses
dealt to other rows: as many rows an epoch, and none of the method's knowledge.
"""

# Shapes: N rows, G groups.
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.errors import BudgetError, RecipeError
from curator.identity import uniform
from curator.train.clusters import cluster

FULL, RANDOM, INFOBATCH, SETA = METHODS = ("full", "random", "infobatch", "seta")
LEAST_EPOCHS = 4  # with fewer, a row's loss is of a model that is no more
KEEP, RATE = 0.9, 0.5  # share drawn an epoch, and InfoBatch's r: defaults of ours
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """How the rows of an epoch are chosen.

    Attributes:
        method: one of `METHODS`.
        epochs: over the rows that the budget pays for, all of them counted.
        keep: share of all rows that an epoch draws, in (0, 1], of `random` and `seta`; None: .9.
        rate: chance of a row below the mean loss to be left out, of `infobatch`; None: .5.
        groups: of `seta`: how many parts by loss.
        window: of `seta`: share of the groups that an epoch trains on, in (0, 1].
        annealing: share of the epochs at the end, in [0, 1), in which losses do not count.
        placebo: whether losses are dealt to other rows before they count.
        seed: of chance, beside the run's order seed.
    """

    method: str
    epochs: int
    keep: float | None = None
    rate: float | None = None
    groups: int = 10
    window: float = 0.5
    annealing: float = 0.125
    placebo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that prune nothing, or by nothing."""
        if self.method not in METHODS:
            raise RecipeError(f"method is {self.method!r}; wanted one of {', '.join(METHODS)}")
        if self.epochs < LEAST_EPOCHS:
            raise RecipeError(
                f"epochs is {self.epochs!r}; wanted at least {LEAST_EPOCHS}: with fewer, losses "
                "are of a model that is no more; select fewer tokens and read them more often"
            )
        drawing = self.method in (RANDOM, SETA)
        for key, used in (("keep", drawing), ("rate", self.method == INFOBATCH)):
            if getattr(self, key) is not None and not used:
                raise RecipeError(f"method {self.method!r} has no {key}; leave it out")
        if not 0 < self.kept <= 1:
            raise RecipeError(f"keep is {self.keep!r}; wanted a share in (0, 1]")
        if not 0 < self.dropped < 1:
            raise RecipeError(f"rate is {self.rate!r}; wanted a chance inside (0, 1)")
        if self.groups < 1 or not 0 < self.window <= 1 or self.open_groups < 1:
            raise RecipeError(
                f"window {self.window!r} of {self.groups!r} groups is {self.open_groups} groups; "
                "wanted at least one: widen the window, or make more groups"
            )
        if not 0 <= self.annealing < 1:
            raise RecipeError(f"annealing is {self.annealing!r}; wanted a share in [0, 1)")
        if self.placebo and self.method not in (INFOBATCH, SETA):
            raise RecipeError(f"method {self.method!r} asks no losses; leave out `placebo`")

    @property
    def kept(self) -> float:
        """The share of all rows that an epoch draws."""
        return KEEP if self.keep is None else self.keep

    @property
    def dropped(self) -> float:
        """The chance of an easy row to be left out."""
        return RATE if self.rate is None else self.rate

    @property
    def open_groups(self) -> int:
        """How many groups an epoch trains on."""
        return round(self.groups * self.window)

    def anneals(self, epoch: int) -> bool:
        """Return whether losses no longer count in `epoch`: never in the last."""
        last = max(1, round(self.epochs * self.annealing)) if self.annealing else 0
        return epoch >= self.epochs - last

    def open_in(self, epoch: int) -> range:
        """Return the groups that `epoch` trains on, 0 the easiest: all at first, then a window."""
        if epoch == 0:
            return range(self.groups)
        start = epoch % (self.groups - self.open_groups + 1)
        return range(start, start + self.open_groups)

    def rows_of(self, budget_rows: int, there: int) -> int:
        """Return how many rows the run reads over and over.

        Args:
            budget_rows: what the budget pays for, all epochs together.
            there: what the mixture has.

        Raises:
            BudgetError: the mixture has much less than the budget reads.
            RecipeError: more groups than rows.
        """
        wanted = budget_rows // self.epochs
        rows = min(wanted, there)
        # A selection is within a document of its budget: that is no lack.
        if rows < 0.95 * wanted:
            raise BudgetError(
                f"the mixture has {there} rows, and {self.epochs} epochs of this budget are of "
                f"{wanted}; select {wanted / max(there, 1):.2f} times as many tokens, lower "
                f"train.tokens, or ask for {budget_rows // max(there, 1)} epochs"
            )
        if self.method == SETA and self.groups >= rows:
            raise RecipeError(
                f"{self.groups} groups of {rows} rows; wanted fewer groups than rows: lower groups "
                "or train on more tokens"
            )
        return rows


def choose_rows(
    prune: Prune, epoch: int, losses_N: Floats, visited_N: NDArray[np.bool_], order_seed: int
) -> tuple[NDArray[np.int32], Floats]:
    """Return the rows of an epoch in the order of their visits, and how much each counts.

    Args:
        prune: the settings.
        epoch: from 0.
        losses_N: of each row when it was last trained on.
        visited_N: whether it was.
        order_seed: of the run.

    Raises:
        RecipeError: a row that was trained on has no loss.
    """
    lost = visited_N & ~np.isfinite(losses_N)
    if lost.any():
        raise RecipeError(
            f"{int(lost.sum())} rows that were trained on have no loss, the first "
            f"{int(np.argmax(lost))}; the run has diverged: lower the proxy's rates"
        )
    count = len(losses_N)
    chance = {
        what: chance_of(count, epoch, f"{what}/{prune.seed}", order_seed)
        for what in ("keep", "deal", "order")
    }
    known = np.where(visited_N, losses_N, np.nan).astype(np.float32)
    if prune.placebo:
        seen = np.flatnonzero(visited_N)
        known[seen] = known[seen[np.argsort(chance["deal"][seen], kind="stable")]]
    weights = np.ones(count, np.float32)
    if prune.method == INFOBATCH:
        stays = np.ones(count, np.bool_)
        if not prune.anneals(epoch):
            stays, weights = unbiased(known, prune.dropped, chance["keep"])
        rows = np.flatnonzero(stays)
    elif prune.method == FULL:
        rows = np.arange(count)
    else:
        rows = np.argsort(chance["keep"], kind="stable")[: max(1, round(prune.kept * count))]
        if prune.method == SETA and epoch > 0 and not prune.anneals(epoch):
            rows = rows[in_window(prune, epoch, known[rows])]
    visits = rows[np.argsort(chance["order"][rows], kind="stable")]
    return visits.astype(np.int32), weights[visits]


def in_window(prune: Prune, epoch: int, losses_N: Floats) -> NDArray[np.bool_]:
    """Return which drawn rows stand in the groups of `epoch`, (N,) bool.

    A row that was never trained on stands in all of them: the release gives it the loss 3.0
    (seta.py), and so makes one group of what nothing is known of.
    """
    known = ~np.isnan(losses_N)
    found = np.ones(len(losses_N), np.bool_)
    groups = cluster(losses_N[known].astype(np.float64), prune.groups)
    opened = prune.open_in(epoch)
    found[known] = (groups >= opened.start) & (groups < opened.stop)
    return found


def unbiased(
    losses_N: Floats, rate: float, chance_N: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], Floats]:
    """Return which rows stay, and weights whose sum over them is on average that over all.

    A row below the mean stays with the chance 1 - rate and then counts 1 / (1 - rate); every other
    one stays and counts 1 (InfoBatch). Rows without a loss (nan) stay.
    """
    weights = np.ones(len(losses_N), np.float32)
    if np.isnan(losses_N).all():
        return np.ones(len(losses_N), np.bool_), weights
    easy = losses_N < np.nanmean(losses_N.astype(np.float64))
    weights[easy] = 1 / (1 - rate)
    stays: NDArray[np.bool_] = ~easy | (chance_N >= rate)
    return stays, weights


def chance_of(count: int, epoch: int, what: str, order_seed: int) -> NDArray[np.float64]:
    """Return one number in (0, 1) for each of `count` rows: fixed by seeds, epoch and row."""
    place = np.stack([np.full(count, epoch), np.arange(count)], axis=1)
    return uniform(place.astype("<u8").view(np.uint8), f"train.prune/{what}", order_seed)


def saved(counts: list[int], rows: int) -> list[float]:
    """Return the share of the rows that each epoch did not visit."""
    return [1 - count / rows if rows else math.nan for count in counts]
