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

# Shapes: B rows, V vocabulary.
_PURPOSE = "generate.token"


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
    by_chance = [row for row, draw in enumerate(draws) if draw.temperature > 0]
    if by_chance:
        rows = torch.tensor(by_chance, device=logits_BV.device)
        tokens_B[rows] = _drawn(logits_BV[rows], [draws[row] for row in by_chance])
    found: list[int] = tokens_B.tolist()
    return found


def _drawn(logits_BV: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Return a token for each row, by the chance of its answer."""
    import torch

    from curator.nucleus import drawn

    device = logits_BV.device
    temperature_B = torch.tensor([draw.temperature for draw in draws], device=device)
    odds_BV = torch.softmax(logits_BV.double() / temperature_B.double()[:, None], dim=1)
    if not bool(torch.isfinite(odds_BV).all()):  # a temperature so low that a logarithm overflows
        return logits_BV.argmax(dim=1)
    chance_B = torch.tensor([_chance(draw) for draw in draws], device=device, dtype=torch.float64)
    top_p_B = torch.tensor([draw.top_p for draw in draws], device=device, dtype=torch.float64)
    return drawn(odds_BV, chance_B, top_p_B)


def _chance(draw: Draw) -> float:
    name: Any = np.frombuffer(draw.name, np.uint8)[None]
    return float(uniform(name, _PURPOSE, draw.place)[0])
