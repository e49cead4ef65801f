"""Mixtures that change while a run trains: the weight of each source at every share of a run.

A schedule is a frozen dataclass and a pure function of the share of steps done and of what was
evaluated so far, so a resumed run weighs its sources as the whole run would have. Shares of the
published schemes (temperature, UniMax) are those of `curator.mix.share`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Protocol

from curator.errors import RecipeError
from curator.mix import share
from curator.train.checkpoint import Evaluated

Weights = Mapping[str, float]
SUM_ERROR = 1e-6  # how far from 1 the sum of weights may be: what float32 arithmetic leaves


class MixtureSchedule(Protocol):
    """Weights of sources over a run."""

    @property
    def online(self) -> bool:
        """Whether the weights depend on what is evaluated in training."""

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return source -> weight, summing to 1.

        Args:
            done: share of the steps that are over, in [0, 1].
            evaluated: everything measured so far, in order.
        """


class Controller(Protocol):
    """Turns evaluations into weights: the changing part of an online mixture."""

    name: ClassVar[str]

    def on_eval(
        self, step: int, losses: Mapping[str, float], earlier: Sequence[Evaluated]
    ) -> Weights:
        """Return the weights that hold from now on, summing to 1.

        Args:
            step: how many steps were done when `losses` were measured.
            losses: the newest evaluation, by name.
            earlier: those before it, in order.
        """


@dataclass(frozen=True)
class Constant:
    """The same weights throughout."""

    kind: str = field(default="constant", init=False)
    shares: Weights

    online: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse weights that are none."""
        check_weights(self.shares)

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return the one set of weights."""
        return self.shares


def temperature(sizes: Mapping[str, int], tau: float) -> Constant:
    """Return weights proportional to size^(1/tau): 1 is natural, large is uniform."""
    return Constant(share.temperature(sizes, tau))


def unimax(sizes: Mapping[str, int], budget: int, max_epochs: float = 4.0) -> Constant:
    """Return weights as even as `max_epochs` over each source allow (arXiv:2304.09151).

    Raises:
        RecipeError: `budget` tokens cannot be had within `max_epochs`.
    """
    return Constant(share.unimax(sizes, budget, max_epochs))


@dataclass(frozen=True)
class Anneal:
    """One schedule until `start`, then over to another: at once ("step") or evenly ("linear").

    Raising good sources for the last tenth or fifth of a run while the rate decays is what
    end-of-training upsampling does; the baseline must decay too.
    """

    kind: str = field(default="anneal", init=False)
    base: MixtureSchedule
    target: MixtureSchedule
    start: float
    shape: str = "linear"

    def __post_init__(self) -> None:
        """Refuse a change that does not happen."""
        if not 0 <= self.start < 1 or self.shape not in ("linear", "step"):
            raise RecipeError(
                f"start is {self.start!r} and shape {self.shape!r}; wanted a share from 0 to "
                "below 1, and 'linear' or 'step'"
            )

    @property
    def online(self) -> bool:
        """Whether either part is."""
        return self.base.online or self.target.online

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return a mean of both parts' weights."""
        if done < self.start:
            return self.base.weights(done, evaluated)
        moved = 1.0 if self.shape == "step" else (done - self.start) / (1 - self.start)
        return blend(
            self.base.weights(done, evaluated), self.target.weights(done, evaluated), moved
        )


@dataclass(frozen=True)
class Replay:
    """A schedule with a fixed share of old text in every batch, against forgetting."""

    kind: str = field(default="replay", init=False)
    inner: MixtureSchedule
    old: MixtureSchedule
    share: float

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.share <= 1:
            raise RecipeError(f"the share of old text is {self.share!r}; wanted 0 to 1")

    @property
    def online(self) -> bool:
        """Whether either part is."""
        return self.inner.online or self.old.online

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return the inner weights, shrunk, beside the old ones."""
        return blend(
            self.inner.weights(done, evaluated), self.old.weights(done, evaluated), self.share
        )


@dataclass(frozen=True)
class Piecewise:
    """Schedules one after another, each from its start on; the first starts at 0."""

    kind: str = field(default="piecewise", init=False)
    pieces: tuple[tuple[float, MixtureSchedule], ...]

    def __post_init__(self) -> None:
        """Refuse pieces that do not follow each other."""
        starts = [start for start, _ in self.pieces]
        if not starts or starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
            raise RecipeError(f"pieces start at {starts!r}; wanted 0 and then rising shares")

    @property
    def online(self) -> bool:
        """Whether any piece is."""
        return any(schedule.online for _, schedule in self.pieces)

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return the weights of the piece that is on."""
        on = [schedule for start, schedule in self.pieces if start <= done][-1]
        return on.weights(done, evaluated)


