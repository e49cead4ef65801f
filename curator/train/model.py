"""A small GPT and its loss, written for the vocabulary being larger than the rest of the model.

Pre-norm blocks with RMSNorm, rotary positions, QK-norm, a squared-ReLU or SwiGLU MLP, an untied
head and capped logits, after karpathy/nanochat (nanochat/gpt.py) and KellerJordan/modded-nanogpt
(track 3, train_gpt_simple.py). Weights are float32; matrix products run in `compute`.

At 0.1M non-embedding parameters the head is over two thirds of the arithmetic, so
`CappedCrossEntropy` makes logits a few rows at a time and takes the gradient while they are in
cache: the (tokens, vocabulary) matrix never exists.
"""

# Shapes: B sequences, T positions, C width, H heads, D width of a head, V vocabulary, N = B x T.
from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from curator.train.proxy import Shape

CAP = 15.0  # logits stay inside (-15, 15); modded-nanogpt track 3: 15 z / sqrt(z^2 + 225)
QUERY_KEY_GAIN = 1.2  # on each of query and key after their norm; nanochat/gpt.py
ROTARY_BASE = 10_000.0  # Su et al. 2021, arXiv:2104.09864, section 3.3
EMBEDDING_STD = 0.8  # nanochat/gpt.py; the head's standard deviation is 0.001 there
HEAD_STD = 0.001
LOGIT_ROWS = 128  # on CPU; measured: 32 rows 44 ms, 64 36, 128 and 256 34


def norm(x: Tensor) -> Tensor:
    """Return `x` with a root mean square of 1 along its last axis; no learned gain."""
    return functional.rms_norm(x, (x.shape[-1],))


class Matrix(nn.Linear):
    """A linear map without bias: float32 weights, product in the dtype of `compute`."""

    def __init__(self, columns: int, rows: int, compute: torch.dtype) -> None:
        super().__init__(columns, rows, bias=False)
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T as float32."""
        product = functional.linear(x.to(self.compute), self.weight.to(self.compute))
        return product.float()


def rotary_angles(context: int, head_width: int) -> Tensor:
    """Return cos and sin of the rotary angles, (2, T, D/2) float32."""
    frequency = ROTARY_BASE ** (-torch.arange(0, head_width, 2, dtype=torch.float32) / head_width)
    angle = torch.outer(torch.arange(context, dtype=torch.float32), frequency)
    return torch.stack((angle.cos(), angle.sin()))


def rotate(x_BHTD: Tensor, angles: Tensor) -> Tensor:
    """Return `x` turned by its position: half-split pairs, as nanochat does."""
    first, second = x_BHTD.chunk(2, dim=-1)
    cos, sin = angles[0], angles[1]
    return torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)


class Attention(nn.Module):
    """Causal self-attention with rotary positions and normalized queries and keys."""

    def __init__(self, shape: Shape, compute: torch.dtype) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.query = Matrix(width, width, compute)
        self.key = Matrix(width, width, compute)
        self.value = Matrix(width, width, compute)
        self.out = Matrix(width, width, compute)

    def forward(self, x_BTC: Tensor, angles: Tensor, mask: Tensor | None) -> Tensor:
        """Return what each position gathers from those before it, (B, T, C)."""
        size, length, width = x_BTC.shape
        query, key, value = (
            part(x_BTC).view(size, length, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        # RMS is unchanged by rotation, so normalizing first or last is the same.
        query, key = norm(rotate(query, angles)), norm(rotate(key, angles))
        scale = QUERY_KEY_GAIN**2 / math.sqrt(width // self.heads)
        dtype = self.out.compute if x_BTC.is_cuda else torch.float32
        # On CPU the float32 kernel is the faster one (6.8 ms against 9.8 for 8 x 2 x 256 x 32).
        gathered = functional.scaled_dot_product_attention(
            query.to(dtype),
            key.to(dtype),
            value.to(dtype),
            mask,
            is_causal=mask is None,
            scale=scale,
        )
        joined: Tensor = self.out(gathered.transpose(1, 2).reshape(size, length, width))
        return joined


class Mlp(nn.Module):
    """Two matrices around a squared ReLU, or three with a SiLU gate (SwiGLU)."""

    def __init__(self, shape: Shape, compute: torch.dtype) -> None:
        super().__init__()
        self.gate = Matrix(shape.width, shape.hidden, compute) if shape.arch == "llama" else None
        self.up = Matrix(shape.width, shape.hidden, compute)
        self.down = Matrix(shape.hidden, shape.width, compute)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the block's update, (B, T, C)."""
        raised = self.up(x_BTC)
        if self.gate is None:
            hidden = functional.relu(raised).square()  # So et al. 2021, arXiv:2109.08668
        else:
            hidden = functional.silu(self.gate(x_BTC)) * raised  # Shazeer 2020, arXiv:2002.05202
        lowered: Tensor = self.down(hidden)
        return lowered


