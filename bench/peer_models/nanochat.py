"""nanochat's base model, stated again from reading its source; optimizer in nanochat_optim.py.

Read: karpathy/nanochat nanochat/gpt.py, nanochat/optim.py and scripts/base_train.py at 0e4b3fad
(its dense default), nanochat/flash_attention.py at 030de3a7, 2026-11-21.

Pre-norm RMSNorm without weights, rotary positions (base 100,000), queries and keys normalized and
times 1.2, squared ReLU, untied head, logits capped by 15 tanh(z / 15), and what goes beyond ours:

    smear             the embedding before, times a gate, added to each embedding
    residual scales   the stream times a learned number before each block, plus another times the
                      first embedding
    value embeddings  on every other layer and the last: a second embedding table added to the
                      values, times a gate per head
    back-out          a learned share of the stream after the middle block, subtracted at the end

Its sliding windows ("SSSL") are left out: without FlashAttention 3 it asks for full attention
itself. Heads are as wide as ours (its own, 128, would leave one head or none at these widths).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.peer_models.nanochat_optim import Schedule, optimizer_of
from bench.peer_models.system import Plan, System, cross_entropy_bits
from curator.train.proxy import Shape

CAP = 15.0
ROTARY_BASE = 100_000.0
VALUE_GATE_CHANNELS = 12
SMEAR_CHANNELS = 24
Turn = tuple[Tensor, Tensor]  # cos and sin, (T, 1, D / 2)


def norm(x: Tensor) -> Tensor:
    """Return `x` with a root mean square of 1 along its last axis."""
    return functional.rms_norm(x, (x.shape[-1],))


class Linear(nn.Linear):
    """A matrix that takes on the dtype of what it multiplies; its own weights stay float32."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight.to(x.dtype))


def has_values(layer: int, depth: int) -> bool:
    """Whether a layer has a value embedding: every other one, the last among them."""
    return layer % 2 == (depth - 1) % 2


