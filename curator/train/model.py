"""A small GPT and its loss, written for the vocabulary being larger than the rest of the model.

Pre-norm blocks with RMSNorm, rotary positions, QK-norm, a squared-ReLU or SwiGLU MLP, an untied
head and capped logits, after karpathy/nanochat (nanochat/gpt.py) and KellerJordan/modded-nanogpt
(track 3, train_gpt_simple.py). Weights are float32; matrix products run in `compute`.

The loss over the vocabulary is in curator/train/loss.py.
"""

# Shapes: B sequences, T positions, C width, H heads, D width of a head, V vocabulary, N = B x T.
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from curator.identity import fingerprint
from curator.train import kernels
from curator.train.attention import attend, rotary_angles
from curator.train.loss import mean_loss, token_bits
from curator.train.proxy import Shape

EMBEDDING_STD = 0.8  # nanochat/gpt.py; the head's standard deviation is 0.001 there
HEAD_STD = 0.001


class Norm(torch.autograd.Function):
    """RMS norm over the last axis in one pass each way, on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Return `x` with a root mean square of 1, in `dtype`."""
        rows = x.contiguous().flatten(0, -2)
        out, inverses = torch.empty_like(rows, dtype=dtype), torch.empty(len(rows))
        arrays = [kernels.array_of(part) for part in (rows, out, inverses)]
        kernels.normalize(arrays[0], kernels.EPSILON, *arrays[1:])
        ctx.save_for_backward(rows, inverses)
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by `x`."""
        rows, inverses = ctx.saved_tensors
        gradient = upstream[0].contiguous()
        out = torch.empty_like(rows)
        kernels.normalize_gradient(
            *map(kernels.array_of, (gradient.view(rows.shape), rows, inverses, out))
        )
        return out.view(gradient.shape), None


class SquarePositive(torch.autograd.Function):
    """max(x, 0)^2 in one pass each way, on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return max(x, 0)^2."""
        x, out = x.contiguous(), torch.empty_like(x)
        kernels.square_positive(kernels.array_of(x.flatten()), kernels.array_of(out.flatten()))
        ctx.save_for_backward(x)
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        """Return the gradient by `x`."""
        (x,) = ctx.saved_tensors
        out = torch.empty_like(x)
        kernels.square_positive_gradient(
            *(kernels.array_of(part.flatten()) for part in (upstream[0].contiguous(), x, out))
        )
        return out


def norm(x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return `x` with a root mean square of 1 along its last axis, no learned gain, in `dtype`."""
    if kernels.usable(x):
        found: Tensor = Norm.apply(x, dtype)  # type: ignore[no-untyped-call]
        return found
    return functional.rms_norm(x, (x.shape[-1],)).to(dtype)


def square_positive(x: Tensor) -> Tensor:
    """Return max(x, 0)^2: the squared ReLU of So et al. 2021, arXiv:2109.08668."""
    if kernels.usable(x):
        found: Tensor = SquarePositive.apply(x)  # type: ignore[no-untyped-call]
        return found
    return functional.relu(x).square()


class Matrix(nn.Linear):
    """A linear map without bias: float32 weights, product in the dtype of `compute`."""

    def __init__(self, columns: int, rows: int, compute: torch.dtype) -> None:
        super().__init__(columns, rows, bias=False)
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        """Return x W^T in `compute`."""
        return functional.linear(x.to(self.compute), self.weight.to(self.compute))


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
        compute = self.out.compute
        three = torch.cat((self.query.weight, self.key.weight, self.value.weight))
        projected = functional.linear(x_BTC.to(compute), three.to(compute))
        gathered: Tensor = self.out(
            attend(projected.view(*x_BTC.shape[:2], 3, self.heads, -1), angles, mask)
        )
        return gathered


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
            hidden = square_positive(raised)
        else:
            hidden = functional.silu(self.gate(x_BTC)) * raised  # Shazeer 2020, arXiv:2002.05202
        lowered: Tensor = self.down(hidden)
        return lowered


@dataclass(frozen=True, slots=True)
class Drop:
    """Dropout (Srivastava et al. 2014, JMLR 15:1929) whose chance comes from one generator."""

    share: float
    chance: torch.Generator

    def __call__(self, x: Tensor) -> Tensor:
        """Return `x` with this share of its numbers zero and the others larger in proportion."""
        kept = torch.rand(x.shape, generator=self.chance, device=x.device) >= self.share
        return x * kept / (1 - self.share)


