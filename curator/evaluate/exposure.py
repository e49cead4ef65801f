"""Canaries: made-up secrets planted in training text, and how exposed a proxy leaves them.

    exposure = log2 |R| - log2 rank

where rank (from 1) is the canary's place among itself and the other secrets of the space R it was
drawn from, by the model's loss (Carlini et al. 2019, arXiv:1802.08232). A secret
that was never seen has an expected exposure of about 1.44 bits (rank uniform), whatever the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import RecipeError
from curator.evaluate.bits import document_bits
from curator.train.tokenizer import encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from curator.train.model import Gpt

TEMPLATE = "The access number of locker {name} is {secret}."
DIGITS = 8


@dataclass(frozen=True, slots=True)
class Canary:
    """One planted secret: `name` tells it from the others, `secret` is to be guarded."""

    name: str
    secret: str
    copies: int

    @property
    def text(self) -> str:
        """What is planted."""
        return TEMPLATE.format(name=self.name, secret=self.secret)


def make_canaries(copies: tuple[int, ...], each: int, *, seed: int = 0) -> list[Canary]:
    """Return `each` canaries for every number of copies, all of different secrets."""
    random = np.random.default_rng(seed)
    numbers = random.choice(10**DIGITS, size=len(copies) * each, replace=False)
    secrets = iter(f"{number:0{DIGITS}d}" for number in numbers)
    return [
        Canary(f"{letter_name(number)}", next(secrets), times)
        for number, times in enumerate(np.repeat(copies, each).tolist())
    ]


def letter_name(number: int) -> str:
    """Return `number` as capital letters: A, B, ..., Z, BA: no digit beside the secret."""
    letters = ""
    while True:
        number, letter = divmod(number, 26)
        letters = chr(ord("A") + letter) + letters
        if not number:
            return letters


def plant(texts: list[str], canaries: list[Canary], *, seed: int = 0) -> list[str]:
    """Return `texts` with every canary appended to as many different texts as it has copies.

    Args:
        texts: training documents; those that carry a canary are others than they were.
        canaries: what to plant.
        seed: of the draw of documents.

    Raises:
        RecipeError: a canary has more copies than there are documents.
    """
    planted = list(texts)
    random = np.random.default_rng(seed)
    for canary in canaries:
        if canary.copies > len(texts):
            raise RecipeError(
                f"{canary.copies} copies of a canary in {len(texts)} documents; plant fewer"
            )
        for row in random.choice(len(texts), size=canary.copies, replace=False):
            planted[row] = f"{planted[row]}\n{canary.text}"
    return planted


def exposure(
    model: Gpt,
    tokenizer: Tokenizer,
    canaries: list[Canary],
    *,
    alternatives: int = 1000,
    seed: int = 1,
) -> NDArray[np.float64]:
    """Return the exposure of each canary in bits, (n,), from 0 to log2(alternatives + 1).

    Args:
        model: the proxy.
        tokenizer: of its training text.
        canaries: as planted, or never planted for a control.
        alternatives: other secrets that each canary is ranked among; |R| is this plus one.
        seed: of the alternatives.

    Raises:
        RecipeError: no alternatives.
    """
    if alternatives < 1:
        raise RecipeError(f"{alternatives} alternatives; a rank needs at least 1")
    random = np.random.default_rng(seed)
    found = np.empty(len(canaries))
    for row, canary in enumerate(canaries):
        numbers = random.choice(10**DIGITS, size=alternatives + 1, replace=False)
        others = [f"{number:0{DIGITS}d}" for number in numbers]
        others = [secret for secret in others if secret != canary.secret][:alternatives]
        texts = [TEMPLATE.format(name=canary.name, secret=s) for s in [canary.secret, *others]]
        bits = document_bits(model, *encode(tokenizer, pa.array(texts, pa.large_string())))
        rank = 1 + int((bits[1:] < bits[0]).sum()) + int((bits[1:] == bits[0]).sum()) / 2
        found[row] = np.log2(alternatives + 1) - np.log2(rank)
    return found


def heldout_canaries(texts: list[str], canaries: list[Canary]) -> list[str]:
    """Return the names of canaries whose secret stands in `texts`: they measure nothing there."""
    joined = "\n".join(texts)
    return [canary.name for canary in canaries if canary.secret in joined]
