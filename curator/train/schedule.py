"""Learning-rate schedules as a factor in (0, 1] a step: a level, times a decay over the last steps.

Warm-up-stable-decay ("wsd") is the default: one run can fork into many anneals, and it does at
least as well as cosine at these sizes (karpathy/nanochat scripts/base_train.py decays over the
last 65 % to 5 %; modded-nanogpt track 3 over 70 % to 0).

"power" lets the level fall with a power of the tokens seen (Shen et al. 2024, arXiv:2408.13359:
min(highest rate, batch x a x n^b), then a decay); "infinite" cools down along a cosine to a
constant and anneals exponentially at the end (Ibrahim et al. 2024, arXiv:2403.08763). Both were
written down from memory: their defaults are unchecked against the papers, and untuned here.

A schedule whose level needs no horizon can be cut in two: `level` runs a trunk, `decay` a branch.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from curator.errors import RecipeError

KINDS = ("wsd", "cosine", "power", "infinite")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the learning rate moves over a run; shares are of the run's steps.

    Every share is in [0, 1]; `final_share` is the last rate over the one that the decay begins
    at, and with "cosine" and "infinite" over the highest one. With a constant batch,
    min(1, (step / power_steps) ^ power_exponent) is the power scheduler's formula: `power_steps`
    is where its line `batch x a x n^b` crosses the highest rate.
    """

    kind: str = "wsd"
    warmup_share: float = 0.05  # Wortsman et al. 2023, arXiv:2309.14322, warm up small proxies so
    decay_share: float = 0.65  # nanochat scripts/base_train.py
    final_share: float = 0.05
    cooldown_share: float = 0.3  # infinite: from the highest rate to the constant; untuned
    constant_share: float = 0.5  # infinite: the constant over the highest rate; untuned
    power_steps: int = 100  # power: untuned
    power_exponent: float = -0.51  # power: from memory, unchecked

    def __post_init__(self) -> None:
        """Refuse shares that do not fit a run."""
        if self.kind not in KINDS:
            raise RecipeError(f"schedule is {self.kind!r}; write one of {', '.join(KINDS)}")
        shares = (
            self.warmup_share,
            self.decay_share,
            self.final_share,
            self.cooldown_share,
            self.constant_share,
        )
        if min(shares) < 0 or max(shares) > 1:
            raise RecipeError(f"the schedule's shares are {shares!r}; each must be from 0 to 1")
        parts = {"wsd": 0.0, "power": 0.0, "infinite": self.cooldown_share}
        if self.kind in parts and self.warmup_share + parts[self.kind] + self.decay_share > 1:
            raise RecipeError(
                f"warm-up {self.warmup_share}, cool-down {parts[self.kind]} and decay "
                f"{self.decay_share} are longer than the run; their sum must be at most 1"
            )
        if self.kind == "infinite" and not 0 < self.final_share <= self.constant_share:
            raise RecipeError(
                f"final_share is {self.final_share!r}; an exponential decay from "
                f"{self.constant_share!r} needs one above 0 and not above that"
            )
        if self.power_steps < 1 or not -1 <= self.power_exponent < 0:
            raise RecipeError(
                f"power_steps {self.power_steps!r} and power_exponent {self.power_exponent!r}; "
                "wanted at least 1, and from -1 to below 0"
            )

    def factor(self, step: int, steps: int) -> float:
        """Return what the highest rate is multiplied by at `step` (from 0) of `steps`."""
        warmup = self.warmup_share * steps
        if step + 1 < warmup:
            reached = self.level(math.ceil(warmup) - 1, steps) if self.kind == "power" else 1.0
            return reached * (step + 1) / warmup
        if self.kind == "cosine":
            return self.level(step, steps)
        decay_steps = max(1.0, self.decay_share * steps)
        left = (steps - step) / decay_steps
        level = self.level(step if left >= 1 else math.floor(steps - decay_steps), steps)
        return level * self.decay(left)

    def level(self, step: int, steps: int) -> float:
        """Return the factor at `step` after warm-up, before any decay at the end."""
        after_warmup = step + 1 - self.warmup_share * steps
        if self.kind == "cosine":
            done = after_warmup / max(1.0, steps - self.warmup_share * steps)
            return _along_cosine(done, self.final_share)
        if self.kind == "infinite":
            done = after_warmup / max(1.0, self.cooldown_share * steps)
            return _along_cosine(min(max(done, 0.0), 1.0), self.constant_share)
        if self.kind == "power":
            fallen: float = (max(1, step + 1) / self.power_steps) ** self.power_exponent
            return min(1.0, fallen)
        return 1.0

    def decay(self, left: float) -> float:
        """Return what the level is multiplied by where the share `left` of the decay is to come."""
        if left >= 1:
            return 1.0
        if self.kind == "infinite":
            fallen: float = (self.final_share / self.constant_share) ** (1 - left)
            return fallen
        return self.final_share + (1 - self.final_share) * left

    def of_trunk(self) -> Schedule:
        """Return the schedule of a run that stops before the decay, for branches to decay from.

        Raises:
            RecipeError: a cosine decays from its first step, so there is nothing to branch from.
        """
        if self.kind == "cosine":
            raise RecipeError("a cosine has no level to branch from; write schedule kind 'wsd'")
        return dataclasses.replace(self, decay_share=0.0)

    def branch_factor(self, step: int, steps: int, trunk_steps: int) -> float:
        """Return the factor at `step` of a branch that decays over all its `steps`."""
        level = self.of_trunk().level(trunk_steps - 1, trunk_steps)
        return level * self.decay((steps - step) / steps)


def _along_cosine(done: float, last: float) -> float:
    """Return where half a cosine from 1 to `last` stands when the share `done` of it is over."""
    return last + (1 - last) * (1 + math.cos(math.pi * done)) / 2