@dataclass(frozen=True)
class Curriculum:
    """Sources from easy to hard: at pace c(t) = c0 + (1 - c0) t^q the first share c is open.

    What is open is weighed by `shares`. Over a run this does not read each source by its share:
    those that open early are read more, which the record's weights and coverage show.

    Attributes:
        order: sources, easiest first.
        shares: the weights when all are open.
        first: c0, in (0, 1]: how much is open at the beginning.
        power: q, above 0: 1 opens evenly, 0.5 early, 2 late.
    """

    kind: str = field(default="curriculum", init=False)
    order: tuple[str, ...]
    shares: Weights
    first: float
    power: float = 1.0

    online: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse an order that leaves a source out, and a pace that does not rise."""
        check_weights(self.shares)
        if sorted(self.order) != sorted(self.shares):
            raise RecipeError(
                f"the order is of {sorted(self.order)}, the shares of {sorted(self.shares)}; "
                "name the same sources"
            )
        if not 0 < self.first <= 1 or not 0 < self.power < math.inf:
            raise RecipeError(
                f"first is {self.first!r} and power {self.power!r}; wanted a share above 0, and "
                "a number above 0"
            )

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return the weights of what is open."""
        pace = min(1.0, self.first + (1 - self.first) * done**self.power)
        before, found = 0.0, {}
        for name in self.order:
            found[name] = min(max(pace - before, 0.0), self.shares[name])
            before += self.shares[name]
        total = math.fsum(found.values())
        return {name: part / total for name, part in found.items()}


@dataclass(frozen=True)
class Online:
    """Weights that a controller sets anew after each evaluation."""

    kind: str = field(default="", init=False)
    controller: Controller
    start: Weights

    online: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Take the controller's name into the settings."""
        check_weights(self.start)
        object.__setattr__(self, "kind", f"online/{self.controller.name}")

    def weights(self, done: float, evaluated: Sequence[Evaluated] = ()) -> Weights:
        """Return what the controller said last."""
        if not evaluated:
            return self.start
        newest = evaluated[-1]
        return self.controller.on_eval(newest.steps, newest.losses, evaluated[:-1])


@dataclass(frozen=True)
class Mixing:
    """How a run draws its rows from the sources of a mixture.

    Attributes:
        schedule: weights of the sources over the run.
        max_epochs: how often the tokens of a source may be read; more is an error. 4 passes are
            nearly as good as fresh text (Muennighoff et al. 2023, arXiv:2305.16264).
    """

    schedule: MixtureSchedule
    max_epochs: float = 4.0

    def __post_init__(self) -> None:
        """Refuse a cap that lets nothing through."""
        if not self.max_epochs > 0:
            raise RecipeError(f"max_epochs is {self.max_epochs!r}; wanted a number above 0")


def blend(one: Weights, other: Weights, share: float) -> dict[str, float]:
    """Return weights with the share `share` of `other` and the rest of `one`."""
    return {
        name: (1 - share) * one.get(name, 0.0) + share * other.get(name, 0.0)
        for name in sorted({*one, *other})
    }


def check_weights(weights: Weights, sources: Sequence[str] | None = None) -> None:
    """Refuse what cannot be drawn by.

    Raises:
        RecipeError: weights that are negative, not finite or do not sum to 1, or of no source.
    """
    unknown = sorted(set(weights) - set(sources)) if sources is not None else []
    total = math.fsum(weights.values())
    if unknown or not all(0 <= weight < math.inf for weight in weights.values()):
        raise RecipeError(
            f"weights are {dict(weights)!r}; wanted finite ones of at least 0, and sources of "
            f"{list(sources) if sources is not None else 'the mixture'!r}"
        )
    if abs(total - 1) > SUM_ERROR:
        raise RecipeError(f"weights {dict(weights)!r} sum to {total!r}; wanted 1")
