"""A model that reads on: keys and values of what it has read are kept, so only the new is computed.

The same numbers as `Gpt.forward` on the whole text, to rounding. Past the context the model goes
on with the later half of what it has read, as evaluation's windows do.
"""

# Shapes: B documents, T positions read, S new positions, C width, H heads, D width of a head, V
# vocabulary.
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from curator.train.attention import QUERY_KEY_GAIN, rotate, with_values
from curator.train.model import Attention, Block, Gpt, norm, smear


class Grown:
    """A model and what it has read of some documents, all of one length.

    Args:
        model: without dropout, as `load_model` returns it.
    """

    def __init__(self, model: Gpt) -> None:
        self._model = model
        self.device = model.head.weight.device
        self.context = model.shape.context
        self._read = torch.zeros((0, 0), dtype=torch.int64, device=self.device)  # (B, T)
        self._kept: list[tuple[Tensor, Tensor]] = []  # a layer: keys and values, (B, H, T, D)
        self._before: Tensor | None = None  # (B, 1, C), the last embedding, which the next smears

    def logits(self, new_BS: Tensor) -> Tensor:
        """Return raw logits of the token after all that was read and `new_BS`, (B, V) float32."""
        read = torch.cat((self._read, new_BS), 1) if self._kept else new_BS
        if read.shape[1] > self.context:
            # A token more than the context: the later half is read again from its own beginning.
            self._kept, self._before = [], None
            read = read[:, -max(1, self.context // 2) :]
            new_BS = read
        hidden_BSC = self._hidden(new_BS)
        self._read = read
        logits_BV: Tensor = self._model.head(hidden_BSC[:, -1]).float()
        return logits_BV

    def keep(self, rows: Tensor) -> None:
        """Forget all documents but some, by their rows."""
        rows = rows.to(self.device)
        self._read = self._read[rows]
        self._kept = [(keys[rows], values[rows]) for keys, values in self._kept]
        self._before = None if self._before is None else self._before[rows]

    def _hidden(self, new_BS: Tensor) -> Tensor:
        """Return the last hidden state of new positions, (B, S, C); they are added to the kept."""
        model, first = self._model, not self._kept
        start = 0 if first else self._kept[0][0].shape[2]
        angles = model.angles[:, start : start + new_BS.shape[1]]
        x_BSC = self._embedded(new_BS)
        normed_BSC = norm(x_BSC).to(model.compute)
        tables, kept = dict(model.values.items()), []
        for layer, block in enumerate(model.blocks):
            assert isinstance(block, Block)
            table = tables.get(str(layer))
            looked_up = None if table is None else table(new_BS)
            before = None if first else self._kept[layer]
            update, own = _attended(block.attention, normed_BSC, angles, looked_up, before)
            kept.append(own)
            x_BSC = x_BSC + update
            normed_BSC = norm(x_BSC).to(model.compute)
            x_BSC = x_BSC + block.mlp(normed_BSC)
            normed_BSC = norm(x_BSC).to(model.compute)
        self._kept = kept
        return normed_BSC

    def _embedded(self, new_BS: Tensor) -> Tensor:
        """Return what the first block reads, (B, S, C)."""
        model = self._model
        plain_BSC = norm(model.embedding(new_BS))
        if model.smear is None:
            return plain_BSC
        before, self._before = self._before, plain_BSC[:, -1:]
        given = plain_BSC if before is None else torch.cat((before, plain_BSC), 1)
        opened = torch.sigmoid(model.smear(given[..., : model.smear.in_features]))
        return smear(given, opened * model.smear_scale, None)[:, -new_BS.shape[1] :]


def _attended(
    attention: Attention,
    x_BSC: Tensor,
    angles: Tensor,
    looked_up: Tensor | None,
    before: tuple[Tensor, Tensor] | None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return attention's update of new positions, and all keys and values there are then."""
    compute = attention.out.compute
    three = torch.cat((attention.query.weight, attention.key.weight, attention.value.weight))
    projected = functional.linear(x_BSC.to(compute), three.to(compute))
    projected = projected.view(*x_BSC.shape[:2], 3, attention.heads, -1)
    if attention.value_gate is not None and looked_up is not None:
        gate = attention.value_gate(x_BSC[..., : attention.value_gate.in_features])
        projected = with_values(projected, looked_up, gate)
    width = projected.shape[-1]
    query, key, value = projected.permute(2, 0, 3, 1, 4).float()
    query, key = (functional.rms_norm(rotate(x, angles), (width,)) for x in (query, key))
    if before is not None:
        key, value = torch.cat((before[0], key), 2), torch.cat((before[1], value), 2)
    gathered = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        is_causal=before is None,  # later, one new position sees all that there is
        scale=QUERY_KEY_GAIN**2 / math.sqrt(width),
    )
    update: Tensor = attention.out(gathered.transpose(1, 2).flatten(2).to(compute))
    return update, (key, value)
