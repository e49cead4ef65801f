"""The token that a chance falls on: among all, or among the likeliest that make a share of them.

Nucleus sampling: Holtzman and others 2019, "The curious case of neural text degeneration"
(arXiv:1904.09751), section 3.1.
"""

# Shapes: B rows, V vocabulary, K likeliest tokens.
from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

# Widths of the first looks for a nucleus: to sort all the vocabulary for each token would take
# longer than a small model does.
_LOOKS: Final = (64, 512)


def drawn(odds_BV: Tensor, chance_B: Tensor, top_p_B: Tensor) -> Tensor:
    """Return a token for each row, (B,) int64, by the inverse of its distribution function.

    Args:
        odds_BV: of each token, 0 or more; they need not add up to 1.
        chance_B: float64 in (0, 1), of each row.
        top_p_B: float64 in (0, 1]: tokens are drawn from the fewest likeliest whose odds, where
            they add up to 1, reach this much; from 1 on from all, in their own order.
    """
    found_B = torch.zeros(len(odds_BV), dtype=torch.int64, device=odds_BV.device)
    whole = (top_p_B >= 1).nonzero()[:, 0]
    if len(whole):
        found_B[whole] = _falls(odds_BV[whole].double().cumsum(1), chance_B[whole])
    todo = (top_p_B < 1).nonzero()[:, 0]
    vocabulary = odds_BV.shape[1]
    for look in (*(width for width in _LOOKS if width < vocabulary), vocabulary):
        if not len(todo):
            break
        odds_BK, tokens_BK = odds_BV[todo].topk(look, sorted=True)
        odds_BK, top_p = odds_BK.double(), top_p_B[todo, None]
        sums_BK = odds_BK.cumsum(1)
        enough = (sums_BK[:, -1:] >= top_p)[:, 0] | (look == vocabulary)
        inside_BK = sums_BK - odds_BK < top_p  # what is likelier does not reach it yet
        place_B = _falls(torch.where(inside_BK, odds_BK, 0.0).cumsum(1), chance_B[todo])
        found_B[todo[enough]] = tokens_BK.gather(1, place_B[:, None])[enough, 0]
        todo = todo[~enough]
    return found_B


def _falls(sums_BV: Tensor, chance_B: Tensor) -> Tensor:
    """Return where each row's chance of its whole sum falls."""
    at_B = (chance_B * sums_BV[:, -1])[:, None]
    place_B = torch.searchsorted(sums_BV, at_B, right=True)[:, 0]
    return place_B.clamp_max(sums_BV.shape[1] - 1)
