"""Has a model seen a benchmark? Two tests that need its probabilities and nothing else.

`ordering_test`: if the items are exchangeable, a model that never saw the file finds its published
order no likelier than any other (Oren et al. 2024, arXiv:2310.17623). `option_test`:
of all orders of an item's options, a model that never saw it prefers the published one once in k!
(after Ni et al. 2024, arXiv:2409.01790). They report; nothing is filtered by them. A small proxy
sees only what was there many times: a large p is no certificate.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import bdtrc, stdtr

from curator.errors import RecipeError
from curator.evaluate.bits import document_bits
from curator.train.tokenizer import encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from curator.train.model import Gpt

SEPARATOR = "\n\n"
LABELS = "ABCDEFG"
# An option that speaks of the others cannot change places with them.
ORDER_BOUND = re.compile(r"\b(all|none|both|neither|either) (of|[a-g] (and|or))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OrderingTest:
    """How much likelier a model finds the published order.

    Attributes:
        t: Student's t of the shards' advantages, positive if the published order is likelier.
        p: one-sided, of no advantage.
        advantage: (r,) nats each shard gains over the mean of its shuffles.
        longest: tokens of the longest shard; beyond the context, windows overlap by half.
    """

    t: float
    p: float
    advantage: NDArray[np.float64]
    longest: int


@dataclass(frozen=True, slots=True)
class OptionTest:
    """How often the published order of options is the likeliest of all.

    Attributes:
        items: tested.
        refused: left out: options that repeat, speak of others, or are not as many as asked.
        preferred: share of items whose published order wins.
        expected: that share without leakage, 1/k!.
        control: the share for one random order an item, the same for all models: near `expected`
            unless the model likes positions.
        p: one-sided binomial, of `preferred` at `expected`.
    """

    items: int
    refused: int
    preferred: float
    expected: float
    control: float
    p: float


def ordering_test(
    model: Gpt,
    tokenizer: Tokenizer,
    items: Sequence[str],
    *,
    shards: int = 50,
    shuffles: int = 24,
    seed: int = 0,
) -> OrderingTest:
    """Return whether the model prefers the published order of `items`.

    Args:
        model: the one under suspicion.
        tokenizer: its own.
        items: texts of a benchmark in the order in which it was published.
        shards: parts that are shuffled inside; the test has shards - 1 degrees of freedom.
        shuffles: random orders a shard is compared with (the paper's code takes 250).
        seed: of the shuffles.

    Raises:
        RecipeError: fewer than 2 shards or 5 items a shard, items longer than the context, or an
            order that is sorted and so was never exchangeable.
    """
    if shards < 2 or len(items) < 5 * shards:
        raise RecipeError(
            f"{len(items)} items in {shards} shards; wanted 2 shards or more of at least 5 items"
        )
    if list(items) == sorted(items) or list(items) == sorted(items, reverse=True):
        raise RecipeError("the items are sorted, so their order says nothing; test another file")
    _refuse_long(model, tokenizer, items)
    random = np.random.default_rng(seed)
    texts = []
    for part in np.array_split(np.arange(len(items)), shards):
        orders = [part, *(random.permutation(part) for _ in range(shuffles))]
        texts += [SEPARATOR.join(items[row] for row in order) for order in orders]
    offsets, ids = encode(tokenizer, pa.array(texts, pa.large_string()))
    nats = -math.log(2) * document_bits(model, offsets, ids).reshape(shards, shuffles + 1)
    advantage = nats[:, 0] - nats[:, 1:].mean(axis=1)
    error = advantage.std(ddof=1) / math.sqrt(shards)
    t = float(advantage.mean() / error) if error else 0.0
    p = float(stdtr(shards - 1, -t))
    return OrderingTest(t, p, advantage, int(np.diff(offsets).max()))


def option_test(
    model: Gpt,
    tokenizer: Tokenizer,
    items: Sequence[tuple[str, Sequence[str]]],
    *,
    options: int = 4,
    seed: int = 0,
) -> OptionTest:
    """Return how often the published order of options is the likeliest of all k! orders.

    Args:
        model: the one under suspicion.
        tokenizer: its own.
        items: (question, options in published order).
        options: k, from 2 to 5; items with another number are refused and counted.
        seed: of the control orders.

    Raises:
        RecipeError: k out of range, or no item is left.
    """
    if not 2 <= options <= 5:
        raise RecipeError(f"{options} options; wanted 2 to 5, whose orders can all be tried")
    usable = [item for item in items if _exchangeable(item[1], options)]
    if not usable:
        raise RecipeError(
            f"none of {len(items)} items has {options} different options that could change places"
        )
    orders = list(itertools.permutations(range(options)))
    texts = [posed(question, [found[o] for o in order]) for question, found in usable
             for order in orders]  # fmt: skip
    offsets, ids = encode(tokenizer, pa.array(texts, pa.large_string()))
    # The question is the same in every order of its options, so it cancels in a comparison.
    bits = document_bits(model, offsets, ids).reshape(len(usable), len(orders))
    winner = bits.argmin(axis=1)
    preferred = int((winner == 0).sum())
    control = np.random.default_rng(seed).integers(1, len(orders), len(usable))
    expected = 1 / len(orders)
    return OptionTest(
        items=len(usable),
        refused=len(items) - len(usable),
        preferred=preferred / len(usable),
        expected=expected,
        control=float((winner == control).mean()),
        p=float(bdtrc(preferred - 1, len(usable), expected)) if preferred else 1.0,
    )


def posed(question: str, options: Sequence[str]) -> str:
    """Return a question with its options, each on a line with its letter."""
    lines = [f"{label}. {option}" for label, option in zip(LABELS, options, strict=False)]
    return "\n".join([question, *lines])


def _exchangeable(options: Sequence[str], wanted: int) -> bool:
    """Return whether options could stand in any order."""
    plain = {option.strip().casefold() for option in options}
    bound = any(ORDER_BOUND.search(option) for option in options)
    return len(options) == wanted == len(plain) and not bound


def _refuse_long(model: Gpt, tokenizer: Tokenizer, items: Sequence[str]) -> None:
    offsets, _ = encode(tokenizer, pa.array(items, pa.large_string()))
    longest = int(np.diff(offsets).max())
    if longest > model.shape.context:
        raise RecipeError(
            f"the longest item has {longest} tokens, the context {model.shape.context}; a model "
            "that cannot see a whole item knows no order of items: use a proxy of longer context"
        )