class Block(nn.Module):
    """Attention, then an MLP, each added to the stream after a norm."""

    def __init__(self, shape: Shape, compute: torch.dtype) -> None:
        super().__init__()
        self.attention = Attention(shape, compute)
        self.mlp = Mlp(shape, compute)

    def forward(self, x_BTC: Tensor, angles: Tensor, mask: Tensor | None) -> Tensor:
        """Return the stream after this block, (B, T, C)."""
        x_BTC = x_BTC + self.attention(norm(x_BTC), angles, mask)
        updated: Tensor = x_BTC + self.mlp(norm(x_BTC))
        return updated


class CappedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy in nats of capped logits, a few rows at a time, gradient included.

    The cap bounds logits, so exp cannot overflow and no row maximum is needed. Logits are in
    bits because exp2 is three times as fast as exp here (AVX-512: 0.29 against 0.95 ns each).
    Two work areas are reused for all rows: fresh 4 MB results cost more in page faults than in
    arithmetic (75 ms a step of 2,048 tokens against 34).
    """

    @staticmethod
    def forward(
        ctx: Any, hidden_NC: Tensor, head_VC: Tensor, targets_N: Tensor, compute: torch.dtype
    ) -> Tensor:
        """Return the mean loss, and keep both gradients for `backward`."""
        count, rows = len(targets_N), logit_rows(hidden_NC)
        hidden, head = hidden_NC.to(compute), head_VC.to(compute)
        hidden_gradient = torch.empty_like(hidden)
        head_gradient = torch.zeros_like(head_VC)
        areas = hidden_NC.new_empty((2, min(rows, count), len(head)))
        total = hidden_NC.new_zeros((), dtype=torch.float64)
        for start in range(0, count, rows):
            part = slice(start, start + rows)
            bits, slope = areas[:, : len(targets_N[part])]
            total += loss_gradient_(hidden[part] @ head.T, targets_N[part, None], bits, slope)
            gradient = bits.to(compute)
            torch.mm(gradient, head, out=hidden_gradient[part])
            head_gradient += gradient.T @ hidden[part]
        ctx.save_for_backward(hidden_gradient.float().div_(count), head_gradient.div_(count))
        return (total * (math.log(2) / count)).float()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the kept gradients times the one number that comes from above."""
        hidden_gradient, head_gradient = ctx.saved_tensors
        return hidden_gradient * upstream[0], head_gradient * upstream[0], None, None


def loss_gradient_(raw_NV: Tensor, target_N1: Tensor, bits: Tensor, slope: Tensor) -> Tensor:
    """Return the summed loss in bits; `bits` ends as the gradient in nats of the raw logits.

    Args:
        raw_NV: logits before the cap.
        target_N1: the wanted token of each row.
        bits: (N, V) float32 work area.
        slope: (N, V) float32 work area.
    """
    bits.copy_(raw_NV)
    cap_(bits, slope)
    wanted = bits.gather(1, target_N1).sum(dtype=torch.float64)
    mass = bits.exp2_().sum(1, keepdim=True)
    loss = mass.log2().sum(dtype=torch.float64) - wanted
    bits.mul_(mass.reciprocal_())
    bits.scatter_add_(1, target_N1, torch.full_like(target_N1, -1, dtype=bits.dtype))
    # d/dz of CAP z (z^2 + CAP^2)^(-1/2) is (CAP r)^3, where r is the inverse root.
    slope.mul_(CAP)
    bits.mul_(slope).mul_(slope).mul_(slope)
    return loss


