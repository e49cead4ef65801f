"""Cross-entropy over a vocabulary that is larger than the rest of the model.

At 0.1M non-embedding parameters the head is over two thirds of the arithmetic, so
`CappedCrossEntropy` makes logits a few rows at a time and takes the gradient while they are in
cache: the (tokens, vocabulary) matrix never exists.
"""

# Shapes: N tokens, C width, V vocabulary.
from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from curator.train import kernels
from curator.train.kernels import CAP

LOGIT_BLOCK = 2**21  # logits made at a time on a CPU: 4 MB in bfloat16


# Raw logits, targets, shares, z_loss -> losses and gradient: `torch_slopes`.
Slopes = Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]]


def mean_loss(
    hidden_NC: Tensor,
    head_VC: Tensor,
    targets_N: Tensor,
    weights_N: Tensor | None = None,
    *,
    compute: torch.dtype,
    z_loss: float = 0.0,
    compiled: bool = False,
    told: list[Tensor] | None = None,
) -> Tensor:
    """Return the mean of w (-log p + z_loss log^2 Z) in nats, a scalar with a gradient.

    Args:
        hidden_NC: last hidden states.
        head_VC: the head's weights.
        targets_N: the wanted tokens.
        weights_N: float32, at least 0 and not all 0, of each token in the mean; None: all 1.
        compute: dtype of matrix products.
        z_loss: weight of the squared log of the softmax's sum (PaLM: 1e-4; Chowdhery et al. 2022,
            arXiv:2204.02311, section 5). 0 by default: the cap already bounds Z.
        compiled: whether torch.compile fuses what a GPU does to logits.
        told: takes the loss of each token, in nats (z-loss included): stretches in order that make
            (N,) float64. The forward pass has them anyway. Weights must then be above 0.
    """
    if weights_N is None:
        shares_N = torch.full_like(targets_N, 1, dtype=torch.float32).div_(len(targets_N))
    else:
        shares_N = weights_N.float() / weights_N.sum(dtype=torch.float64).float()
    slopes = slopes_for(hidden_NC, head_VC, compiled=compiled)
    mean: Tensor = CappedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_NC, head_VC, targets_N, shares_N, compute, z_loss, slopes, told
    )
    return mean


class CappedCrossEntropy(torch.autograd.Function):
    """Weighted cross-entropy in nats of capped logits, a few rows at a time, gradient included."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_NC: Tensor,
        head_VC: Tensor,
        targets_N: Tensor,
        shares_N: Tensor,
        compute: torch.dtype,
        z_loss: float,
        slopes: Slopes,
        told: list[Tensor] | None,
    ) -> Tensor:
        """Return the loss summed by shares, and keep both gradients for `backward`."""
        count, rows = len(targets_N), logit_rows(hidden_NC, len(head_VC))
        hidden, head = hidden_NC.to(compute), head_VC.to(compute)
        hidden_gradient = torch.empty_like(hidden)
        head_gradient = torch.zeros_like(head_VC)
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start in range(0, count, rows):
            part = slice(start, start + rows)
            losses, slope = slopes(hidden[part] @ head.T, targets_N[part], shares_N[part], z_loss)
            total += losses.sum()
            if told is not None:
                told.append(losses / shares_N[part])
            torch.mm(slope, head, out=hidden_gradient[part])
            head_gradient += slope.T @ hidden[part]
        ctx.save_for_backward(hidden_gradient.to(hidden_NC.dtype), head_gradient)
        return total.float()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the kept gradients times the one number that comes from above."""
        hidden_gradient, head_gradient = ctx.saved_tensors
        return hidden_gradient * upstream[0], head_gradient * upstream[0], *[None] * 6


def slopes_for(hidden: Tensor, head: Tensor, *, compiled: bool) -> Slopes:
    """Return what finds losses and slopes of the logits of `hidden` and `head` fastest."""
    if kernels.usable(hidden, head):
        return kernel_slopes
    return compiled_slopes() if compiled else torch_slopes


