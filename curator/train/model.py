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
from curator.train.attention import attend, rotary_angles, with_values
from curator.train.loss import mean_loss, token_bits
from curator.train.proxy import Shape

EMBEDDING_STD = 0.8  # nanochat/gpt.py; the head's standard deviation is 0.001 there
HEAD_STD = 0.001
GATE_BOUND = 0.02  # of the first weights of gates, uniform from 0: nanochat/gpt.py


class AddNorm(torch.autograd.Function):
    """A sum and its RMS norm in one pass each way, on a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
        """Return x + update in float32 and its norm in the dtype of `update`."""
        rows, more = (part.contiguous().flatten(0, -2) for part in (x, update))
        added, out, inverses = (
            torch.empty_like(rows),
            torch.empty_like(more),
            rows.new_empty(len(rows)),
        )
        kernels.add_normalize(*map(kernels.array_of, (rows, more, added, out, inverses)))
        ctx.save_for_backward(added, inverses)
        return added.view(x.shape), out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients by `x` and `update`."""
        added, inverses = ctx.saved_tensors
        by_added, by_out = (part.contiguous().view(added.shape) for part in upstream)
        by_x, by_update = torch.empty_like(added), torch.empty_like(by_out)
        kernels.add_normalize_gradient(
            *map(kernels.array_of, (by_added, by_out, added, inverses, by_x, by_update))
        )
        return by_x.view(upstream[0].shape), by_update.view(upstream[1].shape)


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


def norm(x: Tensor) -> Tensor:
    """Return `x` with a root mean square of 1 along its last axis; no learned gain."""
    return functional.rms_norm(x, (x.shape[-1],))