def logit_rows(hidden_NC: Tensor) -> int:
    """Return how many rows of logits are made at a time: what a cache, or a GPU, likes."""
    return LOGIT_ROWS if hidden_NC.device.type == "cpu" else 64 * LOGIT_ROWS


def cap_(bits: Tensor, inverse: Tensor) -> None:
    """Turn raw logits z in `bits` into capped ones times log2(e), (z^2 + CAP^2)^(-1/2) beside."""
    torch.addcmul(bits.new_tensor(CAP**2), bits, bits, out=inverse)
    bits.mul_(inverse.rsqrt_()).mul_(CAP / math.log(2))


class Gpt(nn.Module):
    """A decoder-only language model; `seed` alone fixes its first weights on every device."""

    def __init__(
        self, shape: Shape, *, seed: int = 0, compute: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.shape = shape
        self.compute = compute
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        self.blocks = nn.ModuleList(Block(shape, compute) for _ in range(shape.depth))
        self.head = Matrix(shape.width, shape.vocab_size, compute)
        angles = rotary_angles(shape.context, shape.width // shape.heads)
        self.angles: Tensor
        self.register_buffer("angles", angles, persistent=False)
        self.initialize(seed)

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        """Draw the weights on the CPU; matrices that write to the stream start at zero."""
        random = torch.Generator().manual_seed(seed)
        bound = math.sqrt(3 / self.shape.width)  # uniform with standard deviation C^-1/2: nanochat
        for name, weight in self.named_parameters():
            if name == "embedding.weight":
                weight.normal_(0, EMBEDDING_STD, generator=random)
            elif name == "head.weight":
                weight.normal_(0, HEAD_STD, generator=random)
            elif name.endswith(("out.weight", "down.weight")):
                weight.zero_()
            else:
                weight.uniform_(-bound, bound, generator=random)

    def forward(self, tokens_BT: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the last hidden state, normalized, (B, T, C).

        Args:
            tokens_BT: int64, T at most `shape.context`.
            mask: (B, 1, T, T) bool, true where a query may look; None: all before it.
        """
        angles = self.angles[:, : tokens_BT.shape[1]]
        x_BTC = norm(self.embedding(tokens_BT))
        for block in self.blocks:
            x_BTC = block(x_BTC, angles, mask)
        return norm(x_BTC)

    def loss(self, tokens_BT: Tensor, targets_BT: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy in nats a token, a scalar with a gradient."""
        hidden_NC = self(tokens_BT, mask).flatten(0, 1)
        mean: Tensor = CappedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden_NC, self.head.weight, targets_BT.flatten(), self.compute
        )
        return mean

    @torch.no_grad()
    def bits(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Return -log2 p of each target given what stands before it, (B, T) float32."""
        hidden_NC = self(tokens_BT).flatten(0, 1).to(self.compute)
        head = self.head.weight.to(self.compute)
        rows = logit_rows(hidden_NC)
        found = []
        for hidden, target in zip(
            torch.split(hidden_NC, rows), torch.split(targets_BT.reshape(-1, 1), rows), strict=True
        ):
            bits = (hidden @ head.T).float()
            cap_(bits, torch.empty_like(bits))
            wanted = bits.gather(1, target)
            found.append(bits.exp2_().sum(1, keepdim=True).log2_() - wanted)
        return torch.cat(found).view_as(targets_BT)


def document_mask(tokens_BT: Tensor, bos: int) -> Tensor:
    """Return (B, 1, T, T) bool: a position sees itself and what precedes it in its own document.

    Rotary positions are relative, so they need no restart at a document's first token.
    """
    document_BT = (tokens_BT == bos).cumsum(1)
    same = document_BT[:, None, :, None] == document_BT[:, None, None, :]
    return same.tril()
