"""The next tokens of several answers: the likeliest, or drawn with a chance of each answer's own.

The chance of a token is a hash of its answer's name and its place in it: a draw is the same
whatever else is drawn beside it, before it or on whichever machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curator.identity import uniform

if TYPE_CHECKING:
    import torch

# Shapes: B rows, V vocabulary, K likeliest tokens.
_PURPOSE = "generate.token"
_LIKELIEST = 1024  # tokens sorted at first: all 49,152 take thirty times as long, and rarely matter


class Draw(NamedTuple):
    """How one answer's next token is drawn.

    Attributes:
        name: 16 bytes that name the answer.
        place: of the token in it, from 0.
        temperature: 0: the likeliest token is taken.
        top_p: the likeliest tokens that together have this probability are drawn from.
    """

    name: bytes
    place: int
    temperature: float
    top_p: float


def next_tokens(logits_BV: torch.Tensor, draws: Sequence[Draw]) -> list[int]:
    """Return a token for each row of logits, as `draws` has it for the row."""
    import torch

    tokens_B = logits_BV.argmax(dim=1)
    drawn = [row for row, draw in enumerate(draws) if draw.temperature > 0]
    if drawn:
        rows = torch.tensor(drawn, device=logits_BV.device)
        tokens_B[rows] = _drawn(logits_BV[rows], [draws[row] for row in drawn])
    found: list[int] = tokens_B.tolist()
    return found


def _drawn(logits_BV: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Return a token for each row, by the inverse of its distribution function."""
    import torch

    device = logits_BV.device
    temperature_B = torch.tensor([draw.temperature for draw in draws], device=device)
    odds_BV = torch.softmax(logits_BV.double() / temperature_B.double()[:, None], dim=1)
    if not bool(torch.isfinite(odds_BV).all()):  # a temperature so low that a logarithm overflows
        return logits_BV.argmax(dim=1)
    chance_B = torch.tensor([_chance(draw) for draw in draws], device=device, dtype=torch.float64)
    top_p_B = torch.tensor([draw.top_p for draw in draws], device=device, dtype=torch.float64)
    found_B = _inverse(odds_BV.cumsum(dim=1), chance_B * odds_BV.sum(dim=1))
    narrow = (top_p_B < 1).nonzero()[:, 0]
    if len(narrow):
        found_B[narrow] = _of_nucleus(odds_BV[narrow], top_p_B[narrow], chance_B[narrow])
    return found_B


def _of_nucleus(
    odds_BV: torch.Tensor, top_p_B: torch.Tensor, chance_B: torch.Tensor
) -> torch.Tensor:
    """Return a token of the fewest likeliest ones whose odds reach `top_p`, for each row.

    Nucleus sampling: Holtzman and others 2019, "The curious case of neural text degeneration",
    section 3.1.
    """
    import torch

    odds_BK, tokens_BK = odds_BV.topk(min(_LIKELIEST, odds_BV.shape[1]), dim=1)
    if bool((odds_BK.sum(dim=1) < top_p_B).any()):
        odds_BK, tokens_BK = odds_BV.sort(dim=1, descending=True, stable=True)
    sums_BK = odds_BK.cumsum(dim=1)
    outside_BK = sums_BK - odds_BK >= top_p_B[:, None]  # what is likelier reaches it already
    sums_BK = torch.where(outside_BK, 0.0, odds_BK).cumsum(dim=1)
    return tokens_BK.gather(1, _inverse(sums_BK, chance_B * sums_BK[:, -1])[:, None])[:, 0]


def _inverse(sums_BV: torch.Tensor, at_B: torch.Tensor) -> torch.Tensor:
    """Return the first place whose sum is above `at`, for each row."""
    import torch

    found: torch.Tensor = torch.searchsorted(sums_BV, at_B[:, None], right=True)[:, 0]
    return found.clamp(max=sums_BV.shape[1] - 1)


def _chance(draw: Draw) -> float:
    name: Any = np.frombuffer(draw.name, np.uint8)[None]
    return float(uniform(name, _PURPOSE, draw.place)[0])