def add_norm(x: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """Return x + update in float32, and its norm in the dtype of `update`."""
    if kernels.usable(x, update):
        found: tuple[Tensor, Tensor] = AddNorm.apply(x, update)  # type: ignore[no-untyped-call]
        return found
    added = x + update
    return added, norm(added).to(update.dtype)


def square_positive(x: Tensor) -> Tensor:
    """Return max(x, 0)^2: the squared ReLU of So et al. 2021, arXiv:2109.08668."""
    if kernels.usable(x):
        found: Tensor = SquarePositive.apply(x)  # type: ignore[no-untyped-call]
        return found
    return functional.relu(x).square()


def smear(x_BTC: Tensor, gate_BT1: Tensor, mask: Tensor | None) -> Tensor:
    """Return each position plus `gate` times the one before it, unless `mask` hides that one.

    After karpathy/nanochat (nanochat/gpt.py): what stands before is known without attention.
    """
    before = x_BTC[:, :-1] * gate_BT1[:, 1:]
    if mask is not None:
        before = before * mask[:, 0].diagonal(-1, 1, 2).unsqueeze(-1)
    return x_BTC + functional.pad(before, (0, 0, 1, 0))


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

    def __init__(self, shape: Shape, compute: torch.dtype, *, valued: bool = False) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.value_gate = Matrix(shape.gate_inputs, shape.heads, compute) if valued else None
        self.query = Matrix(width, width, compute)
        self.key = Matrix(width, width, compute)
        self.value = Matrix(width, width, compute)
        self.out = Matrix(width, width, compute)

    def forward(
        self, x_BTC: Tensor, angles: Tensor, mask: Tensor | None, values: Tensor | None
    ) -> Tensor:
        """Return what each position gathers from those before it, (B, T, C)."""
        compute = self.out.compute
        three = torch.cat((self.query.weight, self.key.weight, self.value.weight))
        projected = functional.linear(x_BTC.to(compute), three.to(compute))
        projected = projected.view(*x_BTC.shape[:2], 3, self.heads, -1)
        if self.value_gate is not None and values is not None:
            gate = self.value_gate(x_BTC[..., : self.value_gate.in_features])
            projected = with_values(projected, values, gate)
        gathered: Tensor = self.out(attend(projected, angles, mask))
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
    chance: torch.Generator | None  # None: nothing is dropped

    def __call__(self, x: Tensor) -> Tensor:
        """Return `x` with this share of its numbers zero and the others larger in proportion."""
        if self.chance is None or self.share == 0:
            return x
        kept = torch.rand(x.shape, generator=self.chance, device=x.device) >= self.share
        return x * kept / (1 - self.share)


def dropout_chance(seed: int, step: int, device: str = "cpu") -> torch.Generator:
    """Return the stream of chance of one step's dropout, so that a resumed run repeats it.

    A data-parallel worker adds its rank to `seed` times the number of workers.
    """
    key = fingerprint({"purpose": "dropout", "seed": seed, "step": step})
    return torch.Generator(device).manual_seed(int(key[:8], 16))  # the CPU's takes 32 bits


class Block(nn.Module):
    """Attention, then an MLP, each on the norm of the stream and added to the stream."""

    def __init__(self, shape: Shape, compute: torch.dtype, *, valued: bool = False) -> None:
        super().__init__()
        self.attention = Attention(shape, compute, valued=valued)
        self.mlp = Mlp(shape, compute)

    def forward(
        self,
        x_BTC: Tensor,
        normed_BTC: Tensor,
        angles: Tensor,
        mask: Tensor | None,
        drop: Drop,
        values: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the stream after this block and its norm, each (B, T, C)."""
        attended = drop(self.attention(normed_BTC, angles, mask, values))
        x_BTC, normed_BTC = add_norm(x_BTC, attended)
        return add_norm(x_BTC, drop(self.mlp(normed_BTC)))


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
        self.compiled = False
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        self.blocks = nn.ModuleList(
            Block(shape, compute, valued=layer in shape.valued_layers)
            for layer in range(shape.depth)
        )
        self.values = nn.ModuleDict(
            {str(n): nn.Embedding(shape.vocab_size, shape.width) for n in shape.valued_layers}
        )
        self.smear = None
        if shape.arch == "lexical":
            self.smear = Matrix(shape.smear_inputs, 1, torch.float32)
            self.smear_scale = nn.Parameter(torch.zeros(1))
        self.head = Matrix(shape.width, shape.vocab_size, compute)
        angles = rotary_angles(shape.context, shape.width // shape.heads)
        self.angles: Tensor
        self.register_buffer("angles", angles, persistent=False)
        self.initialize(seed)

    def compile(self, *arguments: Any, **settings: Any) -> None:
        """Compile the forward pass and the loss in place by torch.compile: for a GPU."""
        self.compiled = True
        super().compile(*arguments, **settings)

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
            elif name.endswith(("out.weight", "down.weight", "smear_scale")):
                weight.zero_()
            elif name.endswith(("value_gate.weight", "smear.weight")):
                weight.uniform_(0, GATE_BOUND, generator=random)
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
        drop = Drop(self.dropout, chance)
        x_BTC = norm(self.embedding(tokens_BT))
        if self.smear is not None:
            opened = torch.sigmoid(self.smear(x_BTC[..., : self.smear.in_features]))
            x_BTC = smear(x_BTC, opened * self.smear_scale, mask)
        normed_BTC = norm(x_BTC).to(self.compute)
        tables = dict(self.values.items())
        for layer, block in enumerate(self.blocks):
            table = tables.get(str(layer))
            values = None if table is None else table(tokens_BT)
            x_BTC, normed_BTC = block(x_BTC, normed_BTC, angles, mask, drop, values)
        return normed_BTC

    def loss(
        self,
        tokens_BT: Tensor,
        targets_BT: Tensor,
        mask: Tensor | None = None,
        weights_BT: Tensor | None = None,
        *,
        chance: torch.Generator | None = None,
        told: list[Tensor] | None = None,
    ) -> Tensor:
        """Return the mean cross-entropy in nats a token (and the z-loss), with a gradient.

        Args:
            tokens_BT: int64, T at most `shape.context`.
            targets_BT: the token wanted after each.
            mask: as in `forward`.
            weights_BT: float32, at least 0, of each target in the mean: sum(w l) / sum(w).
            chance: as in `forward`.
            told: takes the loss of each target, as in `mean_loss`.
        """
        return mean_loss(
            self(tokens_BT, mask, chance=chance).flatten(0, 1),
            self.head.weight,
            targets_BT.flatten(),
            None if weights_BT is None else weights_BT.flatten(),
            compute=self.compute,
            z_loss=self.z_loss,
            compiled=self.compiled,
            told=told,
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
