"""How far two models' next-token distributions lie apart on a text.

The Jensen-Shannon divergence (Lin 1991, IEEE Trans. Inf. Theory 37:145) is symmetric, lies in
[0, ln 2] and is finite where one model gives a token no probability at all. Whole distributions
are compared, a batch at a time, so memory is bounded by a batch of logits of each model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from curator.score.likelihood import LanguageModel, reading

_MOST: Final = float(np.nextafter(np.float32(math.log(2)), np.float32(0)))  # ln 2, not above it
_NONE: Final = -200.0
_CACHED: Final = 1 << 16  # numbers of each array at once: the dozen of them stay in a cache

# Shapes: N texts, B rows of a batch, T positions, V vocabulary.


class Distributing(LanguageModel, Protocol):
    """A language model that tells whole distributions."""

    def logits(self, tokens_BT: NDArray[np.int64]) -> Tensor:
        """Return log-odds of every next token, (B, T, V) float32."""


class Apart(NamedTuple):
    """How two models differ on texts; 0 on one without tokens.

    Attributes:
        divergence: (N,) mean over tokens, in [0, ln 2] nats.
        gap: (N,) nats a token that the first model needs more than the second.
        n_tokens: (N,).
    """

    divergence: NDArray[np.float64]
    gap: NDArray[np.float64]
    n_tokens: NDArray[np.int64]


def apart(
    first: Distributing,
    second: Distributing,
    texts: Sequence[str],
    *,
    context: int,
    stride: int | None = None,
) -> Apart:
    """Return how far two models of one tokenizer lie apart on each text.

    Each text is read by itself from its first token, in windows as `curator.score.likelihood` has
    them; each token counts once.

    Args:
        first: one model; `gap` is its loss less the other's.
        second: the other.
        texts: (N,).
        context: longest window; the shorter of the models' own contexts if that is less.
        stride: by which windows advance; half a window if not given.
    """
    longest = min(context, first.context, second.context)
    read = reading(first, texts, context=longest, stride=stride)
    divergence, gap = np.zeros(len(read.document)), np.zeros(len(read.document))
    for batch in read.batches:
        p, q = (torch.log_softmax(each.logits(batch.tokens), dim=2) for each in (first, second))
        targets = torch.from_numpy(batch.targets).to(p.device)[:, :, None]
        lost = (q - p).gather(2, targets)[:, :, 0].cpu().numpy()
        rows = slice(len(batch.window))
        for into, found in ((divergence, jensen_shannon(p, q).cpu().numpy()), (gap, lost)):
            counted = np.where(batch.counted, found, 0.0)
            into[batch.window] = counted.sum(axis=1, dtype=np.float64)[rows]
    tokens = np.maximum(read.n_tokens, 1)
    return Apart(read.totals(divergence) / tokens, read.totals(gap) / tokens, read.n_tokens)


def jensen_shannon(p_log: Tensor, q_log: Tensor) -> Tensor:
    """Return the divergence of distributions along the last axis, in [0, ln 2] nats.

    Args:
        p_log: (..., V) log probabilities; minus infinity for none.
        q_log: the other's, likewise.
    """
    size = p_log.shape[-1]
    p_NV, q_NV = p_log.reshape(-1, size), q_log.reshape(-1, size)
    rows = max(1, _CACHED // size if p_log.device.type == "cpu" else len(p_NV))
    parts = zip(torch.split(p_NV, rows), torch.split(q_NV, rows), strict=True)
    return torch.cat([_diverged(*part) for part in parts]).view(p_log.shape[:-1])


def _diverged(p_log_NV: Tensor, q_log_NV: Tensor) -> Tensor:
    # No probability is as good as e^-200, which float32 has as 0: 0 times infinity is no number.
    p_log, q_log = p_log_NV.clamp_min(_NONE), q_log_NV.clamp_min(_NONE)
    middle = torch.logaddexp(p_log, q_log).sub_(math.log(2))
    total = (p_log - middle).mul_(p_log.exp_()).add_((q_log - middle).mul_(q_log.exp_())).sum(-1)
    return total.div_(2).clamp_(0.0, _MOST)  # rounding may pass either end by 1e-7
