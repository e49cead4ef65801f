"""Many models of one shape as one: every weight is a stack, every product a batch of products.

The arithmetic is `curator.train.model.Gpt`'s, written for one more axis, and so is each model's
loss; no model sees another. Weights have the names that they have in a `Gpt`, with the number of
the model as first axis, so `curator.train.optim.Optimizer` moves a stack as it moves one model.

It is written out because `torch.func.vmap` over a `Gpt` would take none of its own backward
passes (attention, cross-entropy: functions whose forward keeps gradients).
"""

# Shapes: P models, B sequences, T positions, N = B x T, C width, H heads, D width of a head,
# V vocabulary.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from curator.train.attention import attend, rotary_angles, with_values
from curator.train.loss import Slopes, logit_rows, slopes_for
from curator.train.model import Drop, Gpt, add_norm, norm, smear, square_positive
from curator.train.proxy import Shape


class Matrices(nn.Module):
    """Linear maps without bias, one a model: float32 weights, products in `compute`."""

    def __init__(self, count: int, columns: int, rows: int, compute: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(count, rows, columns))
        self.compute = compute

    def forward(self, x_PNC: Tensor) -> Tensor:
        """Return x W^T of each model, in `compute`."""
        return x_PNC.to(self.compute) @ self.weight.to(self.compute).mT


class Embeddings(nn.Module):
    """Tables of token vectors, one a model."""

    def __init__(self, count: int, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(count, shape.vocab_size, shape.width))

    def forward(self, tokens_PN: Tensor) -> Tensor:
        """Return each token's vector from its model's table, (P, N, C)."""
        count, size, _ = self.weight.shape
        begins = torch.arange(0, count * size, size, device=tokens_PN.device)[:, None]
        return functional.embedding(tokens_PN + begins, self.weight.flatten(0, 1))


