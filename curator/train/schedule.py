"""Learning-rate schedules as a factor in (0, 1] a step: warm-up, constant, linear decay; or cosine.

Warm-up-stable-decay is the default: one run can fork into many anneals, and it does at least as
well as cosine at these sizes (karpathy/nanochat scripts/base_train.py decays over the last 65 %
to 5 %; modded-nanogpt track 3 over 70 % to 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from curator.errors import RecipeError


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the learning rate moves over a run; shares are of the run's steps.

    Every share is in [0, 1]; `final_share` is the last rate over the highest one.
    """

    kind: str = "wsd"
    warmup_share: float = 0.05  # Wortsman et al. 2023, arXiv:2309.14322, warm up small proxies so
    decay_share: float = 0.65  # nanochat scripts/base_train.py
    final_share: float = 0.05

    def __post_init__(self) -> None:
        """Refuse shares that do not fit a run."""
        if self.kind not in ("wsd", "cosine"):
            raise RecipeError(f"schedule is {self.kind!r}; write 'wsd' or 'cosine'")
        shares = (self.warmup_share, self.decay_share, self.final_share)
        if min(shares) < 0 or max(shares) > 1:
            raise RecipeError(f"the schedule's shares are {shares!r}; each must be from 0 to 1")
        if self.kind == "wsd" and self.warmup_share + self.decay_share > 1:
            raise RecipeError(
                f"warm-up {self.warmup_share} and decay {self.decay_share} are longer than the "
                "run; their sum must be at most 1"
            )

    def factor(self, step: int, steps: int) -> float:
        """Return what the highest rate is multiplied by at `step` (from 0) of `steps`."""
        warmup = self.warmup_share * steps
        if step + 1 < warmup:
            return (step + 1) / warmup
        if self.kind == "cosine":
            done = (step + 1 - warmup) / max(1.0, steps - warmup)
            return self.final_share + (1 - self.final_share) * (1 + math.cos(math.pi * done)) / 2
        left = (steps - step) / max(1.0, self.decay_share * steps)
        return 1.0 if left >= 1 else self.final_share + (1 - self.final_share) * left
