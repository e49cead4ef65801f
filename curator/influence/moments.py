"""Second moments of weights whose optimizer kept none, estimated from gradients of batches.

Muon keeps a matrix's momentum and nothing of its gradients' size. What AdamW would divide a
gradient by is the mean square of the gradients that it has met; here, of some more batches like
those of training, all at the weights as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from curator.errors import RecipeError
from curator.influence.rows import Rows
from curator.influence.state import State
from curator.train.optim import ADAM_BETAS

LEAST_BATCHES = 8  # a mean of fewer squares is mostly the squares of chance; ours


def with_moments(state: State, rows: Sequence[Rows], *, where: str) -> State:
    """Return a state whose missing second moments are mean squares of the gradients of batches.

    Momenta stay zero: they move the weights alike whatever document is probed.

    Args:
        state: of a model, with `missing` naming the weights.
        rows: batches of about as many tokens as a step of training reads.
        where: what asks, for the error.

    Raises:
        RecipeError: there are fewer than `LEAST_BATCHES` batches.
    """
    if not state.missing:
        return state
    if len(rows) < LEAST_BATCHES:
        raise RecipeError(
            f"moments are to be estimated from {len(rows)} batches; wanted {LEAST_BATCHES} or "
            "more: raise `moments_from`, or train a proxy with `rates: {optimizer: adamw}`",
            where=where,
        )
    named = dict(state.model.named_parameters())
    weights = [named[name] for name in state.missing]
    squares = [torch.zeros_like(weight) for weight in weights]
    for batch in rows:
        loss = state.model.loss(batch.inputs, batch.targets, None, batch.weights)
        for square, part in zip(squares, torch.autograd.grad(loss, weights), strict=True):
            square.addcmul_(part, part, value=1 / len(rows))
    unbiased = 1 - ADAM_BETAS[1] ** state.step  # what readers of a state divide by
    found = {n: each * unbiased for n, each in zip(state.missing, squares, strict=True)}
    return replace(state, second={**state.second, **found}, missing=())
