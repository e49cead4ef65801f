"""Repeated text: what tokens seen again are worth, and how to spend compute on few unique ones.

Source: Muennighoff et al. 2023, Scaling Data-Constrained Language Models (arXiv 2305.16264),
equations 5 and 6 and appendix B; constants and check values from the README of
huggingface/datablations (section Parametric Fit). They were fitted on C4 with models of 7M to 9B
parameters: fit R_D anew before trusting them elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import minimize_scalar

from curator.errors import RecipeError
from curator.laws.form import Floats, Form, Parameter, grid


@dataclass(frozen=True, slots=True)
class UniqueLaw:
    """The Chinchilla law of unique text that repetition is measured against.

    Attributes:
        E: floor of the loss.
        A: scale of the term in parameters.
        alpha: its exponent.
        B: scale of the term in tokens.
        beta: its exponent.
    """

    E: float
    A: float
    alpha: float
    B: float
    beta: float

    @property
    def balance(self) -> float:
        """G of Hoffmann et al. 2022, equation 4: what sets the best model size for a budget."""
        ratio = self.alpha * self.A / (self.beta * self.B)
        return float(ratio ** (1 / (self.alpha + self.beta)))

    def best_size(self, tokens: float | Floats) -> float | Floats:
        """Return the compute-optimal parameters for so many unique tokens."""
        return (tokens * self.balance) ** (self.beta / self.alpha) * self.balance


PUBLISHED = UniqueLaw(
    E=math.exp(0.6254804),
    A=math.exp(6.255414),
    alpha=0.3526596,
    B=math.exp(7.3049974),
    beta=0.3526596,
)
R_D = 15.387756  # repetitions of tokens after which one more is worth 1/e of a fresh one
R_N = 5.309743  # the same for parameters beyond the best size for the unique tokens


def effective(unique: float | Floats, total: float | Floats, constant: float = R_D) -> Floats:
    """Return what `total` tokens of `unique` ones are worth in fresh tokens.

    Plugged in for tokens, it makes any law a law of repeated text, domain by domain of a mixture.

    Raises:
        RecipeError: more unique tokens than tokens, or none.
    """
    once, seen = np.broadcast_arrays(np.asarray(unique, float), np.asarray(total, float))
    if (once <= 0).any() or (once > seen).any():
        at = int(np.argmax((once <= 0) | (once > seen)))
        text = (
            f"{once.flat[at]:g} unique tokens among {seen.flat[at]:g}: unique tokens must be more "
            "than none and at most all; correct the sizes"
        )
        raise RecipeError(text)
    return np.asarray(once * (1 - constant * np.expm1(-(seen / once - 1) / constant)))


@dataclass(frozen=True)
class DataConstrained(Form):
    """L = E + A N'^-alpha + B D'^-beta: parameters N, tokens D of which U are unique.

    D' = U + U R_D (1 - exp(-(D/U - 1) / R_D)); N' is the same of N beyond the best size for U.
    Fitted are R_D and R_N, the law of unique text being given, as its authors did.
    """

    base: UniqueLaw = PUBLISHED
    name: ClassVar[str] = "data_constrained"
    inputs: ClassVar[tuple[str, ...]] = ("N", "D", "U")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("R_D", 1e-3, 1e6),
        Parameter("R_N", 1e-3, 1e6),
    )

    @property
    def least(self) -> tuple[int, ...]:
        """Two sizes and two lengths; one number of unique tokens will do."""
        return (2, 2, 1)

    def check(self, x_nk: Floats) -> None:
        """Raise RecipeError where there are more unique tokens than tokens."""
        effective(x_nk[:, 2], x_nk[:, 1])

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        size, tokens, unique = x_nk.T
        fit_size = np.minimum(size, self.base.best_size(unique))
        text, by_text = _decayed(unique, tokens, np.exp(q_Bp[:, 0:1]))
        model, by_model = _decayed(fit_size, size, np.exp(q_Bp[:, 1:2]))
        base = self.base
        from_model = base.A * model**-base.alpha
        from_text = base.B * text**-base.beta
        slopes = np.stack(
            [-base.beta * from_text / text * by_text, -base.alpha * from_model / model * by_model],
            axis=2,
        )
        return base.E + from_model + from_text, slopes

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 36 starts of both constants, from one half to two hundred repetitions."""
        constants = (0.5, 2.0, 5.0, 15.0, 50.0, 200.0)
        return grid(constants, constants)


def _decayed(once: Floats, seen: Floats, constant_B1: Floats) -> tuple[Floats, Floats]:
    """Return the effective amount (B, n) and its derivative by the log of the constant."""
    over = np.maximum(seen / once - 1, 0.0)
    left = np.exp(-over / constant_B1)
    amount = once * (1 + constant_B1 * (1 - left))
    return amount, once * (constant_B1 * (1 - left) - over * left)


def predicted_loss(
    size: float,
    tokens: float,
    unique: float,
    *,
    base: UniqueLaw = PUBLISHED,
    r_d: float = R_D,
    r_n: float = R_N,
) -> float:
    """Return the law's loss for `size` parameters and `tokens` tokens, `unique` of them unique.

    Raises:
        RecipeError: more unique tokens than tokens, or none.
    """
    form = DataConstrained(base)
    x = np.array([[size, tokens, unique]], dtype=np.float64)
    form.check(x)
    return float(form.at({"R_D": r_d, "R_N": r_n}, x)[0])


@dataclass(frozen=True, slots=True)
class Allocation:
    """How to spend a compute budget: parameters, tokens, tokens / unique ones, loss."""

    size: float
    tokens: float
    epochs: float
    loss: float


def best_allocation(
    compute: float,
    unique: float,
    *,
    base: UniqueLaw = PUBLISHED,
    r_d: float = R_D,
    r_n: float = R_N,
) -> Allocation:
    """Return the split of `compute` = 6 N D FLOPs with the lowest loss on `unique` tokens.

    Where the best split needs fewer tokens than there are, it reads each once at most.

    Raises:
        RecipeError: a budget or a number of tokens that is not positive.
    """
    if not (compute > 0 and unique > 0):
        text = f"compute {compute!r} and unique tokens {unique!r} must be positive"
        raise RecipeError(text)

    def loss(log_tokens: float) -> float:
        tokens = math.exp(log_tokens)
        size = compute / (6 * tokens)
        return predicted_loss(size, tokens, min(unique, tokens), base=base, r_d=r_d, r_n=r_n)

    # A grid brackets the minimum, since the loss has a kink where repetition begins.
    middle = 0.5 * math.log(compute / 6)
    logs = np.linspace(middle - 12, middle + 12, 481)
    at = int(np.argmin([loss(float(log)) for log in logs]))
    bracket = (float(logs[max(at - 1, 0)]), float(logs[min(at + 1, 480)]))
    found = minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": 1e-10})
    tokens = math.exp(found.x)
    return Allocation(
        size=compute / (6 * tokens),
        tokens=tokens,
        epochs=tokens / unique,
        loss=float(found.fun),
    )
