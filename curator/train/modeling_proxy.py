"""A curator proxy for the transformers library: the same logits as `Gpt`, with a cache of keys.

This file stands alone: `curator export --format transformers` copies it beside the weights, and
`AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)` reads it from there without
curator installed. Weights have the names that they have in `curator.train.model.Gpt`.
"""

# Shapes: B sequences, T positions, S positions with those in the cache, C width, H heads,
# D width of a head, V vocabulary.
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast


class ProxyConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """The sizes and constants of one proxy; `curator.train.export` writes them all."""

    model_type = "curator_proxy"

    def __init__(
        self,
        vocab_size: int = 257,
        hidden_size: int = 64,
        intermediate_size: int = 256,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 2,
        max_position_embeddings: int = 256,
        arch: str = "gpt",
        logit_cap: float = 15.0,
        query_key_gain: float = 1.2,
        rotary_base: float = 10_000.0,
        valued_layers: Sequence[int] = (),
        gate_inputs: int = 12,
        smear_inputs: int = 24,
        **rest: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.max_position_embeddings = max_position_embeddings
        self.arch = arch
        self.logit_cap = logit_cap
        self.query_key_gain = query_key_gain
        self.rotary_base = rotary_base
        self.valued_layers = list(valued_layers)
        self.gate_inputs = gate_inputs
        self.smear_inputs = smear_inputs
        rest.setdefault("tie_word_embeddings", False)
        super().__init__(**rest)


def norm(x: Tensor) -> Tensor:
    """Return `x` with a root mean square of 1 along its last axis, found in float32."""
    return functional.rms_norm(x.float(), (x.shape[-1],)).to(x.dtype)


def rotate(x_BHTD: Tensor, cos_BTD: Tensor, sin_BTD: Tensor) -> Tensor:
    """Return `x` turned by its position: half-split pairs."""
    first, second = x_BHTD.float().chunk(2, dim=-1)
    cos, sin = cos_BTD[:, None], sin_BTD[:, None]
    turned = torch.cat((first * cos - second * sin, first * sin + second * cos), dim=-1)
    return turned.to(x_BHTD.dtype)


class Attention(nn.Module):
    """Causal self-attention with rotary positions and normalized queries and keys."""

    def __init__(self, config: ProxyConfig, layer: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.layer, self.heads = layer, config.num_attention_heads
        self.scale = config.query_key_gain**2 / math.sqrt(width // self.heads)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        valued = layer in config.valued_layers
        self.value_gate = nn.Linear(config.gate_inputs, self.heads, bias=False) if valued else None

    def forward(
        self,
        x_BTC: Tensor,
        angles: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,
        values: Tensor | None,
    ) -> Tensor:
        """Return what each position gathers from those before it, (B, T, C)."""
        size, length, width = x_BTC.shape
        query, key, value = (
            part(x_BTC).view(size, length, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        if self.value_gate is not None and values is not None:
            gate_BTH = 3 * torch.sigmoid(self.value_gate(x_BTC[..., : self.value_gate.in_features]))
            looked_up = values.view(size, length, self.heads, -1).transpose(1, 2)
            value = value + looked_up * gate_BTH.transpose(1, 2).unsqueeze(-1)
        query, key = norm(rotate(query, *angles)), norm(rotate(key, *angles))
        if cache is not None:
            key, value = cache.update(key, value, self.layer)
        causal = mask is None and length > 1
        gathered = functional.scaled_dot_product_attention(
            query, key, value, mask, is_causal=causal, scale=self.scale
        )
        joined: Tensor = self.out(gathered.transpose(1, 2).reshape(size, length, width))
        return joined


class Mlp(nn.Module):
    """Two matrices around a squared ReLU, or three with a SiLU gate."""

    def __init__(self, config: ProxyConfig) -> None:
        super().__init__()
        width, hidden = config.hidden_size, config.intermediate_size
        self.gate = nn.Linear(width, hidden, bias=False) if config.arch == "llama" else None
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Return the block's update, (B, T, C)."""
        raised = self.up(x_BTC)
        if self.gate is None:
            hidden = functional.relu(raised).square()
        else:
            hidden = functional.silu(self.gate(x_BTC)) * raised
        lowered: Tensor = self.down(hidden)
        return lowered


class Block(nn.Module):
    """Attention, then an MLP, each added to the stream after a norm."""

    def __init__(self, config: ProxyConfig, layer: int) -> None:
        super().__init__()
        self.attention = Attention(config, layer)
        self.mlp = Mlp(config)

    def forward(
        self,
        x_BTC: Tensor,
        angles: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,
        values: Tensor | None,
    ) -> Tensor:
        """Return the stream after this block, (B, T, C)."""
        x_BTC = x_BTC + self.attention(norm(x_BTC), angles, mask, cache, values)
        updated: Tensor = x_BTC + self.mlp(norm(x_BTC))
        return updated


class ProxyForCausalLM(PreTrainedModel, GenerationMixin):  # type: ignore[no-untyped-call]
    """A proxy as a causal language model of transformers: `forward`, `generate`, a cache."""

    config_class = ProxyConfig
    base_model_prefix = "proxy"
    _supports_sdpa = True

    def __init__(self, config: ProxyConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList(Block(config, n) for n in range(config.num_hidden_layers))
        self.head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.values = nn.ModuleDict(
            {str(n): nn.Embedding(*self.embedding.weight.shape) for n in config.valued_layers}
        )
        self.smear = None
        if config.arch == "lexical":
            self.smear = nn.Linear(config.smear_inputs, 1, bias=False)
            self.smear_scale = nn.Parameter(torch.zeros(1))
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of token vectors."""
        return self.embedding

    def get_output_embeddings(self) -> nn.Module:
        """Return the matrix that makes logits."""
        return self.head

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,  # noqa: FBT001 - transformers calls it so
        logits_to_keep: int = 0,
        **_: Any,
    ) -> CausalLMOutputWithPast:
        """Return logits (B, T, V) float32, and with `labels` the mean loss of the next token.

        Args:
            input_ids: (B, T) int64.
            attention_mask: (B, S) with 0 for padding, which no position looks at.
            position_ids: (B, T); rotary positions are relative, so any offset serves.
            past_key_values: a cache of keys and values before these tokens.
            inputs_embeds: (B, T, C) in place of `input_ids`.
            labels: (B, T) int64, the tokens themselves, -100 where nothing is wanted.
            use_cache: make a cache where none is given.
            logits_to_keep: logits of the last so many positions; 0: of all.
        """
        x_BTC = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        cache = past_key_values
        begin = 0 if cache is None else int(cache.get_seq_length())
        if position_ids is None:
            position_ids = torch.arange(begin, begin + x_BTC.shape[1], device=x_BTC.device)[None]
        angles = self._angles(position_ids)
        mask = _mask(attention_mask, begin, x_BTC.shape[1], x_BTC.device)
        if input_ids is None and self.values:
            raise ValueError("this proxy looks tokens up in several tables; give input_ids")
        x_BTC = norm(x_BTC)
        if self.smear is not None:
            x_BTC = self._smeared(self.smear, x_BTC, attention_mask, cache)
        tables = dict(self.values.items())
        for layer, block in enumerate(self.blocks):
            values = tables[str(layer)](input_ids) if str(layer) in tables else None
            x_BTC = block(x_BTC, angles, mask, cache, values)
        raw = self.head(norm(x_BTC)[:, -logits_to_keep:]).float()
        logits = self.config.logit_cap * raw * (raw.square() + self.config.logit_cap**2).rsqrt()
        loss = None if labels is None else _loss(logits, labels)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=cache)

    def _smeared(
        self, gates: nn.Module, x_BTC: Tensor, attention_mask: Tensor | None, cache: Any
    ) -> Tensor:
        """Return each position plus a gated share of the one before it, if that is no padding.

        The cache keeps all embeddings as one more layer's keys, so that it can be cut, repeated
        and reordered as any.
        """
        length = x_BTC.shape[1]
        known_BSC = x_BTC
        if cache is not None:
            if len(cache.layers) == len(self.blocks):  # `generate` makes one a block
                cache.layers.append(type(cache.layers[0])())
            known = x_BTC[:, None]
            known_BSC = cache.update(known, known[..., :1], len(self.blocks))[0][:, 0]
        before = functional.pad(known_BSC[:, :-1], (0, 0, 1, 0))
        if attention_mask is not None and attention_mask.dim() == 2:
            before = before * functional.pad(attention_mask[:, :-1], (1, 0)).unsqueeze(-1)
        gate = torch.sigmoid(gates(x_BTC[..., : self.config.smear_inputs])) * self.smear_scale
        return x_BTC + before[:, -length:] * gate

    def _angles(self, position_ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin of the rotary angles, (B, T, D/2) float32 each."""
        # Made anew at every call: a buffer outside the weights' file is not filled on loading.
        width = self.config.hidden_size // self.config.num_attention_heads
        place = torch.arange(0, width, 2, dtype=torch.float32, device=position_ids_BT.device)
        angle = position_ids_BT[..., None].float() * self.config.rotary_base ** (-place / width)
        return angle.cos(), angle.sin()


def _mask(
    attention_mask: Tensor | None, begin: int, length: int, device: torch.device
) -> Tensor | None:
    """Return (B, 1, T, S) bool, true where a query may look; None: every earlier position."""
    if attention_mask is not None and attention_mask.dim() == 4:
        return attention_mask
    unpadded = attention_mask is None or bool(attention_mask.all())
    if unpadded and (begin == 0 or length == 1):
        return None
    query = torch.arange(begin, begin + length, device=device)[:, None]
    key = torch.arange(begin + length, device=device)[None]
    causal = (key <= query)[None, None]
    if attention_mask is None or unpadded:
        return causal
    # A position always sees itself: a row with nothing to look at would have no softmax.
    return (causal & attention_mask.bool()[:, None, None, :]) | (key == query)


def _loss(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """Return the mean cross-entropy in nats of each next label."""
    return functional.cross_entropy(
        logits_BTV[:, :-1].flatten(0, 1), labels_BT[:, 1:].flatten(), ignore_index=-100
    )
