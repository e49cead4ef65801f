"""Where a document's perplexity stands in its language: percentile, and CCNet's three buckets.

CCNet (Wenzek et al. 2020, arXiv:1911.00359; cc_net `PerplexityBucket`): below the 30th percentile
of a sample is the head, below the 60th the middle, the rest the tail. There a document whose
language has no cutoffs goes to a bucket "all"; here it has no bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from curator.score.heldout import spearman

HEAD: Final = 30  # percentiles: percentile_head and percentile_tail of cc_net
MIDDLE: Final = 60
_QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_LENGTHS: Final = 10  # groups of documents by length in the report


@dataclass(frozen=True)
class Bands:
    """The perplexities of a sample in one language, rising, (s,) float32."""

    sample: NDArray[np.float32]

    def rank(self, perplexities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the share of the sample below each, in [0, 1]; a tie counts half."""
        below = np.searchsorted(self.sample, perplexities, "left")
        upto = np.searchsorted(self.sample, perplexities, "right")
        return ((below + upto) / (2 * len(self.sample))).astype(np.float32)

    def bucket(self, perplexities: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return 0 (head), 1 (middle) or 2 (tail) of each."""
        cutoffs = np.percentile(self.sample, [HEAD, MIDDLE])
        return np.searchsorted(cutoffs, perplexities, "right").astype(np.uint8)


def spread(values: NDArray[np.floating[Any]]) -> dict[str, float]:
    """Return quantiles of a sample, by their share, to five digits."""
    return {f"{q:g}": _five(np.quantile(values, q)) for q in _QUANTILES}


def length_confound(perplexities: NDArray[np.float32], sizes: NDArray[np.int64]) -> dict[str, Any]:
    """Return how perplexity goes with length: rank correlation, and medians by length.

    Short documents have few words to average over, so both ends of a ranking are theirs.
    """
    order = np.lexsort((perplexities, sizes))
    groups = np.array_split(order, min(_LENGTHS, len(order)))
    related = spearman(perplexities[order], sizes[order].astype(np.float64))
    return {
        "spearman_with_bytes": None if np.isnan(related) else round(related, 4),
        "by_length": [
            {
                "bytes_from": int(sizes[group].min()),
                "median_perplexity": _five(np.median(perplexities[group])),
                "head_share": round(float((_shares(perplexities)[group] < HEAD / 100).mean()), 4),
            }
            for group in groups
        ],
    }


def _shares(perplexities: NDArray[np.float32]) -> NDArray[np.float32]:
    return Bands(np.sort(perplexities)).rank(perplexities)


def _five(value: Any) -> float:
    return float(f"{float(value):.5g}")
