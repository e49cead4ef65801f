"""The published forms in tokens, parameters and losses, each with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from curator.laws.form import Floats, Form, Parameter, add_logs, grid, power

_LOSS = Parameter("E", 1e-9, 1e3)  # a loss that no budget gets below: nats, bits or bits per byte
_EXPONENT = (1e-4, 10.0)


@dataclass(frozen=True)
class PowerLaw(Form):
    """L = E + A x^-alpha: one budget x (tokens at a fixed model, or FLOPs).

    Source: Kaplan et al. 2020 (arXiv 2001.08361), with the offset E of Henighan et al. 2020
    (arXiv 2010.14701, section 1).
    """

    name: ClassVar[str] = "power"
    inputs: ClassVar[tuple[str, ...]] = ("budget",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        _LOSS,
        Parameter("A"),
        Parameter("alpha", *_EXPONENT),
    )

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        log_x = np.log(x_nk[:, 0])
        alpha = np.exp(q_Bp[:, 2:3])
        term = power(q_Bp[:, 1:2], alpha, log_x)
        floor = np.broadcast_to(q_Bp[:, 0:1], term.shape)
        falling = np.exp(term)
        return add_logs(floor, term), np.stack(
            [np.exp(floor), falling, -falling * alpha * log_x], axis=2
        )

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 30 starts: five floors below the lowest loss, six exponents."""
        rows = grid((0.05, 0.3, 0.6, 0.85, 0.97), (0.03, 0.08, 0.15, 0.3, 0.5, 0.9))
        floor, alpha = rows[:, 0] * y_n.min(), rows[:, 1]
        middle = np.exp(np.log(x_nk[:, 0]).mean())
        scale = (np.median(y_n) - floor) * middle**alpha
        return np.column_stack([floor, scale, alpha])


@dataclass(frozen=True)
class Chinchilla(Form):
    """L = E + A N^-alpha + B D^-beta: parameters N, tokens D.

    Source: Hoffmann et al. 2022 (arXiv 2203.15556), equation 2 and appendix D.3 (Huber loss with
    delta 1e-3 on the log loss, log-sum-exp, L-BFGS from a grid of starts).
    """

    name: ClassVar[str] = "chinchilla"
    inputs: ClassVar[tuple[str, ...]] = ("N", "D")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        _LOSS,
        Parameter("A"),
        Parameter("alpha", *_EXPONENT),
        Parameter("B"),
        Parameter("beta", *_EXPONENT),
    )

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        log_n, log_d = np.log(x_nk).T
        alpha, beta = np.exp(q_Bp[:, 2:3]), np.exp(q_Bp[:, 4:5])
        size, text = power(q_Bp[:, 1:2], alpha, log_n), power(q_Bp[:, 3:4], beta, log_d)
        floor = np.broadcast_to(q_Bp[:, 0:1], size.shape)
        by_size, by_text = np.exp(size), np.exp(text)
        return add_logs(floor, size, text), np.stack(
            [np.exp(floor), by_size, -by_size * alpha * log_n, by_text, -by_text * beta * log_d],
            axis=2,
        )

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 54 starts: floors, exponents, and the share of the rest that is due to size."""
        rows = grid((0.1, 0.5, 0.9), (0.1, 0.3, 0.6), (0.1, 0.3, 0.6), (0.3, 0.7))
        floor, alpha, beta, share = (column.copy() for column in rows.T)
        floor *= y_n.min()
        rest = np.median(y_n) - floor
        log_n, log_d = np.log(x_nk).mean(axis=0)
        scale = share * rest * np.exp(alpha * log_n)
        return np.column_stack(
            [floor, scale, alpha, (1 - share) * rest * np.exp(beta * log_d), beta]
        )


@dataclass(frozen=True)
class Kaplan(Form):
    """L = E + ((A/N)^(alpha/beta) + B/D)^beta: parameters N, tokens D.

    Source: Kaplan et al. 2020 (arXiv 2001.08361), equation 1.5, with an offset E as loss-to-loss
    prediction uses it (arXiv 2411.12925).
    """

    name: ClassVar[str] = "kaplan"
    inputs: ClassVar[tuple[str, ...]] = ("N", "D")
    parameters: ClassVar[tuple[Parameter, ...]] = Chinchilla.parameters

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        log_n, log_d = np.log(x_nk).T
        floor, scale, q_alpha, text_scale, q_beta = (q_Bp[:, i : i + 1] for i in range(5))
        beta, ratio = np.exp(q_beta), np.exp(q_alpha - q_beta)
        size, text = ratio * (scale - log_n), text_scale - log_d
        inside = np.logaddexp(size, text)
        rest = np.exp(np.clip(beta * inside, -300, 300))
        by_size = rest * beta * np.exp(size - inside)
        by_text = rest * beta * np.exp(text - inside)
        floors = np.broadcast_to(np.exp(floor), rest.shape)
        return floors + rest, np.stack(
            [
                floors,
                by_size * ratio,
                by_size * size,
                by_text,
                rest * beta * inside - by_size * size,
            ],
            axis=2,
        )

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 54 starts: floors, exponents, and the balance of size and text."""
        rows = grid((0.1, 0.5, 0.9), (0.1, 0.3, 0.6), (0.1, 0.3, 0.6), (0.3, 0.7))
        floor, alpha, beta, share = (column.copy() for column in rows.T)
        floor *= y_n.min()
        log_inside = np.log(np.median(y_n) - floor) / beta
        log_n, log_d = np.log(x_nk).mean(axis=0)
        log_a = log_n + beta / alpha * (np.log(share) + log_inside)
        log_b = log_d + np.log(1 - share) + log_inside
        held = np.clip(np.column_stack([log_a, log_b]), -25, 95)
        return np.column_stack([floor, np.exp(held[:, 0]), alpha, np.exp(held[:, 1]), beta])


