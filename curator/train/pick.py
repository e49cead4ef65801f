"""Which rows of a super-batch deserve a step: a score from losses, rows from scores, the cost.

Where a step would train on n rows, a run that picks reads n / keep of them (a super-batch), asks
the learner as it stands and a frozen reference for the loss of each, without gradient, and trains
on the best n. Learnability, the learner's loss less the reference's, is RHO-loss (Mindermann et
al. 2022, arXiv:2206.07137: the best are taken) and the score of JEST and ACID (Evans et al. 2024,
arXiv:2406.17711; Udandarao et al. 2024, arXiv:2411.18674: drawn by softmax). The loss of a batch
of text is a sum over its rows, so drawing blocks in turn is drawing rows, by Gumbel-top-k.

A row is a window of the packed stream and can hold parts of several documents: both models see
the same row, and its score is the row's.

Scoring is arithmetic, and a run that picks pays for it out of its own budget: it takes as many
steps as its budget of plain training leaves after scoring, so that arms are compared at equal
arithmetic. `Cost` is the account.
"""

# Shapes: B rows of a super-batch.
from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from curator.errors import BudgetError, RecipeError
from curator.identity import uniform
from curator.stage import circumstance
from curator.train.proxy import Proxy, Shape

LEARNER, REFERENCE = "learner", "reference"
# Which losses each method pays for. "uniform" reads as much text and takes rows by chance, for
# nothing. "placebo" is learnability whose scores are shuffled within the super-batch: that makes
# every set of rows as likely as any other, so its scores are charged and need not be computed.
METHODS: dict[str, tuple[str, ...]] = {
    "learnability": (LEARNER, REFERENCE),
    "high_loss": (LEARNER,),
    "easy_reference": (REFERENCE,),
    "uniform": (),
    "placebo": (LEARNER, REFERENCE),
}
BY_CHANCE = ("uniform", "placebo")
ROW_SLACK = 0.01  # rows; lets 1/3 be written 0.3333
# A run of whole steps can leave up to one of them unspent: at twenty, a twentieth of its budget.
LEAST_STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """How rows are picked.

    Attributes:
        method: one of `METHODS`.
        keep: share of a super-batch's rows that is trained on, in (0, 1).
        temperature: in nats; rows are drawn by softmax of score / temperature, without
            replacement. None: the best are taken.
        scored_tokens: how much of each row is read for its score, from its start; None: all.
        seed: of chance, beside the run's order seed.
        reference: folder of the reference's finished run; "" where the method asks none.
        reference_digest: what names its weights.
    """

    method: str
    keep: float
    temperature: float | None = None
    scored_tokens: int | None = None
    seed: int = 0
    reference: str = circumstance("")
    reference_digest: str = ""

    def __post_init__(self) -> None:
        """Refuse settings that pick nothing, or by nothing."""
        if self.method not in METHODS:
            raise RecipeError(f"method is {self.method!r}; wanted one of {', '.join(METHODS)}")
        if not 0 < self.keep < 1:
            raise RecipeError(
                f"keep is {self.keep!r}; wanted a share inside (0, 1): what is trained on of "
                "what is read"
            )
        if self.temperature is not None and not 0 < self.temperature < np.inf:
            raise RecipeError(
                f"temperature is {self.temperature!r}; wanted nats above 0, or none for the best"
            )
        if self.scored_tokens is not None and self.scored_tokens < 1:
            raise RecipeError(f"scored_tokens is {self.scored_tokens!r}; wanted at least 1")
        if self.asks(REFERENCE) and not self.reference:
            raise RecipeError(
                f"method {self.method!r} needs the losses of a reference and names none; add "
                "`reference: NAME` of one of the recipe's models"
            )

    def asks(self, whom: str) -> bool:
        """Return whether the losses of `LEARNER` or `REFERENCE` are part of the cost."""
        return whom in METHODS[self.method]

    def super_rows(self, rows: int) -> int:
        """Return how many rows are read for `rows` that are trained on.

        Raises:
            RecipeError: not a whole number, or not more than are trained on.
        """
        found = rows / self.keep
        whole = round(found)
        if abs(found - whole) > ROW_SLACK:
            near = sorted({rows / (whole - 1), rows / whole, rows / (whole + 1)})
            told = ", ".join(f"{share:.4g}" for share in near if share < 1)
            raise RecipeError(
                f"keep {self.keep!r} of a super-batch is to leave {rows} rows, and that would be a "
                f"super-batch of {found:.2f} rows; wanted a whole number: write one of {told}, or "
                "change the proxy's batch_tokens"
            )
        if whole <= rows:
            raise RecipeError(
                f"keep {self.keep!r} would train on {rows} of {whole} rows; wanted fewer than are "
                "read: lower it"
            )
        return whole

    def read_tokens(self, context: int) -> int:
        """Return how many tokens of a row are scored.

        Raises:
            RecipeError: more than a row has.
        """
        found = context if self.scored_tokens is None else self.scored_tokens
        if found > context:
            raise RecipeError(
                f"scored_tokens is {found!r}, and a row has {context}; ask for at most that"
            )
        return found


