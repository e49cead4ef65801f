"""Causal attention over short contexts: rotary positions, query-key norm, softmax.

Two ways with equal results. `attend_plain` is torch's own operations: on a GPU, under a mask, and
for contexts whose (T, T) shares would not fit. `FastAttention` is for small models on a CPU: all
shares of a batch are 2 MB at d2, products of bfloat16 run at three times the speed of torch's
float32 flash kernel (7 x 33 MFLOP, 16 heads of 256 x 32: 3.1 ms against 6.7; torch's bfloat16
one takes 9.3), and what stands between them is one pass each in curator/train/kernels.py.
"""

# Shapes: B sequences, T positions, H heads, D width of a head, C = H x D.
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from curator.train import kernels

QUERY_KEY_GAIN = 1.2  # on each of query and key after their norm; nanochat/gpt.py
ROTARY_BASE = 10_000.0  # Su et al. 2021, arXiv:2104.09864, section 3.3
LONGEST = 256  # positions up to which shares are kept: the dial's context up to d4


def rotary_angles(context: int, head_width: int) -> Tensor:
    """Return cos and sin of the rotary angles, (2, T, D/2) float32."""
    frequency = ROTARY_BASE ** (-torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)
    angle = torch.outer(torch.arange(context, dtype=torch.float32), frequency)
    return torch.stack((angle.cos(), angle.sin()))


def apart(blocks_BT: Tensor) -> Tensor:
    """Return (B, 1, T, T) bool, true where a query may look: no later, and in its own block."""
    same: Tensor = blocks_BT[:, None, :, None] == blocks_BT[:, None, None, :]
    return same.tril()


def with_values(projected_BT3HD: Tensor, looked_up: Tensor, gate: Tensor) -> Tensor:
    """Return the projections with 3 sigmoid(gate) times a table's values added to the values.

    Value embeddings with a gate a head, after karpathy/nanochat (nanochat/gpt.py).

    Args:
        projected_BT3HD: queries, keys and values.
        looked_up: each token's values from the layer's table, as many numbers as (B, T, H, D).
        gate: as many numbers as (B, T, H).
    """
    *rows, _, heads, width = projected_BT3HD.shape
    more = looked_up.to(projected_BT3HD.dtype).view(*rows, heads, width)
    more = more * (3 * torch.sigmoid(gate)).view(*rows, heads, 1)
    value = projected_BT3HD[:, :, 2:] + more.unsqueeze(2)
    return torch.cat((projected_BT3HD[:, :, :2], value), dim=2)


def attend(projected_BT3HD: Tensor, angles: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return what each position gathers from those up to it, (B, T, C).

    Args:
        projected_BT3HD: queries, keys and values.
        angles: (2, T, D/2) of `rotary_angles`.
        mask: (B, 1, T, T) bool, true where a query may look; None: all up to itself.
    """
    length = projected_BT3HD.shape[1]
    if mask is None and length <= LONGEST and kernels.usable(projected_BT3HD):
        found: Tensor = FastAttention.apply(projected_BT3HD, angles)  # type: ignore[no-untyped-call]
        return found
    return attend_plain(projected_BT3HD, angles, mask)


def rotate(x_BHTD: Tensor, angles: Tensor) -> Tensor:
    """Return `x` turned by its position: half-split pairs, as nanochat does."""
    first, second = x_BHTD.chunk(2, dim=-1)
    cos, sin = angles[0], angles[1]
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


def attend_plain(projected_BT3HD: Tensor, angles: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return as `attend`, by torch's own operations."""
    dtype, width = projected_BT3HD.dtype, projected_BT3HD.shape[-1]
    query, key, value = projected_BT3HD.permute(2, 0, 3, 1, 4).float()
    # RMS is unchanged by rotation, so normalizing first or last is the same.
    query, key = (functional.rms_norm(rotate(x, angles), (width,)) for x in (query, key))
    # On CPU the float32 kernel is the faster one (6.8 ms against 9.8 for 8 x 2 x 256 x 32).
    inner = dtype if projected_BT3HD.is_cuda else torch.float32
    gathered = functional.scaled_dot_product_attention(
        query.to(inner),
        key.to(inner),
        value.to(inner),
        mask,
        is_causal=mask is None,
        scale=QUERY_KEY_GAIN**2 / math.sqrt(width),
    )
    joined: Tensor = gathered.transpose(1, 2).flatten(2).to(dtype)
    return joined


class FastAttention(torch.autograd.Function):
    """`attend` without a mask on a CPU, with its gradient.

    Normalized queries and keys bound scores by 1.44 sqrt(D) nats, so that exp needs no row maximum
    (D = 256: 33 bits). Scores are in bits because exp2 is cheaper than exp.
    """

    @staticmethod
    def forward(ctx: Any, projected_BT3HD: Tensor, angles: Tensor) -> Tensor:
        """Return what each position gathers, (B, T, C)."""
        size, length, _, heads, width = projected_BT3HD.shape
        projected, angles = projected_BT3HD.contiguous(), angles.contiguous()
        gains = torch.tensor([QUERY_KEY_GAIN**2 / (math.sqrt(width) * math.log(2)), 1.0])
        turned = projected.new_empty((3, size, heads, length, width))
        inverses = torch.empty((2, size * length, heads))
        kernels.turn(
            kernels.array_of(projected.flatten(0, 1)),
            *map(kernels.array_of, (angles, gains, turned, inverses)),
        )
        query, key, value = turned.flatten(1, 2)
        shares = query @ key.mT
        kernels.causal_softmax(kernels.array_of(shares), torch.empty(length).numpy())
        ctx.save_for_backward(turned, inverses, shares, angles, gains)
        gathered = (shares @ value).view(size, heads, length, width)
        joined: Tensor = gathered.transpose(1, 2).flatten(2)
        return joined

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by the projections."""
        turned, inverses, shares, angles, gains = ctx.saved_tensors
        _, size, heads, length, width = turned.shape
        query, key, value = turned.flatten(1, 2)
        above = upstream[0].view(size, length, heads, width).transpose(1, 2).flatten(0, 1)
        gradients = torch.empty_like(turned)
        by_query, by_key, by_value = gradients.flatten(1, 2)
        torch.bmm(shares.mT, above, out=by_value)
        scores = above @ value.mT
        kernels.causal_softmax_gradient(*map(kernels.array_of, (scores, shares)))
        # `scores` are in nats while `query` makes bits: `turn_gradient` brings the factor.
        torch.bmm(scores, key, out=by_query)
        torch.bmm(scores.mT, query, out=by_key)
        out = turned.new_empty((size, length, 3, heads, width))
        kernels.turn_gradient(
            *map(kernels.array_of, (gradients, turned, angles, gains, inverses)),
            kernels.array_of(out.flatten(0, 1)),
        )
        return out, None
