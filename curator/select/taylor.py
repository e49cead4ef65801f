"""Draw without replacement in proportion to 1 + z + z^2 / 2, where z is a gain over a temperature.

The second-order Taylor softmax (de Brébisson and Vincent 2016, arXiv:1511.05042) by which
INGENIOUS draws from the marginal gains of each partition (Renduchintala et al. 2023,
arXiv:2305.06677). Gains are at or above 0, so every weight is 1 or more: what repeats another
document and gains nothing is still drawn. This is a reweighting, no deduplication.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.select.gumbel import noisy
from curator.select.pool import Rows

PURPOSE = "select.taylor"
TEMPERATURE = 1.0  # of the released INGENIOUS code (Efficient-AI/ingenious)


@dataclass(frozen=True)
class TaylorKey:
    """Turns gains into noisy keys, whose largest are a draw: Gumbel noise over log weights."""

    column: str
    temperature: float
    seed: int

    def __call__(self, rows: Rows) -> NDArray[np.float64]:
        """Return (n,) float64 keys, higher is taken earlier, fixed by id, gain and seed."""
        assert rows.score is not None
        return noisy(rows.doc_id, self.odds(rows.score), PURPOSE, self.seed)

    def odds(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) float64, the logarithms of the weights, at or above 0.

        Raises:
            RecipeError: a gain is below 0, or so large that its weight is not finite.
        """
        z = gains / self.temperature
        wrong = ~((z >= 0) & (z < 1e150))
        if wrong.any():
            raise RecipeError(
                f"select: {self.column!r} is {gains[wrong][0]:g} for some documents; `taylor` "
                "draws by gains of a set function, finite and at or above 0 (null: never drawn)"
            )
        weights: NDArray[np.float64] = np.log1p(z + z * z / 2)
        return weights
