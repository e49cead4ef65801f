"""How much each row of a batch counts by its loss beside the others: settings, and the rules.

Sow et al. 2025, "Dynamic Loss-Based Sample Reweighting for Improved Large Language Model
Pretraining" (code: sowmaster/Sample-Level-Loss-Reweighting). Losses of a batch are stretched to
[-delta, delta]; a rule makes numbers of them, and weights are their softmax. LinUpper counts rows
of low loss less and all of the upper half alike, so that one row of noise cannot take over.
"""

from __future__ import annotations

from dataclasses import dataclass

from curator.errors import RecipeError

RULES = ("lin_upper", "quadratic", "extremes", "upper")
LEAST_ROWS = 4  # of a batch: with fewer, the least and the largest loss are all there is
_LARGEST = 1e6  # squares of what is stretched further have no place in float32 beside others


@dataclass(frozen=True, slots=True, kw_only=True)
class Reweight:
    """How rows are weighed.

    Attributes:
        rule: one of `RULES`.
        temperature: r of the softmax: small lets few rows count; 1 or .4 in the code.
        delta: losses are stretched to [-delta, delta]; 1 in the code.
        uniform: share of the steps at the start in which all rows count alike: 1,000 of 20,000.
        placebo: whether each weight is dealt to another row of its batch.
        seed: of that chance, beside the run's order seed.
    """

    rule: str = "lin_upper"
    temperature: float = 1.0
    delta: float = 1.0
    uniform: float = 0.05
    placebo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that weigh nothing."""
        if self.rule not in RULES:
            raise RecipeError(f"rule is {self.rule!r}; wanted one of {', '.join(RULES)}")
        for key in ("temperature", "delta"):
            if not 1 / _LARGEST <= getattr(self, key) <= _LARGEST:
                raise RecipeError(
                    f"{key} is {getattr(self, key)!r}; wanted {1 / _LARGEST:g} to {_LARGEST:g}"
                )
        if not 0 <= self.uniform < 1:
            raise RecipeError(f"uniform is {self.uniform!r}; wanted a share in [0, 1)")

    def require_rows(self, rows: int) -> None:
        """Refuse a batch too small to compare rows in.

        Raises:
            RecipeError: fewer than four rows.
        """
        if rows < LEAST_ROWS:
            raise RecipeError(
                f"a batch has {rows} rows, and rows are weighed by the losses of their batch; "
                f"wanted at least {LEAST_ROWS}, better 16: raise the proxy's batch_tokens"
            )