@functools.cache
def compiled_slopes() -> Slopes:
    """Return `torch_slopes` as few passes over memory: compiled once a process."""
    return torch.compile(torch_slopes)


def kernel_slopes(
    raw_NV: Tensor, targets_N: Tensor, shares_N: Tensor, z_loss: float
) -> tuple[Tensor, Tensor]:
    """Return each row's share x loss and its gradient by the raw logits, which it overwrites."""
    area = torch.empty((2, raw_NV.shape[1]))
    losses = torch.empty(len(raw_NV), dtype=torch.float64)
    kernels.cross_entropy(
        kernels.array_of(raw_NV),
        targets_N.numpy(),
        shares_N.numpy(),
        z_loss,
        area.numpy(),
        losses.numpy(),
    )
    return losses, raw_NV


def torch_slopes(
    raw_NV: Tensor, targets_N: Tensor, shares_N: Tensor, z_loss: float
) -> tuple[Tensor, Tensor]:
    """Return as `kernel_slopes`, by torch's own operations: for a GPU.

    The cap bounds logits, so exp cannot overflow and no row maximum is needed.
    """
    target_N1, share_N1 = targets_N[:, None], shares_N[:, None]
    bits = raw_NV.float()
    slope = cap_(bits)
    wanted = bits.gather(1, target_N1)
    mass = bits.exp2_().sum(1, keepdim=True)
    log_mass = mass.log2().mul_(math.log(2))
    loss = (log_mass - wanted * math.log(2) + z_loss * log_mass.square()) * share_N1
    # d/dz of log^2 Z is 2 log Z times the probability.
    bits.mul_(mass.reciprocal_().mul_(1 + 2 * z_loss * log_mass).mul_(share_N1))
    bits.scatter_add_(1, target_N1, -share_N1)
    # d/dz of CAP z (z^2 + CAP^2)^(-1/2) is (CAP r)^3, where r is the inverse root.
    slope.mul_(CAP)
    bits.mul_(slope).mul_(slope).mul_(slope)
    return loss[:, 0].double(), bits.to(raw_NV.dtype)


def token_bits(
    hidden_NC: Tensor, head_VC: Tensor, targets_N: Tensor, compute: torch.dtype
) -> Tensor:
    """Return -log2 p of each target, (N,) float32."""
    rows = logit_rows(hidden_NC, len(head_VC))
    hidden, head = hidden_NC.to(compute), head_VC.to(compute)
    bits_of = kernel_bits if kernels.usable(hidden, head) else torch_bits
    parts = zip(torch.split(hidden, rows), torch.split(targets_N, rows), strict=True)
    return torch.cat([bits_of(part @ head.T, targets) for part, targets in parts])


def kernel_bits(raw_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Return -log2 p of each target under raw logits, (N,) float32."""
    bits = torch.empty(len(raw_NV))
    kernels.token_bits(kernels.array_of(raw_NV), targets_N.numpy(), bits.numpy())
    return bits


def torch_bits(raw_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Return as `kernel_bits`, by torch's own operations."""
    bits = raw_NV.float()
    cap_(bits)
    wanted = bits.gather(1, targets_N[:, None])
    return (bits.exp2_().sum(1, keepdim=True).log2_() - wanted)[:, 0]


def logit_rows(hidden_NC: Tensor, vocabulary: int) -> int:
    """Return how many rows of logits are made at a time: what a cache, or a GPU, likes."""
    block = LOGIT_BLOCK if hidden_NC.device.type == "cpu" else 16 * LOGIT_BLOCK
    return max(32, block // vocabulary)


def cap_(bits: Tensor) -> Tensor:
    """Turn raw logits z in `bits` into capped ones times log2(e); return (z^2 + CAP^2)^(-1/2)."""
    inverse = torch.addcmul(bits.new_tensor(CAP**2), bits, bits).rsqrt_()
    bits.mul_(inverse).mul_(CAP / math.log(2))
    return inverse
