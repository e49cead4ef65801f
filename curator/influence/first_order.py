"""How much one step on a document would lower a reference's loss, to first order.

AdamW's step on a document h moves the weights by about -r g_h / (sqrt(v) + eps), with r the rate of
a weight and g_h the gradient of the document's loss, so the reference's loss L(Q) falls by about
<u, g_h> with u = r grad L(Q) / (sqrt(v) + eps): MATES' probe (Yu et al. 2024, arXiv:2406.06046)
without the step. One backward pass over the reference makes u; a document then costs two forward
passes, with the weights moved a little along u and against it, and no gradient of its own.

Measured before this way was chosen, 0.1M parameters in the blocks, documents of 125 tokens, one
thread, float32: 2.4 ms a document by these differences (equal to autograd's dot to 4e-5 of the
spread between documents), 7.3 ms by one backward pass each, 8.4 ms by vmap(grad). A JVP makes three
products where two forward passes make two. Products of inputs and output gradients cost a forward
and a backward pass as well.
"""

# Shapes: N documents, U directions.
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.errors import RecipeError
from curator.influence.rows import Rows, Tokens, document_rows
from curator.influence.state import State
from curator.train.model import Gpt
from curator.train.optim import ADAM_BETAS, ADAM_EPSILON

Named = dict[str, Tensor]
# By how many nats the weights' move along a direction is to change the reference's loss, to first
# order. Errors of the difference (rms, of the spread between documents): .1: 4e-3, .03: 3e-4,
# .01: 4e-5, .003: 7e-5, .001: 2e-4 in float32; in bfloat16 .3: 3e-2, .1: 3e-2, .03: 9e-2.
_MOVE = {torch.float32: 0.01, torch.bfloat16: 0.15}


class Direction(NamedTuple):
    """Where to look for documents that help.

    Attributes:
        weights: u by weight name.
        slope: <u, grad L(Q)>, in nats: the fall of the reference's loss by a step on itself.
    """

    weights: Named
    slope: float


def reference_gradient(model: Gpt, rows: Sequence[Rows]) -> Named:
    """Return the gradient of the mean loss over all tokens that count, by weight name.

    Raises:
        RecipeError: none counts.
    """
    names, weights = zip(*model.named_parameters(), strict=True)
    total = sum(float(batch.weights.sum()) for batch in rows)
    if not total:
        raise RecipeError(
            "the reference has no token that counts (Q without unmasked tokens); wanted texts with "
            "words, and answers where items have prompts"
        )
    found = {n: torch.zeros_like(w) for n, w in zip(names, weights, strict=True)}
    for batch in rows:
        share = float(batch.weights.sum()) / total
        if share:
            loss = model.loss(batch.inputs, batch.targets, None, batch.weights)
            for name, part in zip(names, torch.autograd.grad(loss, weights), strict=True):
                found[name].add_(part, alpha=share)
    return found


def joined(gradients: Sequence[Named], tokens: Sequence[float]) -> Named:
    """Return the gradient over all tokens from those over parts of so many tokens each."""
    total = sum(tokens)
    return {
        name: torch.stack(
            [each[name] * (count / total) for each, count in zip(gradients, tokens, strict=True)]
        ).sum(0)
        for name in gradients[0]
    }


def usual_squares(model: Gpt, tokens: Tokens) -> Named:
    """Return the usual square of a document's gradient, number by number.

    The mean over those documents in which it is not 0: most tokens are in few documents, and a
    table's row matters for those alone.

    Args:
        model: whose gradients.
        tokens: of some documents, tens of them; a backward pass each.
    """
    names, weights = zip(*model.named_parameters(), strict=True)
    sums = [torch.zeros_like(weight) for weight in weights]
    counts = [torch.zeros_like(weight) for weight in weights]
    for start, stop in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
        ids = torch.from_numpy(tokens.ids[start:stop])[None].to(weights[0].device)
        if ids.shape[1] > 1:
            parts = torch.autograd.grad(model.loss(ids[:, :-1], ids[:, 1:]), weights)
            for total, count, part in zip(sums, counts, parts, strict=True):
                total.addcmul_(part, part)
                count.add_(part != 0)
    return {
        n: total / count.clamp(min=1) for n, total, count in zip(names, sums, counts, strict=True)
    }