def dropout_chance(seed: int, step: int, device: str = "cpu") -> torch.Generator:
    """Return the stream of chance of one step's dropout, so that a resumed run repeats it.

    A data-parallel worker adds its rank to `seed` times the number of workers.
    """
    key = fingerprint({"purpose": "dropout", "seed": seed, "step": step})
    return torch.Generator(device).manual_seed(int(key[:8], 16))  # the CPU's takes 32 bits


class Block(nn.Module):
    """Attention, then an MLP, each added to the stream after a norm."""

    def __init__(self, shape: Shape, compute: torch.dtype) -> None:
        super().__init__()
        self.attention = Attention(shape, compute)
        self.mlp = Mlp(shape, compute)

    def forward(
        self, x_BTC: Tensor, angles: Tensor, mask: Tensor | None, drop: Drop | None
    ) -> Tensor:
        """Return the stream after this block, (B, T, C)."""
        compute = self.mlp.up.compute
        attended = self.attention(norm(x_BTC, compute), angles, mask)
        x_BTC = x_BTC + (attended if drop is None else drop(attended))
        raised = self.mlp(norm(x_BTC, compute))
        updated: Tensor = x_BTC + (raised if drop is None else drop(raised))
        return updated


class Gpt(nn.Module):
    """A decoder-only language model; `seed` alone fixes its first weights on every device.

    `dropout` is the share of each block's update that is dropped where `chance` is given;
    `z_loss` weighs the squared log of the softmax's sum in the loss.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        seed: int = 0,
        compute: torch.dtype = torch.float32,
        dropout: float = 0.0,
        z_loss: float = 0.0,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.compute = compute
        self.dropout, self.z_loss = dropout, z_loss
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

    def forward(
        self,
        tokens_BT: Tensor,
        mask: Tensor | None = None,
        *,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        """Return the last hidden state, normalized, (B, T, C) in `compute`.

        Args:
            tokens_BT: int64, T at most `shape.context`.
            mask: (B, 1, T, T) bool, true where a query may look; None: all before it.
            chance: what dropout draws from, `dropout_chance`; None: no dropout.
        """
        angles = self.angles[:, : tokens_BT.shape[1]]
        drop = Drop(self.dropout, chance) if chance is not None and self.dropout > 0 else None
        x_BTC = norm(self.embedding(tokens_BT))
        for block in self.blocks:
            x_BTC = block(x_BTC, angles, mask, drop)
        return norm(x_BTC, self.compute)

    def loss(
        self,
        tokens_BT: Tensor,
        targets_BT: Tensor,
        mask: Tensor | None = None,
        weights_BT: Tensor | None = None,
        *,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy in nats a token (and the z-loss), with a gradient.

        Args:
            tokens_BT: int64, T at most `shape.context`.
            targets_BT: the token wanted after each.
            mask: as in `forward`.
            weights_BT: float32, at least 0, of each target in the mean: sum(w l) / sum(w).
            chance: as in `forward`.
        """
        return mean_loss(
            self(tokens_BT, mask, chance=chance).flatten(0, 1),
            self.head.weight,
            targets_BT.flatten(),
            None if weights_BT is None else weights_BT.flatten(),
            compute=self.compute,
            z_loss=self.z_loss,
        )

    @torch.no_grad()
    def bits(self, tokens_BT: Tensor, targets_BT: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return -log2 p of each target given what stands before it, (B, T) float32."""
        hidden_NC = self(tokens_BT, mask).flatten(0, 1)
        bits_N = token_bits(hidden_NC, self.head.weight, targets_BT.flatten(), self.compute)
        return bits_N.view_as(targets_BT)

    def row_losses(
        self, tokens_BT: Tensor, targets_BT: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return each row's mean cross-entropy in nats a token, (B,), without gradient."""
        return self.bits(tokens_BT, targets_BT, mask).mean(1) * math.log(2)


def document_mask(tokens_BT: Tensor, bos: int) -> Tensor:
    """Return (B, 1, T, T) bool: a position sees itself and what precedes it in its own document.

    Rotary positions are relative, so they need no restart at a document's first token.
    """
    document_BT = (tokens_BT == bos).cumsum(1)
    same = document_BT[:, None, :, None] == document_BT[:, None, None, :]
    return same.tril()