class Attentions(nn.Module):
    """`Attention` of every model."""

    def __init__(
        self, count: int, shape: Shape, compute: torch.dtype, *, valued: bool = False
    ) -> None:
        super().__init__()
        self.heads = shape.heads
        width, self.gate_inputs = shape.width, shape.gate_inputs
        self.value_gate = (
            Matrices(count, shape.gate_inputs, shape.heads, compute) if valued else None
        )
        self.query = Matrices(count, width, width, compute)
        self.key = Matrices(count, width, width, compute)
        self.value = Matrices(count, width, width, compute)
        self.out = Matrices(count, width, width, compute)

    def forward(
        self, x_PNC: Tensor, angles: Tensor, mask: Tensor | None, values: Tensor | None
    ) -> Tensor:
        """Return what each position gathers from those before it, (P, N, C)."""
        compute = self.out.compute
        three = torch.cat((self.query.weight, self.key.weight, self.value.weight), dim=1)
        projected = x_PNC.to(compute) @ three.to(compute).mT
        rows = projected.view(-1, angles.shape[1], 3, self.heads, x_PNC.shape[2] // self.heads)
        if self.value_gate is not None and values is not None:
            rows = with_values(rows, values, self.value_gate(x_PNC[..., : self.gate_inputs]))
        gathered: Tensor = self.out(attend(rows, angles, mask).reshape(x_PNC.shape))
        return gathered


class Mlps(nn.Module):
    """`Mlp` of every model."""

    def __init__(self, count: int, shape: Shape, compute: torch.dtype) -> None:
        super().__init__()
        width, hidden = shape.width, shape.hidden
        llama = shape.arch == "llama"
        self.gate = Matrices(count, width, hidden, compute) if llama else None
        self.up = Matrices(count, width, hidden, compute)
        self.down = Matrices(count, hidden, width, compute)

    def forward(self, x_PNC: Tensor) -> Tensor:
        """Return the block's update, (P, N, C)."""
        raised = self.up(x_PNC)
        if self.gate is None:
            hidden = square_positive(raised)
        else:
            hidden = functional.silu(self.gate(x_PNC)) * raised
        lowered: Tensor = self.down(hidden)
        return lowered


class Blocks(nn.Module):
    """`Block` of every model."""

    def __init__(
        self, count: int, shape: Shape, compute: torch.dtype, *, valued: bool = False
    ) -> None:
        super().__init__()
        self.attention = Attentions(count, shape, compute, valued=valued)
        self.mlp = Mlps(count, shape, compute)

    def forward(
        self,
        x_PNC: Tensor,
        normed_PNC: Tensor,
        angles: Tensor,
        mask: Tensor | None,
        drops: Sequence[Drop],
        values: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the stream after this block and its norm, each (P, N, C)."""
        attended = _dropped(self.attention(normed_PNC, angles, mask, values), drops)
        x_PNC, normed_PNC = add_norm(x_PNC, attended)
        return add_norm(x_PNC, _dropped(self.mlp(normed_PNC), drops))


def _dropped(x_PNC: Tensor, drops: Sequence[Drop]) -> Tensor:
    """Return `x` after each model's own dropout; as it is without any."""
    if not drops:
        return x_PNC
    return torch.stack([drop(x_NC) for drop, x_NC in zip(drops, x_PNC, strict=True)])


class StackedGpt(nn.Module):
    """One `Gpt` for each of `seeds`, all of one shape."""

    def __init__(
        self,
        shape: Shape,
        seeds: Sequence[int],
        *,
        compute: torch.dtype = torch.float32,
        dropout: float = 0.0,
        z_loss: float = 0.0,
    ) -> None:
        super().__init__()
        count = len(seeds)
        self.shape, self.compute = shape, compute
        self.dropout, self.z_loss = dropout, z_loss
        self.compiled = False
        self.embedding = Embeddings(count, shape)
        self.blocks = nn.ModuleList(
            Blocks(count, shape, compute, valued=layer in shape.valued_layers)
            for layer in range(shape.depth)
        )
        self.values = nn.ModuleDict({str(n): Embeddings(count, shape) for n in shape.valued_layers})
        self.smear = None
        if shape.arch == "lexical":
            self.smear = Matrices(count, shape.smear_inputs, 1, torch.float32)
            self.smear_scale = nn.Parameter(torch.zeros(count, 1))
        self.head = Matrices(count, shape.width, shape.vocab_size, compute)
        angles = rotary_angles(shape.context, shape.width // shape.heads)
        self.angles: Tensor
        self.register_buffer("angles", angles, persistent=False)
        with torch.no_grad():
            for number, seed in enumerate(seeds):
                first = Gpt(shape, seed=seed).state_dict()
                for name, stack in self.named_parameters():
                    stack[number] = first[name]

    def model(self, number: int) -> Gpt:
        """Return one of the models, on its own, on the CPU."""
        alone = Gpt(self.shape, compute=self.compute, dropout=self.dropout, z_loss=self.z_loss)
        weights = {name: stack[number].cpu() for name, stack in self.state_dict().items()}
        alone.load_state_dict(weights)
        return alone

    def compile(self, *arguments: Any, **settings: Any) -> None:
        """Compile the forward pass and the loss in place by torch.compile: for a GPU."""
        self.compiled = True
        super().compile(*arguments, **settings)

    def forward(
        self, tokens_PBT: Tensor, mask: Tensor | None = None, drops: Sequence[Drop] = ()
    ) -> Tensor:
        """Return each model's last hidden states, normalized, (P, N, C) in `compute`."""
        angles = self.angles[:, : tokens_PBT.shape[2]]
        x_PNC = norm(self.embedding(tokens_PBT.flatten(1)))
        if self.smear is not None:
            x_PNC = self._smeared(self.smear, x_PNC, tokens_PBT.shape[2], mask)
        normed_PNC = norm(x_PNC).to(self.compute)
        tables = dict(self.values.items())
        for layer, block in enumerate(self.blocks):
            table = tables.get(str(layer))
            values = None if table is None else table(tokens_PBT.flatten(1))
            x_PNC, normed_PNC = block(x_PNC, normed_PNC, angles, mask, drops, values)
        return normed_PNC

    def _smeared(self, gates: Matrices, x_PNC: Tensor, length: int, mask: Tensor | None) -> Tensor:
        """Return `x` with a gated share of the position before, in rows of `length`."""
        opened = torch.sigmoid(gates(x_PNC[..., : self.shape.smear_inputs]))
        gate = (opened * self.smear_scale[:, None]).reshape(-1, length, 1)
        rows = x_PNC.reshape(-1, length, x_PNC.shape[2])
        return smear(rows, gate, mask).view_as(x_PNC)

    def losses(
        self,
        tokens_PBT: Tensor,
        targets_PBT: Tensor,
        mask: Tensor | None = None,
        chances: Sequence[torch.Generator] = (),
    ) -> Tensor:
        """Return each model's mean loss on its own tokens, in nats a token, (P,).

        Args:
            tokens_PBT: int64, T at most `shape.context`.
            targets_PBT: the token wanted after each.
            mask: (P x B, 1, T, T) bool, true where a query may look; None: all before it.
            chances: what each model's dropout draws from; empty: no dropout.
        """
        drops = [Drop(self.dropout, chance) for chance in chances]
        hidden_PNC = self(tokens_PBT, mask, drops)
        slopes = slopes_for(hidden_PNC, self.head.weight, compiled=self.compiled)
        found: Tensor = StackedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden_PNC, self.head.weight, targets_PBT.flatten(1), self.z_loss, slopes
        )
        return found


class StackedCrossEntropy(torch.autograd.Function):
    """`CappedCrossEntropy` of every model, a few rows of each at a time, gradient included."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_PNC: Tensor,
        head_PVC: Tensor,
        targets_PN: Tensor,
        z_loss: float,
        slopes: Slopes,
    ) -> Tensor:
        """Return each model's mean loss, (P,), and keep both gradients for `backward`."""
        count, size = targets_PN.shape
        hidden, head = hidden_PNC, head_PVC.to(hidden_PNC.dtype)
        hidden_gradient, head_gradient = torch.empty_like(hidden), torch.zeros_like(head_PVC)
        shares = torch.full((count * size,), 1 / size, device=hidden.device)
        totals = torch.zeros(count, dtype=torch.float64, device=hidden.device)
        rows = max(1, logit_rows(hidden, head.shape[1]) // count)
        for start in range(0, size, rows):
            part = slice(start, start + rows)
            raw_PNV = hidden[:, part] @ head.mT
            targets = targets_PN[:, part].flatten()
            losses, slope = slopes(raw_PNV.flatten(0, 1), targets, shares[: len(targets)], z_loss)
            totals += losses.view(count, -1).sum(1)
            slope_PNV = slope.view_as(raw_PNV)
            hidden_gradient[:, part] = slope_PNV @ head
            head_gradient += slope_PNV.mT @ hidden[:, part]
        ctx.save_for_backward(hidden_gradient, head_gradient)
        return totals.float()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Return the kept gradients times what comes from above each model's loss."""
        hidden_gradient, head_gradient = ctx.saved_tensors
        above = upstream[0][:, None, None]
        by_hidden = hidden_gradient * above.to(hidden_gradient.dtype)
        return by_hidden, head_gradient * above, None, None, None