def direction(
    state: State,
    gradient: Named,
    *,
    scale: float = 1.0,
    squares: Named | None = None,
    precondition: bool = True,
) -> Direction:
    """Return u, by which <u, g_h> is the fall of the reference's loss that a step on h brings.

    With t steps done, a step adds (1 - b1) g / (1 - b1^(t+1)) to what momentum moves anyway, over
    sqrt(v' / (1 - b2^(t+1))) + eps (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1). v' has the
    document's own square in it, which the last beta makes a large part: b2 v + (1 - b2) s, where s
    is what is usual. Without s the ranks of documents by the exact step are met less well: Spearman
    .964 for .979 (160 documents of eight sources, a tenth of the rate).

    Args:
        state: moments, steps and rates.
        gradient: of the reference's loss.
        scale: of the learning rates.
        squares: s, `usual_squares`; None: 0, as if the document had no part in v'.
        precondition: False leaves rates and moments out, for comparison: u is the gradient.

    Raises:
        RecipeError: the reference pulls nowhere.
    """
    mean, square = ADAM_BETAS
    after = state.step + 1
    weights: Named = {}
    for name, part in gradient.items():
        if not precondition:
            weights[name] = part.clone()
            continue
        second = state.second[name] * square
        if squares is not None:
            second.add_(squares[name], alpha=1 - square)
        under = second.div_(1 - square**after).sqrt_().add_(ADAM_EPSILON)
        rate = scale * state.rate(name) * (1 - mean) / (1 - mean**after)
        weights[name] = (part / under).mul_(rate)
    slope = sum(
        float((part * weights[name]).sum(dtype=torch.float64)) for name, part in gradient.items()
    )
    if not 0 < slope < math.inf:
        raise RecipeError(
            f"the slope of the reference's loss is {slope!r}; wanted a number above 0: the model's "
            "weights or moments are not finite, or the reference has nothing to teach it"
        )
    return Direction(weights, slope)


def first_order(
    model: Gpt, directions: Sequence[Direction], tokens: Tokens, longest: int
) -> NDArray[np.float64]:
    """Return <u, gradient of a document's mean loss>, (N, U), in nats; NaN without tokens.

    A document's number is the same to the last bit alone, in any batch and at any place.

    Args:
        model: its weights are moved for a while and restored.
        directions: the u.
        tokens: of the documents.
        longest: tokens that a document may have.
    """
    found = np.full((len(tokens.offsets) - 1, len(directions)), np.nan)
    for column, each in enumerate(directions):
        size = _MOVE[model.compute] / each.slope
        above = losses_at(model, each.weights, size, tokens, longest)
        below = losses_at(model, each.weights, -size, tokens, longest)
        found[:, column] = (above - below) / (2 * size)
    return found


def losses_at(
    model: Gpt, move: Named, size: float, tokens: Tokens, longest: int
) -> NDArray[np.float64]:
    """Return each document's mean loss, (N,), with the model's weights moved by `size` x `move`."""
    weights = dict(model.named_parameters())
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.add_(move[name], alpha=size)
        return document_losses(model, tokens, longest)
    finally:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(before[name])


@torch.inference_mode()
def document_losses(model: Gpt, tokens: Tokens, longest: int) -> NDArray[np.float64]:
    """Return each document's mean loss in nats a token, (N,); NaN without tokens."""
    found = np.full(len(tokens.offsets) - 1, np.nan)
    device = str(model.head.weight.device)
    for batch in document_rows(tokens, longest, device):
        bits_BT = model.bits(batch.inputs, batch.targets) * batch.weights
        sums_B = bits_BT.sum(1, dtype=torch.float64) / batch.weights.sum(1).clamp(min=1)
        found[batch.texts] = sums_B.cpu().numpy()[: len(batch.texts)] * math.log(2)
    return found


def losses_of(model: Gpt, rows: Sequence[Rows]) -> float:
    """Return the mean loss over all tokens of a reference that count, in nats."""
    bits, count = 0.0, 0.0
    with torch.inference_mode():
        for batch in rows:
            bits_BT = model.bits(batch.inputs, batch.targets) * batch.weights
            bits += float(bits_BT.sum(dtype=torch.float64))
            count += float(batch.weights.sum())
    return bits / count * math.log(2)
