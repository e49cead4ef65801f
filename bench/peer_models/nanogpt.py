"""nanoGPT: GPT-2's architecture with AdamW and a cosine, stated again from reading its source.

Read: karpathy/nanoGPT train.py at e2221318 and model.py at 04a1d697 (less the SVD switch that this
version adds, which is off by default), 2026-11-21.

    model     learned positions, pre-norm LayerNorm without bias, one matrix for query, key and
              value, exact GELU, head tied to the embedding, no dropout
    weights   N(0, 0.02); matrices that write to the stream N(0, 0.02 / sqrt(2 depth))
    optimizer AdamW, betas (0.9, 0.95), epsilon 1e-8, decay 0.1 of what has two dimensions,
              gradients clipped to norm 1
    schedule  linear warm-up, then a cosine down to a tenth of the highest rate

Its highest rate, 6e-4 at 124M parameters, is what `Plan.rate` multiplies. Its warm-up is 2,000 of
600,000 steps there and 100 of 5,000 in its small configuration (config/train_shakespeare_char.py):
that share, 2 %, is what we take.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.peer_models.system import Plan, System, cross_entropy_bits
from curator.train.proxy import Shape

HIGHEST_RATE = 6e-4
FINAL_SHARE = 0.1
WARMUP_SHARE = 0.02
BETAS = (0.9, 0.95)
DECAY = 0.1
CLIP = 1.0
STD = 0.02


class Attention(nn.Module):
    """Causal self-attention, query, key and value from one matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.joint = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        size, length, width = x_BTC.shape
        query, key, value = (
            part.view(size, length, self.heads, -1).transpose(1, 2)
            for part in self.joint(x_BTC).split(width, dim=2)
        )
        gathered = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        joined: Tensor = self.out(gathered.transpose(1, 2).reshape(size, length, width))
        return joined


class Block(nn.Module):
    """Attention and a GELU MLP of four widths, each after a LayerNorm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(shape.width, bias=False)
        self.attention = Attention(shape)
        self.mlp_norm = nn.LayerNorm(shape.width, bias=False)
        self.up = nn.Linear(shape.width, 4 * shape.width, bias=False)
        self.down = nn.Linear(4 * shape.width, shape.width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        x_BTC = x_BTC + self.attention(self.attention_norm(x_BTC))
        raised = self.down(functional.gelu(self.up(self.mlp_norm(x_BTC))))
        return x_BTC + raised


class Gpt2(nn.Module):
    """The model; `seed` fixes its first weights."""

    def __init__(self, shape: Shape, seed: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.vocab_size, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(shape.width, bias=False)
        self.initialize(shape.depth, seed)

    @torch.no_grad()
    def initialize(self, depth: int, seed: int) -> None:
        chance = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue  # LayerNorm starts at one
            writes = name.endswith(("out.weight", "down.weight"))
            weight.normal_(0, STD / math.sqrt(2 * depth) if writes else STD, generator=chance)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Return logits, (B, T, V)."""
        place_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        x_BTC = self.tokens(tokens_BT) + self.positions(place_T)
        for block in self.blocks:
            x_BTC = block(x_BTC)
        return functional.linear(self.norm(x_BTC), self.tokens.weight)


class NanoGpt(System):
    """The model with its optimizer and schedule."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan, Gpt2(plan.shape, plan.seed))
        weights = list(self.model.parameters())
        groups = [
            {"params": [w for w in weights if w.dim() >= 2], "weight_decay": DECAY * plan.decay},
            {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0},
        ]
        # The fused kernel on the CPU too, where nanoGPT itself would not use it: it is faster.
        self.adam = torch.optim.AdamW(groups, lr=HIGHEST_RATE, betas=BETAS, fused=True)

    def plain_loss(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        with self.products():
            logits = self.model(tokens_BT)
            return functional.cross_entropy(logits.flatten(0, 1), targets_BT.flatten())

    def move(self, step: int) -> None:
        for group in self.adam.param_groups:
            group["lr"] = HIGHEST_RATE * self.plan.rate * factor(step, self.plan.steps)
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def bits(self, tokens_BT: Tensor, targets_BT: Tensor) -> Tensor:
        return cross_entropy_bits(self.model(tokens_BT), targets_BT)

    def block_parameters(self) -> int:
        return sum(w.numel() for n, w in self.model.named_parameters() if n.startswith("blocks."))


def factor(step: int, steps: int) -> float:
    """Return what the highest rate is multiplied by at `step` (from 0) of `steps`."""
    warmup = max(1, round(WARMUP_SHARE * steps))
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    return FINAL_SHARE + (1 - FINAL_SHARE) * (1 + math.cos(math.pi * done)) / 2