@dataclass(frozen=True, slots=True)
class Cost:
    """The arithmetic of one step, in FLOPs: of training, and of both models' losses."""

    training: int
    learner: int
    reference: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.training + self.learner + self.reference

    @property
    def factor(self) -> float:
        """Return how many plain steps one step costs.

        For whole rows and a reference of the learner's size 1 + 2 / (3 keep): a forward pass is a
        third of a training step.
        """
        return self.total / self.training

    def steps(self, budget: int) -> int:
        """Return how many steps the arithmetic of `budget` plain steps pays for.

        Raises:
            BudgetError: so few that what is left of the budget would count.
        """
        found = budget * self.training // self.total
        if found < LEAST_STEPS:
            more = -(-LEAST_STEPS * self.total // self.training) / budget
            raise BudgetError(
                f"a step that picks costs {self.factor:.2f} plain ones, so a budget of {budget} "
                f"steps pays for {found}; wanted at least {LEAST_STEPS}: train on {more:.1f} "
                "times the tokens, keep more, or score fewer tokens of each row"
            )
        return found


def cost_of(pick: Pick, proxy: Proxy, learner: Shape, reference: Shape | None) -> Cost:
    """Return what a step of a run that picks costs.

    Args:
        pick: its settings.
        proxy: of the run.
        learner: the run's own sizes.
        reference: the reference's; None where the method asks none.
    """
    rows, tokens = pick.super_rows(proxy.batch_rows), pick.read_tokens(proxy.context)
    return Cost(
        proxy.batch_tokens * learner.flops_per_token,
        rows * forward_flops(learner, tokens) if pick.asks(LEARNER) else 0,
        rows * forward_flops(reference, tokens) if reference and pick.asks(REFERENCE) else 0,
    )


def forward_flops(shape: Shape, tokens: int) -> int:
    """Return the arithmetic of a model's losses of `tokens` tokens in a row.

    A third of training on them: two of six operations a weight, and as much of attention.
    """
    return dataclasses.replace(shape, context=tokens).flops_per_token // 3 * tokens


def row_scores(method: str, learner_B: ArrayLike, reference_B: ArrayLike) -> NDArray[np.float64]:
    """Return the score of each row, (B,); higher is better.

    learnability = learner - reference, high_loss = learner, easy_reference = -reference.

    Args:
        method: one of `METHODS` that is not by chance.
        learner_B: each row's mean loss in nats a token; of the learner before this step.
        reference_B: of the reference, row by row.

    Raises:
        RecipeError: another method; losses that are not one a row; a reference that has none.
    """
    learner, reference = np.asarray(learner_B, np.float64), np.asarray(reference_B, np.float64)
    given = {LEARNER: learner, REFERENCE: reference}
    asked = METHODS.get(method, ())
    if not asked or method in BY_CHANCE:
        raise RecipeError(f"method {method!r} has no scores")
    shapes = [given[whom].shape for whom in asked]
    # A column against a row would broadcast to every learner's loss less every reference's.
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        told = ", ".join(f"{whom} {given[whom].shape}" for whom in asked)
        raise RecipeError(f"losses have shapes {told}; wanted one number a row from each")
    if REFERENCE in asked and not np.isfinite(reference).all():
        rows = np.flatnonzero(~np.isfinite(reference))
        raise RecipeError(
            f"the reference has no loss for {len(rows)} of {len(reference)} rows, the first "
            f"{rows[0]}; wanted one for every candidate: train the reference again"
        )
    if method == "learnability":
        return learner - reference
    return learner if method == "high_loss" else -reference


def best_rows(
    scores_B: NDArray[np.float64],
    count: int,
    chance_B: NDArray[np.float64],
    temperature: float | None = None,
) -> NDArray[np.int64]:
    """Return the rows picked, ascending, (count,): the best, or drawn by softmax.

    Gumbel-top-k (Kool et al. 2019, arXiv:1903.06059): the `count` largest of score / temperature +
    Gumbel noise are a draw without replacement by softmax of score / temperature. Ties go by
    chance, never by row.

    Args:
        scores_B: higher is better.
        count: how many to pick, below B.
        chance_B: one number in (0, 1) a row.
        temperature: in nats; None: the best.

    Raises:
        RecipeError: `count` is not below B.
    """
    if not 0 < count < len(scores_B):
        raise RecipeError(f"{count} of {len(scores_B)} rows; wanted at least 1 and not all")
    ranked = scores_B
    if temperature is not None:
        ranked = scores_B / temperature - np.log(-np.log(chance_B))
    return np.sort(np.lexsort((chance_B, -ranked))[:count])


def row_chance(rows: int, step: int, order_seed: int, seed: int = 0) -> NDArray[np.float64]:
    """Return one number in (0, 1) for each of `rows` rows: fixed by the seeds, step and row."""
    place = np.stack([np.full(rows, step), np.arange(rows)], axis=1)
    return uniform(place.astype("<u8").view(np.uint8), f"train.pick/{seed}", order_seed)
