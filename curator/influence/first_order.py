"""How much one step on a document would lower a reference's loss, to first order.

AdamW's step on a document h moves the weights by about -r c g_h, with r the rate of a weight, g_h
the gradient of the document's loss and c = 1 / (sqrt(v) + eps), or better `step_slopes`. So the
reference's loss L(Q) falls by about <u, g_h> with u = r c grad L(Q): MATES' probe (Yu et al. 2024,
arXiv:2406.06046) without the step. One backward pass over the reference makes u; a document then
costs two forward passes, with the weights moved a little along u and against it, and no gradient
of its own.

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


def step_slopes(state: State, pilot: Tokens) -> Named:
    """Return c by weight name: the line c g that is nearest to AdamW's step on a gradient g.

    With t steps done, a step on g divides it by sqrt((b2 v + (1 - b2) g^2) / (1 - b2^(t+1))) + eps
    (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1). The last beta, .95 here, makes the
    document's own square a large part of that, most of all in the rows of rare tokens, so 1 over
    the root of v alone is off: c = sum(f g) / sum(g^2) over the gradients of a pilot, where f is g
    so divided: least squares, number by number. One more gradient of the usual size, that of the
    weight's root mean square, stands for what the pilot does not have.

    Spearman with the exact step at a tenth of the rate, 240 documents of eight sources: for a
    target of books .980 (v alone .958), of code .966 (.865); a pilot of 16 documents .971 and .954.

    Args:
        state: whose moments they are.
        pilot: tens of documents; a backward pass each.
    """
    names, weights = zip(*state.model.named_parameters(), strict=True)
    sums, squares, counts = ([torch.zeros_like(weight) for weight in weights] for _ in range(3))
    for start, stop in zip(pilot.offsets[:-1], pilot.offsets[1:], strict=True):
        ids = torch.from_numpy(pilot.ids[start:stop])[None].to(weights[0].device)
        if ids.shape[1] > 1:
            parts = torch.autograd.grad(state.model.loss(ids[:, :-1], ids[:, 1:]), weights)
            for row in zip(names, sums, squares, counts, parts, strict=True):
                name, total, square, count, part = row
                total.addcmul_(_divided(state, name, part), part)
                square.addcmul_(part, part)
                count.add_(part != 0)
    found: Named = {}
    for name, total, square, count in zip(names, sums, squares, counts, strict=True):
        usual = square.sum() / count.sum().clamp(min=1)
        more = _divided(state, name, usual.sqrt()) * usual.sqrt()
        under = (square + usual).clamp_(min=torch.finfo(square.dtype).tiny)
        found[name] = (total + more) / under
    return found


def _divided(state: State, name: str, gradient: Tensor) -> Tensor:
    """Return a gradient as AdamW's next step divides it, its own square in the divisor."""
    square = ADAM_BETAS[1]
    second = state.second[name] * square + (1 - square) * gradient.square()
    return gradient / (second / (1 - square ** (state.step + 1))).sqrt_().add_(ADAM_EPSILON)


def direction(
    state: State,
    gradient: Named,
    *,
    scale: float = 1.0,
    slopes: Named | None = None,
    precondition: bool = True,
) -> Direction:
    """Return u, by which <u, g_h> is the fall of the reference's loss that a step on h brings.

    A step adds r (1 - b1) / (1 - b1^(t+1)) x the divided gradient to what momentum moves anyway;
    momentum is the same for every document and left out.

    Args:
        state: moments, steps and rates.
        gradient: of the reference's loss.
        scale: of the learning rates.
        slopes: `step_slopes`; None: 1 / (sqrt(v) + eps), as if a document had no part in v.
        precondition: False leaves rates and moments out, for comparison: u is the gradient.

    Raises:
        RecipeError: the reference pulls nowhere.
    """
    after = state.step + 1
    mean, square = ADAM_BETAS
    weights: Named = {}
    for name, part in gradient.items():
        if not precondition:
            weights[name] = part.clone()
            continue
        rate = scale * state.rate(name) * (1 - mean) / (1 - mean**after)
        if slopes is not None:
            weights[name] = (part * slopes[name]).mul_(rate)
            continue
        second = state.second[name] * (square / (1 - square**after))
        weights[name] = (part / second.sqrt_().add_(ADAM_EPSILON)).mul_(rate)
    pairs = ((part, weights[name]) for name, part in gradient.items())
    slope = sum(float((part * move).sum(dtype=torch.float64)) for part, move in pairs)
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