def rotate(x_BTHD: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return `x` turned by its position, halves paired."""
    first, second = x_BTHD.chunk(2, dim=-1)
    return torch.cat((first * cos + second * sin, second * cos - first * sin), dim=-1)


class Attention(nn.Module):
    """Causal attention with normalized queries and keys, and gated value embeddings."""

    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query = Linear(shape.width, shape.width)
        self.key = Linear(shape.width, shape.width)
        self.value = Linear(shape.width, shape.width)
        self.out = Linear(shape.width, shape.width)
        gated = has_values(layer, shape.depth)
        self.value_gate = Linear(VALUE_GATE_CHANNELS, shape.heads) if gated else None

    def forward(self, x_BTC: Tensor, values_BTC: Tensor | None, turn: Turn) -> Tensor:
        size, length, _ = x_BTC.shape
        heads = (size, length, self.heads, -1)
        query, key = self.query(x_BTC).view(heads), self.key(x_BTC).view(heads)
        value = self.value(x_BTC).view(heads)
        if self.value_gate is not None and values_BTC is not None:
            gate_BTH = 3 * torch.sigmoid(self.value_gate(x_BTC[..., :VALUE_GATE_CHANNELS]))
            value = value + gate_BTH.unsqueeze(-1) * values_BTC.view(heads)
        query, key = norm(rotate(query, *turn)) * 1.2, norm(rotate(key, *turn)) * 1.2
        gathered = functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), is_causal=True
        )
        return self.out(gathered.transpose(1, 2).reshape(size, length, -1))


class Block(nn.Module):
    """Attention, then a squared-ReLU MLP of four widths."""

    def __init__(self, shape: Shape, layer: int) -> None:
        super().__init__()
        self.attention = Attention(shape, layer)
        self.up = Linear(shape.width, 4 * shape.width)
        self.down = Linear(4 * shape.width, shape.width)

    def forward(self, x_BTC: Tensor, values_BTC: Tensor | None, turn: Turn) -> Tensor:
        x_BTC = x_BTC + self.attention(norm(x_BTC), values_BTC, turn)
        return x_BTC + self.down(functional.relu(self.up(norm(x_BTC))).square())


class Model(nn.Module):
    """The model; `seed` fixes its first weights, `stream` is the dtype of its activations."""

    def __init__(self, shape: Shape, seed: int, stream: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.shape, self.stream = shape, stream
        depth, width = shape.depth, shape.width
        self.embedding = nn.Embedding(shape.vocab_size, width)
        self.blocks = nn.ModuleList(Block(shape, layer) for layer in range(depth))
        self.head = Linear(width, shape.vocab_size)
        self.stream_scales = nn.Parameter(torch.ones(depth))
        self.first_scales = nn.Parameter(torch.zeros(depth))
        self.smear_gate = Linear(SMEAR_CHANNELS, 1)
        self.smear_scale = nn.Parameter(torch.zeros(1))
        self.backout_scale = nn.Parameter(torch.zeros(1))
        self.value_embeddings = nn.ModuleDict(
            {
                str(layer): nn.Embedding(shape.vocab_size, width)
                for layer in range(depth)
                if has_values(layer, depth)
            }
        )
        steps = torch.arange(0, width // shape.heads, 2) / (width // shape.heads)
        angle = torch.outer(torch.arange(shape.context).float(), ROTARY_BASE**-steps)
        self.register_buffer("cos", angle.cos()[:, None].to(stream), persistent=False)
        self.register_buffer("sin", angle.sin()[:, None].to(stream), persistent=False)
        self.initialize(seed)

    @torch.no_grad()
    def initialize(self, seed: int) -> None:
        chance = torch.Generator().manual_seed(seed)
        bound = (3 / self.shape.width) ** 0.5  # uniform with a standard deviation of C^-1/2
        for name, weight in self.named_parameters():
            if name == "embedding.weight":
                weight.normal_(0, 0.8, generator=chance)
            elif name == "head.weight":
                weight.normal_(0, 0.001, generator=chance)
            elif name.endswith(("out.weight", "down.weight")):
                weight.zero_()
            elif name.endswith("up.weight"):
                weight.uniform_(-0.4 * bound, 0.4 * bound, generator=chance)
            elif name.endswith("gate.weight"):
                weight.uniform_(0, 0.02, generator=chance)
            elif weight.dim() == 2:
                weight.uniform_(-bound, bound, generator=chance)
        along = torch.linspace(0, 1, self.shape.depth)
        self.stream_scales.copy_(1.15 - 0.10 * along)
        self.first_scales.copy_(0.20 - 0.15 * along)
        self.smear_scale.zero_()
        self.backout_scale.fill_(0.2)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return capped logits, (B, T, V) float32."""
        turn = self.cos[: tokens_BT.shape[1]], self.sin[: tokens_BT.shape[1]]
        first_BTC = self.smear(norm(self.embedding(tokens_BT).to(self.stream)))
        x_BTC, middle_BTC = first_BTC, first_BTC
        for layer, block in enumerate(self.blocks):
            x_BTC = self.stream_scales[layer] * x_BTC + self.first_scales[layer] * first_BTC
            values_BTC = None
            if str(layer) in self.value_embeddings:
                values_BTC = self.value_embeddings[str(layer)](tokens_BT).to(x_BTC.dtype)
            x_BTC = block(x_BTC, values_BTC, turn)
            if layer == self.shape.depth // 2:
                middle_BTC = x_BTC
        x_BTC = norm(x_BTC - self.backout_scale.to(x_BTC.dtype) * middle_BTC)
        return CAP * torch.tanh(self.head(x_BTC).float() / CAP)

    def smear(self, x_BTC: Tensor) -> Tensor:
        """Return each position plus a gated share of the one before it."""
        later = x_BTC[:, 1:]
        gate = torch.sigmoid(self.smear_gate(later[..., :SMEAR_CHANNELS]))
        moved = later + self.smear_scale.to(x_BTC.dtype) * gate * x_BTC[:, :-1]
        return torch.cat((x_BTC[:, :1], moved), dim=1)


class NanoChat(System):
    """The model with its optimizer and schedule."""

    def __init__(self, plan: Plan) -> None:
        stream = torch.bfloat16 if plan.precision == "bf16" else torch.float32
        super().__init__(plan, Model(plan.shape, plan.seed, stream))
        self.schedule = Schedule.of(plan)
        self.optimizer = optimizer_of(self.model, plan, self.schedule)

    def plain_loss(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        with self.products():
            logits = self.model(tokens_BT)
            return functional.cross_entropy(logits.flatten(0, 1), targets_BT.flatten())

    def move(self, step: int) -> None:
        self.optimizer.step(self.schedule.at(step))

    def bits(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        stream, self.model.stream = self.model.stream, torch.float32
        try:
            return cross_entropy_bits(self.model(tokens_BT), targets_BT)
        finally:
            self.model.stream = stream

    def block_parameters(self) -> int:
        return sum(w.numel() for n, w in self.model.named_parameters() if n.startswith("blocks."))
