"""Model ladder: predict a task's accuracy at scale in two steps from small runs.

Step 1 fits the task's loss (bits per byte of the right answer) at the end of each run by the
Chinchilla form; step 2 fits accuracy by a sigmoid of that loss over the checkpoints of all runs.

Source: Bhagia et al. 2024 (arXiv 2412.04403; code allenai/OLMo-ladder): losses are averages of
the last five checkpoints; step 2 drops the first tenth of each run's checkpoints, smooths the
others by a moving average of five, and adds an ideal point, all right at a loss of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curator.errors import RecipeError
from curator.laws.fit import fit
from curator.laws.form import Floats
from curator.laws.forms import Chinchilla, Sigmoid
from curator.laws.law import Law, Prediction

WINDOW = 5  # checkpoints averaged
SKIPPED = 0.1  # share of a run's first checkpoints that step 2 does not see


@dataclass(frozen=True)
class Rung:
    """One small run: its size, its tokens, and loss and accuracy at its checkpoints in order.

    Attributes:
        name: of the run.
        size: parameters.
        tokens: trained on, at the end.
        losses: task loss at each checkpoint.
        accuracies: between 0 and 1, at the same checkpoints.
    """

    name: str
    size: float
    tokens: float
    losses: Floats
    accuracies: Floats


@dataclass(frozen=True)
class Ladder:
    """Both fitted steps. Their bootstraps reweight the same runs, draw by draw."""

    loss: Law
    accuracy: Law

    def predict(self, size: float, tokens: float, *, confidence: float = 0.95) -> Prediction:
        """Return the accuracy predicted for one model, with the interval of both steps."""
        x = np.array([[size, tokens]], dtype=np.float64)
        loss = self.loss.predict(x, confidence=confidence)
        mean = self.accuracy.predict(loss.mean)
        chained = [
            self._one(loss_row, accuracy_row, x)
            for loss_row, accuracy_row in zip(
                self.loss.bootstrap, self.accuracy.bootstrap, strict=True
            )
        ]
        low = high = mean.mean
        if chained:
            tails = np.percentile(chained, [50 * (1 - confidence), 50 * (1 + confidence)])
            low, high = mean.mean + self.loss.widening(confidence) * (tails[:, None] - mean.mean)
        return Prediction(
            mean.mean, np.clip(low, 0, mean.mean), np.clip(high, mean.mean, 1), loss.extrapolation
        )

    def _one(self, loss_p: Floats, accuracy_p: Floats, x_nk: Floats) -> float:
        first, second = self.loss.form, self.accuracy.form
        loss = first.curve(first.inner(loss_p[None]), x_nk)[0]
        return float(second.curve(second.inner(accuracy_p[None]), loss[:, None])[0, 0])


def fit_ladder(
    rungs: Sequence[Rung],
    *,
    best: float = 1.0,
    ideal: bool = True,
    window: int = WINDOW,
    skipped: float = SKIPPED,
    draws: int = 200,
    seed: int = 0,
) -> Ladder:
    """Return both steps fitted to the rungs.

    Args:
        rungs: runs of several sizes and lengths.
        best: the highest accuracy that can be reached, the ideal point's.
        ideal: add the ideal point to step 2.
        window: checkpoints averaged, in both steps.
        skipped: share of each run's first checkpoints that step 2 drops.
        draws: bootstrap resamples of the runs.
        seed: of the bootstrap.

    Raises:
        BudgetError: too few rungs, sizes or lengths.
        RecipeError: a rung without checkpoints, or with losses and accuracies of unequal number.
    """
    for rung in rungs:
        if len(rung.losses) == 0 or len(rung.losses) != len(rung.accuracies):
            text = (
                f"rung {rung.name!r} has {len(rung.losses)} losses and {len(rung.accuracies)} "
                "accuracies: give both at each checkpoint, one at least"
            )
            raise RecipeError(text)
    names = [rung.name for rung in rungs]
    first = fit(
        Chinchilla(),
        [(rung.size, rung.tokens) for rung in rungs],
        [float(np.mean(rung.losses[-window:])) for rung in rungs],
        runs=names,
        draws=draws,
        seed=seed,
    )
    losses, accuracies, runs = _checkpoints(rungs, window, skipped)
    if ideal:
        losses, accuracies = np.append(losses, 0.0), np.append(accuracies, best)
        runs = [*runs, None]
    second = fit(Sigmoid(), losses, accuracies, runs=runs, loss="squares", draws=draws, seed=seed)
    return Ladder(first, second)


def moving_average(values_n: Floats, window: int) -> Floats:
    """Return the mean of each value and up to window - 1 before it."""
    total = np.concatenate([[0.0], np.cumsum(values_n)])
    last = np.arange(1, len(total))
    first = np.maximum(last - window, 0)
    return np.asarray((total[last] - total[first]) / (last - first))


def _checkpoints(
    rungs: Sequence[Rung], window: int, skipped: float
) -> tuple[Floats, Floats, list[str | None]]:
    """Return smoothed losses and accuracies of all runs after their first part, and whose."""
    losses, accuracies, runs = [], [], list[str | None]()
    for rung in rungs:
        # A run of few checkpoints keeps its last: both steps must reweight the same runs.
        first = min(int(np.ceil(skipped * len(rung.losses))), len(rung.losses) - 1)
        losses.append(moving_average(np.asarray(rung.losses)[first:], window))
        accuracies.append(moving_average(np.asarray(rung.accuracies)[first:], window))
        runs += [rung.name] * len(losses[-1])
    return np.concatenate(losses), np.concatenate(accuracies), runs
