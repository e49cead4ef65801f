"""What a form is: inputs, parameters, a curve with its slopes, and where a search for it begins.

A form sees its parameters in internal coordinates: the logarithm of a positive parameter, the
value itself of a free one. Shapes: B sets of parameters, n points, k inputs, p parameters.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError

Floats = NDArray[np.float64]
LARGEST_LOG = 300.0  # exponents are held within this, so that a bad start gives a large number


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, and the range it is searched in, in its own units.

    A positive parameter is searched as its logarithm; its `low` must be positive.
    """

    name: str
    low: float = 1e-12
    high: float = math.exp(100)
    positive: bool = True

    def inner(self, value: float) -> float:
        """Return a value of the parameter in internal coordinates."""
        if self.positive:
            return math.log(value) if value > 0 else -math.inf
        return value


class Form(ABC):
    """A law's equation. Subclasses say in their docstring where it was published.

    Attributes:
        name: what results and errors call it.
        inputs: names of the columns of x.
        scale: "log" where ratios of inputs matter (tokens), "linear" where differences do.
        least: distinct values that each input needs for all parameters to be told apart.
        residual: "log" where the relative error of the curve matters, "linear" where the absolute.
    """

    name: ClassVar[str]
    scale: ClassVar[Literal["log", "linear"]] = "log"
    residual: ClassVar[Literal["log", "linear"]] = "log"

    @property
    @abstractmethod
    def inputs(self) -> tuple[str, ...]:
        """Names of the k inputs."""

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The p parameters in the order of the internal coordinates."""

    @property
    def least(self) -> tuple[int, ...]:
        """Distinct values that each input needs."""
        return (3,) * len(self.inputs)

    @abstractmethod
    def slopes(self, q_Bp: Floats, x_nk: Floats) -> tuple[Floats, Floats]:
        """Return the curve (B, n) and its derivatives by the internal coordinates (B, n, p)."""

    @abstractmethod
    def starts(self, x_nk: Floats, y_n: Floats) -> Floats:
        """Return at least 27 starting points (S, p) in the parameters' own units."""

    def check(self, x_nk: Floats) -> None:  # noqa: B027  (most forms take any finite input)
        """Raise RecipeError where inputs contradict each other; nothing by default."""

    def curve(self, q_Bp: Floats, x_nk: Floats) -> Floats:
        """Return the curve (B, n)."""
        return self.slopes(q_Bp, x_nk)[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    def inner(self, values_Sp: Floats) -> Floats:
        """Return parameters given in their own units in internal coordinates."""
        positive = np.array([parameter.positive for parameter in self.parameters])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(positive, np.log(values_Sp), values_Sp)

    def outer(self, q_Bp: Floats) -> Floats:
        """Return internal coordinates in the parameters' own units."""
        positive = np.array([parameter.positive for parameter in self.parameters])
        held = np.clip(q_Bp, -LARGEST_LOG, LARGEST_LOG)
        return np.asarray(np.where(positive, np.exp(held), q_Bp))

    def at(self, values: Mapping[str, float], x_nk: Floats) -> Floats:
        """Return the curve (n,) for parameters by name, in their own units.

        Raises:
            RecipeError: a parameter is missing or unknown.
        """
        if set(values) != set(self.names):
            text = f"{self.name} wants parameters {self.names}, got {tuple(values)}: name each once"
            raise RecipeError(text)
        row = np.array([[values[name] for name in self.names]], dtype=np.float64)
        return np.asarray(self.curve(self.inner(row), x_nk)[0])


def grid(*axes: tuple[float, ...]) -> Floats:
    """Return all combinations of the axes' values, one a row."""
    return np.array(list(product(*axes)), dtype=np.float64)


def power(log_scale_B1: Floats, exponent_B1: Floats, log_x_n: Floats) -> Floats:
    """Return log(A x^-alpha) (B, n), held within what a float can exponentiate."""
    return np.clip(log_scale_B1 - exponent_B1 * log_x_n, -LARGEST_LOG, LARGEST_LOG)


def add_logs(*terms: Floats) -> Floats:
    """Return exp of the log of the sum of the terms' exponentials."""
    total = terms[0]
    for term in terms[1:]:
        total = np.logaddexp(total, term)
    return np.exp(np.clip(total, -LARGEST_LOG, LARGEST_LOG))