@dataclass(frozen=True)
class LossToLoss(Form):
    """L1 = E1 + K (L0 - E0)^kappa: one loss predicted from another.

    E0 must stay below every loss L0. Fix E0 and E1 where each data set has its own fitted floor.

    Source: Brandfonbrener et al. 2024, loss-to-loss prediction (arXiv 2411.12925).
    """

    ceiling: float
    name: ClassVar[str] = "loss_to_loss"
    inputs: ClassVar[tuple[str, ...]] = ("L0",)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """K, kappa, E0 below the lowest L0, E1."""
        return (
            Parameter("K", 1e-9, 1e9),
            Parameter("kappa", 1e-2, 1e2),
            Parameter("E0", 1e-9, self.ceiling * (1 - 1e-6)),
            Parameter("E1", 1e-9, 1e3),
        )

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        kappa, floor, other = (np.exp(q_Bp[:, i : i + 1]) for i in (1, 2, 3))
        above = np.maximum(x_nk[:, 0] - floor, 1e-12)
        rest = np.exp(np.clip(q_Bp[:, 0:1] + kappa * np.log(above), -300, 300))
        others = np.broadcast_to(other, rest.shape)
        return others + rest, np.stack(
            [rest, rest * kappa * np.log(above), -rest * kappa * floor / above, others], axis=2
        )

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 36 starts: exponents near one, and floors of both losses."""
        rows = grid((0.6, 0.9, 1.1, 1.5), (0.1, 0.5, 0.9), (0.1, 0.5, 0.9))
        kappa, floor, other = rows[:, 0], rows[:, 1] * x_nk.min(), rows[:, 2] * y_n.min()
        scale = (np.median(y_n) - other) / (np.median(x_nk) - floor) ** kappa
        return np.column_stack([scale, kappa, floor, other])


@dataclass(frozen=True)
class Sigmoid(Form):
    """accuracy = b - h / (1 + exp(-k (L - L0))): the second step of a ladder.

    b is the accuracy at a loss far below L0, b - h (chance) far above; k > 0.

    Source: Bhagia et al. 2024, model ladders (arXiv 2412.04403): a / (1 + exp(-k (L - L0))) + b
    with a = -h between -1 and 0, L0 and k positive, b between 0 and 1; ordinary least squares.
    """

    name: ClassVar[str] = "sigmoid"
    residual: ClassVar[Literal["log", "linear"]] = "linear"
    scale: ClassVar[Literal["log", "linear"]] = "linear"
    inputs: ClassVar[tuple[str, ...]] = ("L",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("h", 1e-9, 1.0),
        Parameter("L0", 1e-9, 1e3),
        Parameter("k", 1e-6, 1e4),
        Parameter("b", 1e-9, 1.0),
    )

    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve and its derivatives."""
        height, middle, rate, top = (np.exp(q_Bp[:, i : i + 1]) for i in range(4))
        away = x_nk[:, 0] - middle
        share = 0.5 * (1 + np.tanh(0.5 * rate * away))
        steep = height * share * (1 - share) * rate
        tops = np.broadcast_to(top, share.shape)
        return tops - height * share, np.stack(
            [-height * share, steep * middle, -steep * away, tops], axis=2
        )

    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return 54 starts: midpoints over and below the losses, steepness, height, top."""
        low, high = float(x_nk.min()), float(x_nk.max())
        top = min(float(y_n.max()), 0.999)
        middles = (0.5 * (low + high), low + 0.8 * (high - low), max(low * 0.7, 1e-6))
        rates = tuple(r / max(high - low, 1e-6) for r in (2.0, 6.0, 20.0))
        spread = max(float(y_n.max() - y_n.min()), 1e-3)
        heights = (min(spread, 0.99), min(1.5 * spread, 0.99), 0.75)
        return grid(heights, middles, rates, (top, 0.9999))
